//! The jobs: each by the program that the configuration names, or in steps where it names none.

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tidegate_shared::feed::instance_id;
use tidegate_shared::job::LogLevel;

use super::instance;
use super::kind::{Kind, Status};
use super::places::Places;
use super::simulation;
use super::teller::{self, Teller};
use crate::command::Programs;
use crate::context::Context;
use crate::failure::JobFailure;
use crate::job::{Handler, Job};
use crate::topics::Topics;

/// The name of the program, as `[[worker.command]]` has it. Its arguments are the kind of the job, the
/// instance's id or `-`, and the parameters as JSON.
pub(super) const PROGRAM: &str = "ark";
/// A line of the program that begins so says what the instance does from then on.
const STATUS: &str = "STATUS ";

/// A job of the kind that is at this place of [`Kind::ALL`].
#[derive(Debug)]
pub(super) struct Of<const K: usize>;

impl<const K: usize> Job for Of<K> {
    const TYPE: &'static str = Kind::ALL[K].name();
    type Input = Order;
    type Progress = ();
    type Output = Value;
}

/// What is to be done.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    #[serde(default)]
    pub(super) instance_id: Option<String>,
    #[serde(default)]
    pub(super) parameters: Map<String, Value>,
}

/// Does the jobs of all kinds.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) places: Arc<Places>,
    pub(super) programs: Programs,
}

impl<const K: usize> Handler<Of<K>> for Work {
    async fn run(&self, order: Order, context: Context<Of<K>>) -> Result<Value, JobFailure> {
        let (kind, topics) = (Kind::ALL[K], context.topics());
        let named = order.instance_id.as_deref().or(instance_id(context.record()));
        let instance = named.map(str::to_owned);
        match &instance {
            Some(id) => {
                let found = instance::find(&self.places, &topics, id).await;
                found.map_err(super::error::ArkError::into_failure)?;
            }
            None if kind.needs_instance() => {
                let text = format!("{} needs an `instanceId`", kind.name());
                return Err(JobFailure::fatal(text));
            }
            None => {}
        }
        let instance = instance.as_deref();
        self.change(&topics, instance, kind.begins()).await?;
        let (teller, news) = Teller::new();
        let told = teller::tell(&self.places, &topics, instance, news);
        let work = async {
            let outcome = self.work(kind, &order, instance, &context, &teller).await;
            // Nothing more will come: what tells may end.
            drop(teller);
            outcome
        };
        let (outcome, ()) = tokio::join!(work, told);
        let status = match &outcome {
            Ok(_) => kind.ends(),
            Err(_) if context.deadline().is_some_and(|end| Instant::now() >= end) => {
                kind.begins().map(|_| Status::Error)
            }
            Err(_) if context.is_cancelled() => kind.undone(),
            // The worker shuts down; another one goes on.
            Err(_) if context.check().is_err() => None,
            Err(_) => kind.begins().map(|_| Status::Error),
        };
        let changed = self.change(&topics, instance, status).await;
        let result = outcome?;
        changed?;
        Ok(result)
    }
}

impl Work {
    async fn change(
        &self,
        topics: &Topics,
        instance: Option<&str>,
        status: Option<Status>,
    ) -> Result<(), JobFailure> {
        let (Some(id), Some(status)) = (instance, status) else {
            return Ok(());
        };
        let changed = instance::set_status(&self.places, topics, id, status).await;
        changed.map_err(super::error::ArkError::into_failure)
    }

    async fn work<const K: usize>(
        &self,
        kind: Kind,
        order: &Order,
        instance: Option<&str>,
        context: &Context<Of<K>>,
        teller: &Teller,
    ) -> Result<Value, JobFailure> {
        if !self.programs.has(PROGRAM) {
            return simulation::run(kind, order, context, teller).await;
        }
        let args = [
            kind.name().to_owned(),
            instance.unwrap_or("-").to_owned(),
            serde_json::to_string(&order.parameters)?,
        ];
        let hear = |level: LogLevel, line: &str| match status_of(line) {
            Some(status) => teller.status(status),
            None => teller.line(level, line),
        };
        let ended = self.programs.run(PROGRAM, &args, context, hear).await?;
        Ok(result(&ended.output))
    }
}

/// `STATUS STARTING`.
fn status_of(line: &str) -> Option<Status> {
    let name = line.trim().strip_prefix(STATUS)?.trim();
    serde_json::from_value(Value::String(name.to_owned())).ok()
}

/// The last line if it is a JSON object; else all of it.
fn result(output: &str) -> Value {
    let last = output.lines().rev().find(|line| !line.trim().is_empty());
    let object = last.and_then(|line| serde_json::from_str::<Map<String, Value>>(line).ok());
    match (object, last) {
        (Some(object), _) => Value::Object(object),
        (None, Some(_)) => json!({ "output": output }),
        (None, None) => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_say_what_the_instance_does() {
        assert_eq!(status_of("STATUS STARTING"), Some(Status::Starting));
        for line in ["STATUS DANCING", "status RUNNING", "RUNNING", ""] {
            assert_eq!(status_of(line), None, "{line}");
        }
    }

    #[test]
    fn the_result_is_the_last_line_if_that_is_an_object() {
        assert_eq!(result("a\n{\"buildId\":\"7\"}\n"), json!({ "buildId": "7" }));
        assert_eq!(result("a\nb"), json!({ "output": "a\nb" }));
        assert_eq!(result(" \n"), json!({}));
    }
}
