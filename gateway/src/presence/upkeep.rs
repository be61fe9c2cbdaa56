//! What the node does about presence by itself: taking off who left, and renewing its leases.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use hashbrown::HashMap;
use tidegate_shared::broker::BrokerError;
use tidegate_shared::presence::{ENTRY_TTL, KEEP_EVERY, NewMember};
use tidegate_shared::topic::Topic;

use super::Attendance;
use super::seats::Turn;
use crate::hub::Hub;

/// Sessions that are taken off, or put on again, at once.
const AT_ONCE: usize = 64;
/// Before the backend is asked again that could not be reached.
const PAUSE: Duration = Duration::from_secs(1);
/// Leases are renewed up to this part earlier, so that nodes don't do it all at once. Never later: the
/// backend's minute for a dead node's entries counts on [`KEEP_EVERY`].
const JITTER: f64 = 0.2;

impl Attendance {
    /// Takes off who left, as soon as somebody does. Never ends.
    pub(super) async fn take_off(&self) {
        loop {
            let failed = self.take_off_all().await;
            if failed {
                tokio::time::sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>())).await;
            } else if !self.seats.is_leaving() {
                self.leaving.notified().await;
            }
        }
    }

    /// Tries once for each. Whether the backend could not be asked.
    async fn take_off_all(&self) -> bool {
        let mut failed = false;
        while !failed {
            let turns: Vec<Turn<'_>> = std::iter::from_fn(|| Turn::to_leave(self))
                .take(AT_ONCE * 4)
                .collect();
            if turns.is_empty() {
                break;
            }
            let asking: Vec<_> = turns.into_iter().map(|turn| self.take_one_off(turn)).collect();
            let mut asked = stream::iter(asking).buffer_unordered(AT_ONCE);
            while let Some(done) = asked.next().await {
                failed |= !done;
            }
        }
        failed
    }

    async fn take_one_off(&self, mut turn: Turn<'_>) -> bool {
        match self.presence.leave(&turn.topic, turn.session).await {
            Ok(()) => {
                turn.left();
                true
            }
            Err(error) => {
                tracing::debug!(topic = %turn.topic, %error, "a session could not be taken off a list");
                false
            }
        }
    }

    /// Renews the leases again and again. Never ends.
    pub(super) async fn keep(&self, hub: &Hub) {
        loop {
            let pause = KEEP_EVERY.mul_f64(1.0 - JITTER * rand::random::<f64>());
            tokio::time::sleep(pause).await;
            while let Err(error) = self.keep_all(hub.with_presence()).await {
                tracing::debug!(%error, "presence could not be renewed");
                tokio::time::sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>())).await;
            }
        }
    }

    /// Renews the leases on the topics that are followed here, and puts on again who got lost.
    pub(super) async fn keep_all(&self, followed: Vec<Topic>) -> Result<(), BrokerError> {
        let before: HashMap<Topic, usize> = self.seats.counts();
        let mut topics = followed;
        topics.extend(before.keys().cloned());
        topics.sort_unstable();
        topics.dedup();
        let kept = self.presence.keep(&topics, ENTRY_TTL).await?;
        for (topic, kept) in topics.iter().zip(kept) {
            // Who came or went meanwhile may or may not have been counted.
            let sure = before
                .get(topic)
                .map_or(0, |before| self.seats.count(topic).min(*before));
            if kept < sure {
                tracing::debug!(%topic, kept, sure, "entries of this node are lost; it enters again");
                self.enter_again(topic).await?;
            }
        }
        Ok(())
    }

    async fn enter_again(&self, topic: &Topic) -> Result<(), BrokerError> {
        let members = self.seats.members(topic).into_iter();
        let entering: Vec<_> = members
            .map(|member| self.enter_one_again(topic, member))
            .collect();
        let mut entering = stream::iter(entering).buffer_unordered(AT_ONCE);
        while let Some(entered) = entering.next().await {
            entered?;
        }
        Ok(())
    }

    async fn enter_one_again(&self, topic: &Topic, member: NewMember) -> Result<(), BrokerError> {
        let Some(mut turn) = Turn::to_enter_again(self, topic, member.session) else {
            return Ok(());
        };
        match self.presence.enter(topic, member, ENTRY_TTL).await {
            Ok(()) => turn.entered(),
            Err(error @ BrokerError::Unavailable(_)) => return Err(error),
            Err(error) => tracing::debug!(%topic, %error, "a session is no longer on the list"),
        }
        Ok(())
    }
}
