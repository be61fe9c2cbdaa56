//! What is told before and after something is done, to who follows `event:before_…` and `event:after_…`.

use std::future::Future;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{EventName, JobFailure, Topic, Topics};

/// Where everything is told.
pub(super) const TOPIC: &str = "bedrock:*";

/// What came of it: the result of a task, and in the event after it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Outcome {
    pub(super) status: &'static str,
    pub(super) message: String,
    #[serde(flatten)]
    pub(super) more: Map<String, Value>,
}

impl Outcome {
    pub(super) fn success(message: impl Into<String>) -> Self {
        Self {
            status: "success",
            message: message.into(),
            more: Map::new(),
        }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

/// Does it between its two events. `arguments` is what both tell.
pub(super) async fn around(
    topics: &Topics,
    name: &str,
    arguments: Value,
    work: impl Future<Output = Result<Outcome, JobFailure>> + Send,
) -> Result<Outcome, JobFailure> {
    publish(topics, &format!("before_{name}"), &arguments).await;
    let done = work.await;
    let result = match &done {
        Ok(outcome) => json!(outcome),
        Err(failure) => json!({ "status": "error", "message": failure.message() }),
    };
    let mut told = arguments;
    told["result"] = result;
    publish(topics, &format!("after_{name}"), &told).await;
    done
}

/// An event that is not heard changes nothing about what was done.
pub(super) async fn publish(topics: &Topics, name: &str, data: &Value) {
    tell(topics, &format!("event:{name}"), data).await;
}

/// Tells who follows `about`. All of it goes by one topic, so that nothing overtakes what came before it.
pub(super) async fn tell<T: Serialize + Sync>(topics: &Topics, about: &str, data: &T) {
    let (Ok(topic), Ok(event)) = (Topic::parse(TOPIC), EventName::parse(about)) else {
        return;
    };
    if let Err(error) = topics.publish(&topic, Some(&event), data).await {
        tracing::warn!(%event, %error, "an event could not be published");
    }
}
