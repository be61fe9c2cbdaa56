//! The SDK over the embedded backend: what authors of handlers may rely on.

#![allow(clippy::expect_used, reason = "a failed expectation is what tests are for")]

mod beats;
mod calls;
mod flaky;
mod handlers;
mod leases;
mod outcomes;
mod queues;
mod shutdown;
#[path = "../support/mod.rs"]
mod support;

use tidegate_worker::Job;

/// A job of any JSON.
pub(crate) struct Any;

impl Job for Any {
    const TYPE: &'static str = "any";
    type Input = serde_json::Value;
    type Progress = serde_json::Value;
    type Output = serde_json::Value;
}
