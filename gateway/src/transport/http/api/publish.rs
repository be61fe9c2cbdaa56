//! `POST /api/publish`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tidegate_shared::broker::Draft;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{EventName, IdempotencyKey};
use tidegate_shared::position::{Epoch, Offset, Tag};
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;

use super::{Api, answer};
use crate::transport::http::{Problem, body};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    topic: Topic,
    data: RawJson,
    #[serde(default)]
    event: Option<EventName>,
    #[serde(default)]
    key: Option<IdempotencyKey>,
}

/// The position is left out on topics without a log.
#[derive(Debug, Serialize)]
struct Published<'a> {
    topic: &'a Topic,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<Offset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Tag>,
}

pub(super) async fn publish(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let Publish {
        topic,
        data,
        event,
        key,
    } = body::read(request, api.body).await?;
    if matches!(topic.namespace(), "job" | "jobs") {
        return Err(Problem::new(
            ErrorCode::Forbidden,
            format!("topic {topic} is written by the job queue alone; submit jobs with POST /api/jobs"),
        ));
    }
    let draft = Draft {
        key,
        ..Draft::new(Body::Message { data, event })
    };
    let position = api.backend.broker.publish(&topic, draft).await?.position;
    answer(
        StatusCode::OK,
        &Published {
            topic: &topic,
            epoch: position.map(|position| position.epoch),
            offset: position.map(|position| position.offset),
            tag: position.map(|position| position.tag),
        },
    )
}
