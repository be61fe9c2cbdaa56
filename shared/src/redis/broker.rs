//! The broker on Redis.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::interfaces::{HashesInterface, PubsubInterface};
use fred::types::Value;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::commands::{CallError, Commands};
use super::entry;
use super::hearing::Hearing;
use super::keys::{Keys, TopicKeys};
use super::metrics::Trouble;
use super::page;
use super::routes::Route;
use super::scripts::Script;
use super::states::States;
use super::together::{Frame, Said, Saying, Together};
use crate::broker::{
    Broker, BrokerError, BrokerEvents, Draft, From, KEY_TTL, Link, Lost, Page, Published, TOPIC_TTL, rule,
};
use crate::name::{EventName, IdempotencyKey};
use crate::namespace::{Namespace, Namespaces, TopicKind};
use crate::position::{Epoch, Position, Tag};
use crate::publication::Body;
use crate::topic::{Reserved, Topic};

pub(super) struct RedisBroker {
    pub(super) commands: Arc<Commands>,
    pub(super) hearing: Hearing,
    pub(super) states: States,
    /// Publications of one topic.
    pub(super) together: Arc<Together>,
    pub(super) keys: Keys,
    pub(super) namespaces: Namespaces,
    pub(super) events: Mutex<Option<BrokerEvents>>,
    pub(super) _closer: super::Closer,
}

/// The first arguments of every script that appends, see `topic.lua`.
pub(super) fn log_arguments(namespace: &Namespace) -> Vec<Value> {
    let size = i64::from(namespace.log_length());
    // Expiry is renewed once in a period of about a sixteenth of its length or less, a power of ten.
    let cut = (namespace.log_ttl.as_millis() / 16).checked_ilog10().unwrap_or(0);
    let period = Duration::from_millis(10_u64.saturating_pow(cut));
    let keep = TOPIC_TTL.max(namespace.log_ttl);
    vec![
        Value::Integer(size + (size / 4).min(SLACK)),
        Value::Integer(-size),
        milliseconds(namespace.log_ttl.saturating_add(period)),
        Value::Integer(-1 - i64::from(cut)),
        milliseconds(keep.saturating_add(period)),
        text(Epoch::random().as_str()),
    ]
}

/// Topics whose tops are asked for at once.
const BATCH: usize = 512;
/// Most entries a log may be over its size before it is trimmed.
const SLACK: i64 = 64;

pub(super) fn milliseconds(duration: Duration) -> Value {
    // Redis takes no more than 2^63 and no less than 1.
    Value::Integer(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4).max(1))
}

pub(super) fn text(text: &str) -> Value {
    Value::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

impl RedisBroker {
    /// Publishes to a topic without a log, where no script is needed unless there is a key.
    async fn announce(
        &self,
        topic: &Topic,
        keys: &TopicKeys,
        message: Bytes,
        draft: &Draft,
        bare: bool,
    ) -> Result<Published, BrokerError> {
        let channel = if bare { Keys::bare(topic) } else { keys.channel() };
        let duplicate = if let Some(key) = &draft.key {
            let mut names = vec![keys.idempotency(key)];
            let mut arguments = vec![Value::Bytes(message), milliseconds(KEY_TTL)];
            if bare {
                arguments.push(text(&channel));
            } else {
                names.push(channel);
            }
            let new = self
                .commands
                .soon(self.commands.run(Script::Announce, &keys.tag, names, arguments))
                .await?;
            new.as_i64() == Some(0)
        } else {
            let name = if bare { "publish" } else { "spublish" };
            let publishing = self.commands.call(name, &keys.tag, |client| {
                let (channel, message) = (channel.clone(), Value::Bytes(message.clone()));
                async move {
                    if bare {
                        client.publish::<(), _, _>(channel, message).await
                    } else {
                        client.spublish::<(), _, _>(channel, message).await
                    }
                }
            });
            self.commands.soon(publishing).await?;
            false
        };
        Ok(Published {
            position: None,
            duplicate,
            changed: !duplicate,
        })
    }

    /// Publishes to a topic with a log, with the call.
    fn append(
        &self,
        namespace: &Namespace,
        keys: TopicKeys,
        draft: &Draft,
        tail: Bytes,
    ) -> Result<Said, CallError> {
        let mut arguments = log_arguments(namespace);
        arguments.push(milliseconds(KEY_TTL));
        let frame = Frame {
            keys: Vec::new(),
            tag: keys.tag,
            arguments,
        };
        let saying = Saying {
            keys: vec![keys.base],
            arguments: vec![
                text(Tag::random().as_str()),
                Value::Bytes(tail),
                text(draft.key.as_ref().map_or("", IdempotencyKey::as_str)),
            ],
        };
        self.together
            .say_beside_others(Script::Publish, &namespace.name, frame, saying)
    }

    /// What `publish.lua` answers for a message.
    fn appended(&self, answer: &Value) -> Result<Published, BrokerError> {
        let answer = answer.as_str_lossy().unwrap_or_default();
        if let Some(error) = answer.strip_prefix('!') {
            return Err(self.commands.explain_text(error).into());
        }
        let (position, duplicate) = match answer.strip_prefix('=') {
            Some(first) => (first, true),
            None => (&*answer, false),
        };
        Ok(Published {
            position: Some(page::position(position)?),
            duplicate,
            changed: !duplicate,
        })
    }

    async fn read_once(&self, topic: &Topic, from: From, limit: usize) -> Result<page::Read, BrokerError> {
        let namespace = self.namespaces.of(topic);
        if namespace.kind == TopicKind::State {
            return self.states.read(topic, from, limit).await;
        }
        let keys = self.keys.topic(topic);
        // A job's numbering lives as long as the job, whoever reads it.
        let keep = match keys.record {
            Some(_) => Value::Integer(0),
            None => milliseconds(TOPIC_TTL.max(namespace.log_ttl)),
        };
        let [mode, limit, size, epoch, offset, tag] = page::arguments(from, limit, namespace.log_length());
        let candidate = text(Epoch::random().as_str());
        let arguments = vec![mode, limit, size, keep, candidate, epoch, offset, tag];
        let mut names = vec![keys.log(), keys.meta()];
        names.extend(keys.record);
        let answer = self
            .commands
            .run(Script::Read, &keys.tag, names, arguments)
            .await?;
        page::parse(topic, from, answer)?.ok_or_else(|| BrokerError::UnknownTopic(topic.clone()))
    }
}

#[async_trait]
impl Broker for RedisBroker {
    async fn publish(&self, topic: &Topic, draft: Draft) -> Result<Published, BrokerError> {
        let namespace = self.namespaces.of(topic);
        rule::check(topic, namespace, &draft)?;
        if namespace.kind == TopicKind::State {
            return Box::pin(self.states.publish(topic, &draft)).await;
        }
        let Body::Message { data, event } = &draft.body else {
            return Err(BrokerError::Internal(
                "what passed the check is no message".to_owned(),
            ));
        };
        let keys = self.keys.topic(topic);
        if namespace.kind == TopicKind::Bare {
            let message = data.as_bytes().clone();
            return Box::pin(self.announce(topic, &keys, message, &draft, true)).await;
        }
        let name = event.as_ref().map_or("", EventName::as_str);
        let tail = entry::tail(entry::Aside::of(&draft), name, data.as_bytes());
        if !namespace.has_log() {
            let message = entry::unplaced(self.commands.now_ms(), &tail);
            return Box::pin(self.announce(topic, &keys, message, &draft, false)).await;
        }
        let said = self.append(namespace, keys, &draft, tail)?;
        let answer = self.commands.soon(said.answer()).await?;
        self.appended(&answer)
    }

    async fn read(&self, topic: &Topic, from: From, limit: usize) -> Result<Page, BrokerError> {
        if topic.reserved() == Some(Reserved::Nothing) {
            return Err(BrokerError::UnknownTopic(topic.clone()));
        }
        if !self.namespaces.of(topic).has_log() {
            return Ok(Page {
                top: None,
                publications: Vec::new(),
                lost: None,
                snapshot: None,
            });
        }
        let read = self.read_once(topic, from, limit).await?;
        if read.rubbish {
            self.commands.metrics.count(Trouble::Rubbish);
            tracing::warn!(%topic, "the topic's log holds something that is no entry of its own");
        }
        // What comes right after the position can't be read: as good as gone.
        if read.rubbish && matches!(from, From::After(_)) && read.page.publications.is_empty() {
            let now = self.read_once(topic, From::Now, 0).await?;
            return Ok(Page {
                lost: Some(Lost::Trimmed),
                ..now.page
            });
        }
        Ok(read.page)
    }

    async fn tops(&self, topics: &[Topic]) -> Result<Vec<Option<Position>>, BrokerError> {
        let mut tops = Vec::with_capacity(topics.len());
        for batch in topics.chunks(BATCH) {
            for top in join_all(batch.iter().map(|topic| self.top(topic))).await {
                match top {
                    // One master of several: the others' topics can be looked at all the same.
                    Err(BrokerError::Unavailable(_)) if self.commands.layout().masters().len() > 1 => {
                        tops.push(None);
                    }
                    top => tops.push(top?),
                }
            }
        }
        Ok(tops)
    }

    async fn attach(&self, topic: &Topic) -> Result<(), BrokerError> {
        let (channel, tag, route) = self.channel(topic);
        self.hearing.attach(&channel, &tag, route).await
    }

    async fn detach(&self, topic: &Topic) -> Result<(), BrokerError> {
        let (channel, tag, route) = self.channel(topic);
        self.hearing.detach(&channel, &tag, route.bare.is_some()).await;
        Ok(())
    }

    fn events(&self) -> Option<BrokerEvents> {
        self.events.lock().take()
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.commands.link.subscribe()
    }
}

impl RedisBroker {
    async fn top(&self, topic: &Topic) -> Result<Option<Position>, BrokerError> {
        if topic.reserved() == Some(Reserved::Nothing) || !self.namespaces.of(topic).has_log() {
            return Ok(None);
        }
        let keys = self.keys.topic(topic);
        let meta = keys.meta();
        let fields = match &keys.record {
            Some(_) => vec!["e".to_owned()],
            None => ["epoch", "top", "tag"].map(str::to_owned).to_vec(),
        };
        let parts: Vec<Option<String>> = self
            .commands
            .call("hmget", &keys.tag, |client| {
                let (meta, fields) = (meta.clone(), fields.clone());
                async move { client.hmget(meta, fields).await }
            })
            .await?;
        if let [entry] = &parts[..] {
            return Ok(entry.as_deref().and_then(entry::top));
        }
        let Ok([Some(epoch), Some(offset), tag]) = <[Option<String>; 3]>::try_from(parts) else {
            return Ok(None);
        };
        // What others wrote there is no numbering.
        Ok(offset.parse().ok().map(|offset| Position {
            epoch: Epoch::from_wire(&epoch),
            offset,
            tag: Tag::from_wire(&tag.unwrap_or_default()),
        }))
    }

    /// A topic's channel, its tag, and where it leads.
    fn channel(&self, topic: &Topic) -> (String, String, Route) {
        let namespace = self.namespaces.of(topic);
        let bare = (namespace.kind == TopicKind::Bare).then_some(namespace.max_data);
        let keys = self.keys.topic(topic);
        let channel = if bare.is_some() {
            Keys::bare(topic)
        } else {
            keys.channel()
        };
        let route = Route {
            topic: topic.clone(),
            bare,
            state: namespace.kind == TopicKind::State,
        };
        (channel, keys.tag, route)
    }
}
