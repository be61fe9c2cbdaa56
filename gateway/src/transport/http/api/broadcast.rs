//! `POST /api/broadcast`: the same data on many topics, each with a result of its own.

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{EventName, IdempotencyKey};
use tidegate_shared::topic::Topic;
use tidegate_shared::trace::TraceContext;

use super::Api;
use super::publish::{Publish, Published};
use crate::transport::http::Problem;
use crate::transport::http::problem::Fault;

/// Most topics of one broadcast.
pub(super) const TOPICS: usize = 1_000;
/// Publications under way at a time.
const AT_ONCE: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Broadcast {
    topics: Vec<Topic>,
    data: RawJson,
    #[serde(default)]
    event: Option<EventName>,
    #[serde(default)]
    key: Option<IdempotencyKey>,
    /// What the request belongs to.
    #[serde(skip)]
    pub(super) trace: Option<TraceContext>,
}

/// In the order of the topics.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    results: Vec<Outcome>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outcome {
    Published(Published),
    Failed { topic: Topic, error: Fault },
}

impl Broadcast {
    pub(super) async fn run(self, api: &Api) -> Result<Results, Problem> {
        if self.topics.is_empty() || self.topics.len() > TOPICS {
            return Err(Problem::bad_request(format!(
                "`topics` has {} topics: 1 to {TOPICS} are taken",
                self.topics.len()
            )));
        }
        let Self {
            topics,
            data,
            event,
            key,
            trace,
        } = self;
        let publish = |topic: Topic| {
            let publish = Publish {
                topic: topic.clone(),
                data: data.clone(),
                event: event.clone(),
                key: key.clone(),
                trace,
            };
            async move {
                match publish.run(api).await {
                    Ok(published) => Outcome::Published(published),
                    Err(problem) => Outcome::Failed {
                        topic,
                        error: problem.fault(),
                    },
                }
            }
        };
        // As futures of their own first: a stream that made them would borrow what they move.
        let under_way: Vec<_> = topics.into_iter().map(publish).collect();
        let results = stream::iter(under_way).buffered(AT_ONCE).collect().await;
        Ok(Results { results })
    }
}
