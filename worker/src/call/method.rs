//! What the author of a method writes.

use std::future::Future;

use tidegate_shared::call::CallFailure;

use super::CallContext;

/// Answers calls. Async functions and closures from the call's data and a [`CallContext`] to a result are
/// methods; implement it for a type of your own where a method has something to hold.
///
/// A call is run at most once, for at most as long as its caller waits. A method may block its thread: methods
/// run on threads of their own. It should look at [`CallContext::is_cancelled`] where it takes long.
///
/// ```
/// use tidegate_worker::{CallContext, CallFailure, ErrorCode};
///
/// async fn half(number: i64, _: CallContext) -> Result<i64, CallFailure> {
///     if number % 2 == 0 {
///         Ok(number / 2)
///     } else {
///         Err(CallFailure::new(ErrorCode::BadRequest, format!("{number} is odd")))
///     }
/// }
/// ```
pub trait Method<I, O>: Send + Sync + 'static {
    fn answer(&self, input: I, context: CallContext) -> impl Future<Output = Result<O, CallFailure>> + Send;
}

impl<I, O, F, R> Method<I, O> for F
where
    F: Fn(I, CallContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<O, CallFailure>> + Send,
{
    fn answer(&self, input: I, context: CallContext) -> impl Future<Output = Result<O, CallFailure>> + Send {
        self(input, context)
    }
}
