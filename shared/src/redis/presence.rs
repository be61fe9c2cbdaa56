//! Presence on Redis: each node has a lease on a topic and its sessions beside it, so that keeping a
//! thousand entries alive costs one command.

use std::time::Duration;

use async_trait::async_trait;
use fred::interfaces::HashesInterface;
use fred::types::Value;
use futures_util::future::join_all;
use serde::Serialize;

use super::broker::{milliseconds, text};
use super::commands::{CallError, Commands};
use super::keys::Keys;
use super::scripts::Script;
use crate::broker::{BrokerError, rule};
use crate::json::RawJson;
use crate::name::{SessionId, UserId};
use crate::namespace::{Namespaces, TopicKind};
use crate::presence::{ENTRY_LIMIT, FORGET_AFTER, Member, NewMember, Presence};
use crate::topic::Topic;

/// Topics that are kept at once.
const BATCH: usize = 256;

pub(super) struct RedisPresence {
    pub(super) commands: std::sync::Arc<Commands>,
    pub(super) keys: Keys,
    pub(super) namespaces: Namespaces,
    /// This node, for as long as the backend lives.
    pub(super) node: String,
    pub(super) _closer: super::Closer,
}

/// What a [`Member`] begins with: the script adds since when.
#[derive(Serialize)]
struct Head<'a> {
    session: SessionId,
    user: Option<&'a UserId>,
    info: Option<&'a RawJson>,
}

impl RedisPresence {
    async fn run(
        &self,
        script: Script,
        topic: &Topic,
        ttl: Duration,
        more: impl IntoIterator<Item = Value>,
    ) -> Result<Value, CallError> {
        let namespace = self.namespaces.of(topic);
        // What travels on a bare topic is data only.
        let tells = namespace.join_leave && namespace.kind != TopicKind::Bare;
        let keys = self.keys.topic(topic);
        let mut arguments = vec![
            text(&self.node),
            milliseconds(ttl),
            milliseconds(ttl.saturating_add(FORGET_AFTER)),
            text(if tells { "1" } else { "0" }),
        ];
        arguments.extend(more);
        let names = vec![keys.presence(), keys.channel()];
        self.commands.run(script, &keys.tag, names, arguments).await
    }

    async fn keep_one(&self, topic: &Topic, ttl: Duration) -> Result<usize, BrokerError> {
        // Each round takes off what it can, so there is an end to it.
        for _ in 0..=ENTRY_LIMIT / 256 {
            let answer = self.run(Script::Keep, topic, ttl, []).await?.into_array();
            let number = |at: usize| answer.get(at).and_then(Value::as_u64);
            let (Some(count), Some(more)) = (number(0), number(1)) else {
                return Err(CallError::unexpected("no number of sessions").into());
            };
            if more == 0 {
                return Ok(usize::try_from(count).unwrap_or(usize::MAX));
            }
        }
        Ok(self
            .run(Script::Keep, topic, ttl, [])
            .await?
            .into_array()
            .first()
            .and_then(Value::as_usize)
            .unwrap_or_default())
    }

    /// How many sessions there are, and the nodes that have them.
    async fn present(&self, topic: &Topic) -> Result<(usize, Vec<String>), BrokerError> {
        let keys = self.keys.topic(topic);
        let names = vec![keys.presence()];
        let answer = self
            .commands
            .run(Script::Present, &keys.tag, names, Vec::new())
            .await?;
        let Ok([count, nodes]) = <[Value; 2]>::try_from(answer.into_array()) else {
            return Err(CallError::unexpected("no list of who is present").into());
        };
        let nodes = nodes.into_array().iter().filter_map(Value::as_string).collect();
        Ok((count.as_usize().unwrap_or_default(), nodes))
    }
}

#[async_trait]
impl Presence for RedisPresence {
    async fn enter(&self, topic: &Topic, member: NewMember, ttl: Duration) -> Result<(), BrokerError> {
        let head = Head {
            session: member.session,
            user: member.user.as_ref(),
            info: member.info.as_ref(),
        };
        let json = serde_json::to_string(&head).map_err(|error| BrokerError::Internal(error.to_string()))?;
        // The script adds the number and closes the object again.
        let head = format!("{},\"since\":", json.strip_suffix('}').unwrap_or(&json));
        let limit = i64::try_from(ENTRY_LIMIT).unwrap_or(i64::MAX);
        let more = [
            text(&member.session.to_string()),
            text(&head),
            Value::Integer(limit),
        ];
        match self.run(Script::Enter, topic, ttl, more).await?.as_i64() {
            Some(1) => Ok(()),
            Some(0) => Err(rule::too_many_entries(topic, ENTRY_LIMIT)),
            _ => Err(CallError::unexpected("no answer to entering").into()),
        }
    }

    async fn leave(&self, topic: &Topic, session: SessionId) -> Result<(), BrokerError> {
        let more = [text(&session.to_string())];
        self.run(Script::Leave, topic, Duration::ZERO, more).await?;
        Ok(())
    }

    async fn keep(&self, topics: &[Topic], ttl: Duration) -> Result<Vec<usize>, BrokerError> {
        let mut kept = Vec::with_capacity(topics.len());
        for batch in topics.chunks(BATCH) {
            let all = batch.iter().map(|topic| self.keep_one(topic, ttl));
            kept.extend(join_all(all).await);
        }
        // Those in reach are renewed, whatever becomes of the others.
        kept.into_iter().collect()
    }

    async fn members(&self, topic: &Topic) -> Result<Vec<Member>, BrokerError> {
        let keys = self.keys.topic(topic);
        let (count, nodes) = self.present(topic).await?;
        let mut members: Vec<Member> = Vec::with_capacity(count.min(ENTRY_LIMIT));
        for node in nodes {
            let key = keys.sessions(&node);
            let values: Vec<String> = self
                .commands
                .call("hvals", &keys.tag, |client| {
                    let key = key.clone();
                    async move { client.hvals(key).await }
                })
                .await?;
            // What others wrote there is nobody.
            members.extend(values.iter().filter_map(|json| serde_json::from_str(json).ok()));
        }
        members.sort_by_key(|member: &Member| (member.since, member.session));
        Ok(members)
    }

    async fn count(&self, topic: &Topic) -> Result<usize, BrokerError> {
        Ok(self.present(topic).await?.0)
    }
}
