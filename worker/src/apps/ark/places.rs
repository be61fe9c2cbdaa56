//! Where a control plane keeps what it knows, and where it tells of it.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidegate_shared::broker::BrokerError;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{EventName, NameError, QueueName, StateKey};
use tidegate_shared::topic::Topic;

use super::error::ArkError;
use crate::topics::Topics;

/// Longest id of an instance or an agent, in bytes.
const ID_LIMIT: usize = 128;

/// Topics and queue of the application.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) queue: QueueName,
    /// What every client is told.
    pub(super) events: Topic,
    /// `instance:log`, apart, so that it does not drive the others out of the log.
    pub(super) lines: Topic,
    pub(super) jobs: Topic,
    pub(super) instances: Topic,
    /// What each instance does. Apart from the instances, as jobs change it while others change those.
    pub(super) statuses: Topic,
    pub(super) agents: Topic,
    /// The agents that are there: each for as long as it may be silent.
    pub(super) online: Topic,
    /// The agents that were there and have not been told to be missing.
    pub(super) watched: Topic,
}

impl Places {
    /// The names are the application's own: that they are valid, a test proves.
    pub(super) fn new() -> Result<Self, NameError> {
        let queue = QueueName::parse("ark")?;
        Ok(Self {
            events: Topic::parse("ark:events")?,
            lines: Topic::parse("ark:log")?,
            jobs: Topic::parse("jobs:ark")?,
            instances: Topic::parse("ark-state:instances")?,
            statuses: Topic::parse("ark-state:statuses")?,
            agents: Topic::parse("ark-state:agents")?,
            online: Topic::parse("ark-state:online")?,
            watched: Topic::parse("ark-state:watched")?,
            queue,
        })
    }
}

/// Tells all clients of something.
pub(super) async fn tell(
    topics: &Topics,
    topic: &Topic,
    event: &str,
    data: &[(&str, Value)],
) -> Result<(), ArkError> {
    let event = EventName::parse(event).map_err(|error| ArkError::Wrong(error.to_string()))?;
    topics.publish(topic, Some(&event), &fields(data)).await?;
    Ok(())
}

/// An object with these fields in this order.
pub(super) fn fields(of: &[(&str, Value)]) -> RawJson {
    let fields: Vec<String> = of
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    RawJson::trusted(format!("{{{}}}", fields.join(",")).into())
}

/// All values of a state topic by their keys. What is none of ours is left out.
pub(super) async fn load<T: DeserializeOwned>(
    topics: &Topics,
    topic: &Topic,
) -> Result<BTreeMap<String, T>, ArkError> {
    let state = topics.state(topic).await?;
    let read = state.into_iter().filter_map(|(key, value)| {
        let value = serde_json::from_str(value.as_str()).ok()?;
        Some((key.as_str().to_owned(), value))
    });
    Ok(read.collect())
}

/// Keeps a value.
pub(super) async fn keep(
    topics: &Topics,
    topic: &Topic,
    id: &str,
    value: &(impl Serialize + Sync),
) -> Result<(), ArkError> {
    keep_for(topics, topic, id, value, Duration::ZERO).await
}

/// Keeps a value for some time; zero: for ever.
pub(super) async fn keep_for(
    topics: &Topics,
    topic: &Topic,
    id: &str,
    value: &(impl Serialize + Sync),
    time: Duration,
) -> Result<(), ArkError> {
    let kept = topics.set(topic, &key(id)?, value, Some(time)).await;
    kept.map_err(|error| match error {
        BrokerError::Forbidden(why) => {
            // The topic's namespace is told nothing of it by the configuration file.
            let why = format!(
                "{why}; the configuration needs [[namespace]] name = \"ark-state\", kind = \"state\""
            );
            ArkError::Topic(BrokerError::Forbidden(why))
        }
        error => ArkError::Topic(error),
    })?;
    Ok(())
}

/// Gives whether there was something to forget.
pub(super) async fn forget(topics: &Topics, topic: &Topic, id: &str) -> Result<bool, ArkError> {
    Ok(topics.remove(topic, &key(id)?).await?.changed)
}

fn key(id: &str) -> Result<StateKey, ArkError> {
    let fits = id.len() <= ID_LIMIT;
    let key = StateKey::parse(id).ok().filter(|_| fits);
    key.ok_or_else(|| ArkError::wrong("an id has 1 to 128 bytes, without white space and braces"))
}

/// A random UUID (version 4).
pub(super) fn new_id() -> String {
    const VERSION: u128 = 0xf << 76;
    const VARIANT: u128 = 0x3 << 62;
    let bits: u128 = rand::rng().random();
    let bits = bits & !VERSION & !VARIANT | 0x4 << 76 | 0x2 << 62;
    let text = format!("{bits:032x}");
    let parts = [
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_its_own_is_valid() {
        Places::new().expect("valid names");
    }

    #[test]
    fn an_id_is_a_uuid_of_version_4() {
        let id = new_id();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4', "{id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
    }
}
