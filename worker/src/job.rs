//! What the author of a handler writes: the types of a job, and the function that does it.

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::failure::JobFailure;

/// The types of a job.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tidegate_worker::Job;
///
/// struct Resize;
///
/// #[derive(Deserialize)]
/// struct Image {
///     path: String,
///     width: u32,
/// }
///
/// #[derive(Serialize)]
/// struct Resized {
///     path: String,
/// }
///
/// impl Job for Resize {
///     const TYPE: &'static str = "resize";
///     type Input = Image;
///     type Progress = ();
///     type Output = Resized;
/// }
/// ```
pub trait Job: Send + Sync + 'static {
    /// What clients write in the job's `type`: letters, digits, `.`, `_`, `-`, at most 64 bytes.
    const TYPE: &'static str;
    /// The job's `data`. Data that does not fit fails the job before the handler sees it.
    type Input: DeserializeOwned + Send + 'static;
    /// What [`Context::report`] reports beside percent and message; `()` if nothing.
    type Progress: Serialize;
    /// The job's `result`, at most 64 KiB as JSON.
    type Output: Serialize + Send + 'static;
}

/// Does jobs of one type. Async functions, and async closures that capture nothing, are handlers;
/// implement it for a type of your own where the handler has something to hold.
///
/// A handler may be run at any time for a job that it, or another worker, has begun before: the worker
/// may have died. It may block its thread: handlers run on threads of their own, and leases are renewed
/// apart from them. It should look at [`Context::check`] or [`Context::stopped`] now and then.
///
/// ```
/// use tidegate_worker::{Context, Handler, Job, JobFailure};
/// # struct Count;
/// # impl Job for Count {
/// #     const TYPE: &'static str = "count";
/// #     type Input = u32;
/// #     type Progress = ();
/// #     type Output = u32;
/// # }
///
/// struct Counter {
///     step: u32,
/// }
///
/// impl Handler<Count> for Counter {
///     async fn run(&self, input: u32, context: Context<Count>) -> Result<u32, JobFailure> {
///         context.check()?;
///         context.progress(50.0, "halfway");
///         Ok(input + self.step)
///     }
/// }
/// ```
pub trait Handler<J: Job>: Send + Sync + 'static {
    fn run(
        &self,
        input: J::Input,
        context: Context<J>,
    ) -> impl Future<Output = Result<J::Output, JobFailure>> + Send;
}

impl<J, F, R> Handler<J> for F
where
    J: Job,
    F: Fn(J::Input, Context<J>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<J::Output, JobFailure>> + Send,
{
    fn run(
        &self,
        input: J::Input,
        context: Context<J>,
    ) -> impl Future<Output = Result<J::Output, JobFailure>> + Send {
        self(input, context)
    }
}
