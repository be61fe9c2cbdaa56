//! `call`: a method, its data, and how long the client waits.

use std::time::Duration;

use bytes::Bytes;
use tidegate_shared::call::CALL_TIMEOUT_LIMIT;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::MethodName;

use super::{Checked, Envelope, data, missing, name, number, wrong_type};
use crate::dialect::{CallRequest, Command};

pub(super) fn call(message: &Bytes, envelope: &Envelope<'_>) -> Checked<Command> {
    let raw = envelope.method.ok_or_else(|| missing("method"))?;
    let timeout = envelope.timeout_ms.map(|raw| {
        let time = Duration::from_millis(number("timeout_ms", raw)?);
        let most = CALL_TIMEOUT_LIMIT.as_millis();
        let wrong = || wrong_type("timeout_ms", &format!("1 to {most}"), raw);
        Some(time)
            .filter(|time| !time.is_zero() && *time <= CALL_TIMEOUT_LIMIT)
            .ok_or_else(wrong)
    });
    Ok(Command::Call(Box::new(CallRequest {
        method: name("method", raw, MethodName::parse)?,
        data: match envelope.data {
            None => RawJson::null(),
            some => data(message, "data", some)?,
        },
        timeout: timeout.transpose()?,
    })))
}
