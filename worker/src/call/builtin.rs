//! The methods that every worker has.

use serde::Serialize;
use serde::de::IgnoredAny;
use tidegate_shared::call::CallFailure;
use tidegate_shared::clock::now_ms;
use tidegate_shared::json::RawJson;

use super::CallContext;
use crate::worker::WorkerBuilder;

/// What `time` answers.
#[derive(Debug, Serialize)]
struct Time {
    /// Since 1970, by the worker's clock.
    time_ms: u64,
}

pub(crate) fn register(worker: WorkerBuilder) -> WorkerBuilder {
    worker.method("echo", echo).method("time", time)
}

async fn echo(data: RawJson, _: CallContext) -> Result<RawJson, CallFailure> {
    Ok(data)
}

async fn time(_: IgnoredAny, _: CallContext) -> Result<Time, CallFailure> {
    Ok(Time { time_ms: now_ms() })
}
