//! The station between its operations and what it keeps: loading, storing, telling. What changes is stored
//! first, then told to everybody.

use std::time::Instant;

use tidegate_shared::clock::now_ms;
use tidegate_shared::config::Pileup as Settings;
use tidegate_shared::iso;
use tidegate_shared::name::{EventName, StateKey};
use tidegate_shared::topic::Topic;

use super::NAME;
use super::callsign::Callsign;
use super::change::{Change, admit};
use super::qrz::{self, Directory};
use super::refusal::Refusal;
use super::shack::{Shack, Waiting};
use crate::{CallContext, CallFailure, ErrorCode, UserId};

/// The key of what the station keeps.
const KEY: &str = "shack";

pub(super) struct Station {
    pub(super) settings: Settings,
    directory: Box<dyn Directory>,
    started: Instant,
}

impl Station {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            directory: qrz::directory(&settings.qrz),
            settings,
            started: Instant::now(),
        }
    }

    /// Most that may wait.
    pub(super) fn max_size(&self) -> usize {
        self.settings.max_queue_size
    }

    /// The operator, and nobody else who has a name.
    pub(super) fn is_operator(&self, user: Option<&UserId>) -> bool {
        user.is_some() && user == self.settings.admin.as_ref()
    }

    /// Hours, minutes and seconds.
    pub(super) fn uptime(&self) -> String {
        let seconds = self.started.elapsed().as_secs();
        format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
    }

    pub(super) async fn load(&self, context: &CallContext) -> Result<Shack, CallFailure> {
        let map = context.state(&topic("state")?).await?;
        let kept = map.into_iter().find(|(key, _)| key.as_str() == KEY);
        kept.map_or_else(
            || Ok(Shack::default()),
            |(_, value)| {
                serde_json::from_str(value.as_str())
                    .map_err(|error| internal(format!("what the station keeps cannot be read: {error}")))
            },
        )
    }

    pub(super) async fn commit(&self, change: Change, context: &CallContext) -> Result<Shack, CallFailure> {
        let key = StateKey::parse(KEY).map_err(|error| internal(error.to_string()))?;
        context.set(&topic("state")?, &key, &change.shack, None).await?;
        let events = topic("events")?;
        for (name, data) in &change.events {
            let name = EventName::parse(name).map_err(|error| internal(error.to_string()))?;
            context.publish(&events, Some(&name), data).await?;
        }
        Ok(change.shack)
    }

    /// Puts a callsign into the queue, as its last; or says why not.
    pub(super) async fn register(
        &self,
        shack: Shack,
        callsign: &str,
        context: &CallContext,
    ) -> Result<Result<Shack, Refusal>, CallFailure> {
        let callsign = match admit(&shack, callsign, self.max_size()) {
            Ok(callsign) => callsign,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let timestamp = now();
        let qrz = self.look_up(&callsign).await;
        let waiting = Waiting {
            callsign,
            timestamp,
            qrz,
        };
        let change = Change::join(shack, waiting, self.max_size());
        self.commit(change, context).await.map(Ok)
    }

    async fn look_up(&self, callsign: &Callsign) -> serde_json::Value {
        qrz::shown(callsign, &self.directory.look_up(callsign).await)
    }
}

fn topic(name: &str) -> Result<Topic, CallFailure> {
    Topic::parse(&format!("{NAME}:{name}")).map_err(|error| internal(error.to_string()))
}

/// As it is written: UTC, without saying so.
pub(super) fn now() -> String {
    iso::local(now_ms())
}

fn internal(message: String) -> CallFailure {
    CallFailure::new(ErrorCode::Internal, message)
}
