//! State topics on Redis: changes, reads with the map, and the ending of keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand, Value};

use super::broker::{log_arguments, milliseconds, text};
use super::commands::{CallError, Commands};
use super::entry;
use super::keys::Keys;
use super::page::{self, Read};
use super::scripts::Script;
use crate::broker::{BrokerError, Draft, From, KEY_TTL, Published, READ_LIMIT, rule};
use crate::json::RawJson;
use crate::name::{EventName, StateKey};
use crate::namespace::{Namespace, Namespaces};
use crate::position::{Position, Tag};
use crate::publication::{Body, Publication, Snapshot};
use crate::topic::Topic;

/// Keys of a map that is read within a script; a larger one is read in portions of about so many.
const PORTION: u32 = 256;
/// A map that changes so fast that the log runs away from its reader is read in portions so often, and
/// then at once.
const ATTEMPTS: usize = 3;
/// Scripts that end keys before another can run: more than any map needs that is within its limits.
const ROUNDS: usize = 4_096;

type Map = BTreeMap<StateKey, RawJson>;

#[derive(Debug, Clone)]
pub(super) struct States {
    pub(super) commands: Arc<Commands>,
    pub(super) keys: Keys,
    pub(super) namespaces: Namespaces,
}

impl States {
    /// Publishes what has passed [`rule::check`].
    pub(super) async fn publish(&self, topic: &Topic, draft: &Draft) -> Result<Published, BrokerError> {
        let namespace = self.namespaces.of(topic);
        let keys = self.keys.topic(topic);
        let ttl = lifetime(draft.ttl.unwrap_or(namespace.key_ttl));
        let aside = entry::Aside::of(draft);
        let (kind, tail, key) = match &draft.body {
            Body::Set { key, value } => (
                "s",
                entry::tail_of_set(aside, key, ttl, value.as_bytes()),
                Some(key),
            ),
            Body::Remove { key, .. } => ("r", entry::tail(aside, key.as_str(), b"null"), Some(key)),
            Body::Message { data, event } => {
                let name = event.as_ref().map_or("", EventName::as_str);
                ("m", entry::tail(aside, name, data.as_bytes()), None)
            }
            Body::Job { .. } | Body::Join { .. } | Body::Leave { .. } => {
                return Err(BrokerError::Forbidden("this can't be published here".to_owned()));
            }
        };
        let mut names = keys.of_state();
        names.extend(draft.key.as_ref().map(|key| keys.idempotency(key)));
        let mut arguments = arguments_for(namespace);
        arguments.extend([
            text(kind),
            Value::Bytes(tail),
            text(key.map_or("", StateKey::as_str)),
            Value::Integer(ttl),
            Value::Integer(namespace.max_keys.into()),
            Value::Integer(i64::try_from(namespace.max_bytes).unwrap_or(i64::MAX)),
            milliseconds(KEY_TTL),
        ]);
        for _ in 0..ROUNDS {
            let answer = self
                .commands
                .soon(
                    self.commands
                        .run(Script::Change, &keys.tag, names.clone(), arguments.clone()),
                )
                .await?;
            let answer = answer.into_array();
            let word = answer.first().and_then(Value::as_string).unwrap_or_default();
            let (duplicate, changed) = match &*word {
                "done" => (false, true),
                "nothing" => (false, false),
                "known" => (true, false),
                "keys" => return Err(rule::too_many_keys(topic, namespace)),
                "bytes" => return Err(rule::too_many_bytes(topic, namespace)),
                "again" => continue,
                _ => return Err(CallError::unexpected("no answer to a change").into()),
            };
            let position = answer.get(1).and_then(Value::as_string).unwrap_or_default();
            return Ok(Published {
                position: Some(page::position(&position)?),
                duplicate,
                changed,
            });
        }
        Err(CallError::unexpected("keys that never end").into())
    }

    pub(super) async fn read(&self, topic: &Topic, from: From, limit: usize) -> Result<Read, BrokerError> {
        let read = self.view(topic, from, limit, PORTION).await?;
        if !read.large_map {
            return Ok(read);
        }
        for _ in 0..ATTEMPTS {
            let Some(start) = read.page.top else { break };
            let Some((top, map)) = self.gather(topic, start).await? else {
                continue;
            };
            let mut read = read;
            read.page.top = Some(top);
            read.page.snapshot = Some(Snapshot::State(map.into_iter().collect()));
            return Ok(read);
        }
        self.view(topic, from, limit, u32::MAX).await
    }

    /// Ends keys whose time is over. Gives when the next one ends, in milliseconds since 1970.
    pub(super) async fn sweep(&self, topic: &Topic) -> Result<Option<u64>, CallError> {
        let keys = self.keys.topic(topic);
        let arguments = arguments_for(self.namespaces.of(topic));
        let answer = self
            .commands
            .run(Script::Sweep, &keys.tag, keys.of_state(), arguments)
            .await?;
        Ok(answer.as_string().and_then(|next| next.parse().ok()))
    }

    /// A large map is read in portions while it changes. Whatever the portions caught of a change, the
    /// log from where it was at the beginning (`start`, or earlier) has it: applied to them, it gives the
    /// map as of its top. `None` if the log does not lead there.
    async fn gather(&self, topic: &Topic, start: Position) -> Result<Option<(Position, Map)>, BrokerError> {
        let mut map = self.scan(topic).await?;
        let mut at = start;
        loop {
            let read = self.view(topic, From::After(at.into()), READ_LIMIT, 0).await?;
            let Some(top) = read.page.top else { return Ok(None) };
            for publication in &read.page.publications {
                apply(&mut map, publication);
            }
            if at == top {
                return Ok(Some((top, map)));
            }
            match read.page.publications.last().and_then(|last| last.place) {
                Some(place) => at = place.position,
                None => return Ok(None),
            }
        }
    }

    async fn scan(&self, topic: &Topic) -> Result<Map, BrokerError> {
        let keys = self.keys.topic(topic);
        let mut map = Map::new();
        let mut cursor = "0".to_owned();
        loop {
            let arguments = [keys.state(), cursor, "COUNT".into(), PORTION.to_string()];
            let answer: Value = self
                .commands
                .call("hscan", &keys.tag, |client| {
                    let command = CustomCommand::new_static("HSCAN", ClusterHash::FirstKey, false);
                    let arguments = arguments.to_vec();
                    async move { client.custom(command, arguments).await }
                })
                .await?;
            let Ok([next, portion]) = <[Value; 2]>::try_from(answer.into_array()) else {
                return Err(CallError::unexpected("a portion of another shape").into());
            };
            map.extend(page::pairs(portion));
            cursor = next.as_string().unwrap_or_default();
            if cursor == "0" || cursor.is_empty() {
                return Ok(map);
            }
        }
    }

    async fn view(
        &self,
        topic: &Topic,
        from: From,
        limit: usize,
        most_keys: u32,
    ) -> Result<Read, BrokerError> {
        let namespace = self.namespaces.of(topic);
        let keys = self.keys.topic(topic);
        let mut arguments = arguments_for(namespace);
        arguments.extend(page::arguments(from, limit, namespace.log_length()));
        arguments.push(Value::Integer(most_keys.into()));
        for _ in 0..ROUNDS {
            let answer = self
                .commands
                .run(Script::View, &keys.tag, keys.of_state(), arguments.clone())
                .await?;
            if let Some(read) = page::parse(topic, from, answer)? {
                return Ok(read);
            }
        }
        Err(CallError::unexpected("keys that never end").into())
    }
}

/// The arguments that all scripts on state topics begin with.
fn arguments_for(namespace: &Namespace) -> Vec<Value> {
    let mut arguments = log_arguments(namespace);
    arguments.push(text(Tag::random().as_str()));
    arguments
}

fn apply(map: &mut Map, publication: &Publication) {
    match &publication.body {
        Body::Set { key, value } => {
            map.insert(key.clone(), value.clone());
        }
        Body::Remove { key, .. } => {
            map.remove(key);
        }
        Body::Message { .. } | Body::Job { .. } | Body::Join { .. } | Body::Leave { .. } => {}
    }
}

/// In milliseconds; 0: for ever, as is what is longer than any clock counts.
fn lifetime(ttl: Duration) -> i64 {
    const LONGEST: i64 = 1_000 * 365 * 86_400 * 1_000;
    match i64::try_from(ttl.as_millis()) {
        Ok(0) if !ttl.is_zero() => 1,
        Ok(ms) if ms <= LONGEST => ms,
        _ => 0,
    }
}
