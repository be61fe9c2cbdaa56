//! What operations answer over both protocols alike.

use serde_json::{Value, json};

use super::change::{Dial, callsign, said};
use super::shack::Shack;
use crate::UserId;

/// Who registered last.
pub(super) fn registered(shack: &Shack) -> Value {
    let entry = shack.entry(shack.queue.len().saturating_sub(1));
    said("Callsign registered successfully", "entry", &entry)
}

/// The queue as the operator sees it, whether it is open or not.
pub(super) fn queue(shack: &Shack) -> Value {
    json!({ "queue": shack.entries(), "total": shack.queue.len(), "admin": true })
}

pub(super) fn removed(removed: &Value) -> Value {
    let callsign = callsign(removed).unwrap_or_default();
    said(
        format!("Callsign {callsign} removed from queue"),
        "removed",
        removed,
    )
}

pub(super) fn completed(worked: &Value) -> Value {
    let message = match callsign(worked) {
        Some(callsign) => format!("QSO with {callsign} completed"),
        None => "No active QSO to complete".into(),
    };
    said(message, "completed_qso", worked)
}

pub(super) fn tuned(dial: Dial, value: Option<&str>) -> Value {
    let what = match dial {
        Dial::Frequency => "Frequency",
        Dial::Split => "Split",
    };
    match value {
        Some(value) => said(format!("{what} updated successfully"), dial.name(), &value.into()),
        None => json!({ "message": format!("{what} cleared successfully") }),
    }
}

pub(super) fn switched(active: bool) -> &'static str {
    if active {
        "System activated successfully"
    } else {
        "System deactivated successfully"
    }
}

/// Who did it.
pub(super) fn operator(user: Option<&UserId>) -> String {
    user.map_or_else(|| "admin".into(), ToString::to_string)
}
