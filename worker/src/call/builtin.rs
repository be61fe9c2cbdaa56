//! The methods that every worker has.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::IgnoredAny;
use tidegate_shared::call::CallFailure;
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
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Time {
        time_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
    })
}
