//! Handlers for Tidegate jobs: write one, register it, run it.
//!
//! A [`Job`] names the types, a [`Handler`] does the work and tells about it through its [`Context`], a
//! [`Worker`] claims jobs from queues, renews their leases, writes what handlers report, and ends in an
//! orderly way. What a client sees of all this is the topic `job:{id}`.
//!
//! A [`Method`] answers calls at once, straight to who asked; through its [`CallContext`] it publishes, keeps
//! state in topics, and tells sessions what to follow.
//!
//! [`run`] is the worker as the binary `tidegate-worker` runs it, with the built-in jobs [`Backup`], [`Webhook`]
//! and [`Command`].
//!
//! # A handler and its test
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tidegate_worker::{Context, Job, JobFailure, try_out};
//!
//! struct Count;
//!
//! #[derive(Deserialize)]
//! struct Input {
//!     to: u32,
//! }
//!
//! #[derive(Serialize)]
//! struct Counted {
//!     at: u32,
//! }
//!
//! impl Job for Count {
//!     const TYPE: &'static str = "count";
//!     type Input = Input;
//!     type Progress = Counted;
//!     type Output = u32;
//! }
//!
//! async fn count(input: Input, context: Context<Count>) -> Result<u32, JobFailure> {
//!     for at in 1..=input.to {
//!         context.check()?;
//!         let percent = f64::from(at) / f64::from(input.to) * 100.0;
//!         context.report(percent, format!("{at} of {}", input.to), &Counted { at });
//!     }
//!     Ok(input.to)
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), tidegate_worker::TrialError> {
//!     let trial = try_out(count, serde_json::json!({ "to": 3 })).await?;
//!     assert_eq!(trial.record.result.expect("it succeeds").as_str(), "3");
//!     assert_eq!(trial.record.message.as_deref(), Some("3 of 3"));
//!     Ok(())
//! }
//! ```
//!
//! To serve it: [`main`] is a whole program, [`Worker::builder`] a part of one.

mod admin;
mod apps;
mod backup;
mod call;
mod command;
mod context;
mod failure;
mod job;
mod jobs;
mod lines;
mod program;
mod run;
mod topics;
mod trial;
mod webhook;
mod worker;

pub use backup::{Backup, BackupHandler, BackupInput, BackupOutput, BackupProgress};
pub use call::{CallContext, HttpAnswer, HttpRequest, Method};
pub use command::{Command, CommandHandler, CommandInput, CommandOutput, Programs};
pub use context::Context;
pub use failure::{JobFailure, Stopped};
pub use job::{Handler, Job};
pub use program::main;
pub use run::{RunError, built_in, run, serve};
pub use tidegate_shared::backend::Backend;
pub use tidegate_shared::broker::{BrokerError, Published};
pub use tidegate_shared::call::{CallFailure, Caller};
pub use tidegate_shared::code::ErrorCode;
pub use tidegate_shared::control::Who;
pub use tidegate_shared::job::Cursor as JobCursor;
pub use tidegate_shared::job::{
    Concurrency, JobDraft, JobError, JobFilter, JobId, JobPage, JobRecord, JobState, LogLevel, LogLine,
    Priority,
};
pub use tidegate_shared::json::RawJson;
pub use tidegate_shared::name::{
    ConcurrencyKey, EventName, IdempotencyKey, JobType, QueueName, SessionId, StateKey, UserId,
};
pub use tidegate_shared::presence::Member;
pub use tidegate_shared::topic::Topic;
pub use topics::Topics;
pub use trial::{Setup, Trial, TrialError, try_out};
pub use webhook::{HttpClient, HttpError, Webhook, WebhookHandler, WebhookInput};
pub use worker::{Beat, BuildError, Worker, WorkerBuilder, WorkerError};
