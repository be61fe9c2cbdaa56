//! What the API does, one command for each path that takes one, so that `/api/batch` does the very same.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tidegate_shared::json::RawJson;
use tidegate_shared::trace::TraceContext;

use super::broadcast::Broadcast;
use super::call::Call;
use super::history::History;
use super::presence::Presence;
use super::publish::Publish;
use super::sessions::{Disconnect, Subscribe, Unsubscribe};
use super::state::{Remove, Set};
use super::{Api, answer};
use crate::transport::http::headers::traceparent;
use crate::transport::http::{Problem, body};

/// As a batch spells it: `{"publish": {...}}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Command {
    Publish(Publish),
    Broadcast(Broadcast),
    Call(Call),
    History(History),
    Set(Set),
    Remove(Remove),
    Presence(Presence),
    Disconnect(Disconnect),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
}

impl Command {
    /// Its name in a batch.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Publish(_) => "publish",
            Self::Broadcast(_) => "broadcast",
            Self::Call(_) => "call",
            Self::History(_) => "history",
            Self::Set(_) => "set",
            Self::Remove(_) => "remove",
            Self::Presence(_) => "presence",
            Self::Disconnect(_) => "disconnect",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe(_) => "unsubscribe",
        }
    }

    /// Whether the backend keeps the order of several of these, even if none waits for the one before.
    pub(super) fn is_orderly(&self, api: &Api) -> bool {
        let namespaces = &api.gate.config().namespaces;
        matches!(self, Self::Publish(command) if namespaces.of(&command.topic).publishes_in_order())
    }

    /// As a part of what the request belongs to.
    pub(super) fn within(mut self, trace: Option<TraceContext>) -> Self {
        match &mut self {
            Self::Publish(command) => command.trace = trace,
            Self::Broadcast(command) => command.trace = trace,
            _ => {}
        }
        self
    }

    /// The document that answers it.
    pub(super) async fn run(self, api: &Api) -> Result<RawJson, Problem> {
        match self {
            Self::Publish(command) => document(&command.run(api).await?),
            Self::Broadcast(command) => document(&command.run(api).await?),
            Self::Call(command) => document(&command.run(api).await?),
            Self::History(command) => document(&command.run(api).await?),
            Self::Set(command) => document(&command.run(api).await?),
            Self::Remove(command) => document(&command.run(api).await?),
            Self::Presence(command) => document(&command.run(api).await?),
            Self::Disconnect(command) => document(&command.run(api).await?),
            Self::Subscribe(command) => document(&command.run(api).await?),
            Self::Unsubscribe(command) => document(&command.run(api).await?),
        }
    }
}

/// A path that takes one kind of command.
pub(super) async fn handle<T: DeserializeOwned>(
    State(api): State<Arc<Api>>,
    command: fn(T) -> Command,
    request: Request,
) -> Result<Response, Problem> {
    let trace = traceparent(request.headers());
    let command = command(body::read(request, api.body).await?).within(trace);
    answer(StatusCode::OK, &command.run(&api).await?)
}

pub(super) fn document<T: serde::Serialize>(value: &T) -> Result<RawJson, Problem> {
    RawJson::of(value).map_err(|error| {
        Problem::new(
            tidegate_shared::code::ErrorCode::Internal,
            format!("the answer cannot be written: {error}"),
        )
    })
}
