//! `POST /api/publish`.

use serde::{Deserialize, Serialize};
use tidegate_shared::broker::Draft;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{EventName, IdempotencyKey};
use tidegate_shared::position::Position;
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;
use tidegate_shared::trace::{Kind, TraceContext};

use super::Api;
use crate::steps;
use crate::transport::http::Problem;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Publish {
    pub(super) topic: Topic,
    pub(super) data: RawJson,
    #[serde(default)]
    pub(super) event: Option<EventName>,
    #[serde(default)]
    pub(super) key: Option<IdempotencyKey>,
    /// What the request belongs to.
    #[serde(skip)]
    pub(super) trace: Option<TraceContext>,
}

/// The position is left out on topics without a log.
#[derive(Debug, Serialize)]
pub(super) struct Published {
    pub(super) topic: Topic,
    #[serde(flatten)]
    pub(super) position: Option<Position>,
}

impl Publish {
    pub(super) async fn run(self, api: &Api) -> Result<Published, Problem> {
        let Self {
            topic,
            data,
            event,
            key,
            trace,
        } = self;
        let mut draft = Draft {
            key,
            ..Draft::new(Body::Message { data, event })
        };
        let span = api.gate.node().tracer.begin("publish", Kind::Producer, trace);
        let mut span = steps::publish(span, &topic, &mut draft);
        let published = publish(api, topic, draft).await;
        if let (Some(span), Err(problem)) = (&mut span, &published) {
            span.failed(&problem.code());
        }
        published
    }
}

pub(super) async fn publish(api: &Api, topic: Topic, draft: Draft) -> Result<Published, Problem> {
    if matches!(topic.namespace(), "job" | "jobs") {
        return Err(Problem::new(
            ErrorCode::Forbidden,
            format!("topic {topic} is written by the job queue alone; submit jobs with POST /api/jobs"),
        ));
    }
    let published = api.backend.broker.publish(&topic, draft).await?;
    Ok(Published {
        topic,
        position: published.position,
    })
}
