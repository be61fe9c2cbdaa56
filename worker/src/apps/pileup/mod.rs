//! Pileup Buster: stations that call wait in a queue, and an operator works one after the other.
//!
//! Every operation of its protocol is a method `pileup.{operation}`, and its HTTP routes are `pileup.http`; the
//! group is serial, so they take effect one after the other however many workers there are. What it keeps is a
//! value of `pileup:state`; what it tells everybody goes over `pileup:events`.

mod answer;
mod callsign;
mod change;
mod http;
mod operations;
mod page;
mod qrz;
mod refusal;
mod shack;
mod station;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;
use tidegate_shared::config::Pileup as Settings;
use tidegate_shared::pileup::OPERATIONS;

use crate::{CallContext, HttpRequest, WorkerBuilder};
use station::Station;

/// The group of its methods, and the namespace of its topics.
const NAME: &str = "pileup";

pub(crate) fn register(worker: WorkerBuilder, settings: &Settings) -> WorkerBuilder {
    let station = Arc::new(Station::new(settings.clone()));
    let mut worker = worker;
    for operation in OPERATIONS {
        let station = Arc::clone(&station);
        let method = move |data: Value, context: CallContext| {
            let station = Arc::clone(&station);
            async move { operations::run(&station, operation, &data, &context).await }
        };
        worker = worker.method(format!("{NAME}.{operation}"), method);
    }
    let requests = move |request: HttpRequest, context: CallContext| {
        let station = Arc::clone(&station);
        async move { http::answer(&station, &request, &context).await }
    };
    worker.method(format!("{NAME}.http"), requests).serial(NAME)
}
