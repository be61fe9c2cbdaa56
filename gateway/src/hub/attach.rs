//! Attaching and detaching topics at the broker.
//!
//! For each topic at most one task talks to the broker at any time, and it only moves on under the
//! shard's lock; so an attach and a detach of the same topic cannot overtake each other. Topics that
//! nobody wants any more stay attached for a moment, so that clients who come and go cost nothing.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tidegate_shared::broker::BrokerError;
use tidegate_shared::topic::Topic;
use tokio::sync::oneshot;

use super::Hub;

/// How long a topic stays attached after its last subscriber left.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// Detaches that run at once.
const DETACHING: usize = 64;

type Waiter = oneshot::Sender<Result<(), BrokerError>>;

#[derive(Debug)]
pub(super) enum Attachment {
    Detached,
    /// A task is attaching it; these want to know.
    Attaching(Vec<Waiter>),
    Attached,
    /// A task is detaching it; these want it attached after that.
    Detaching(Vec<Waiter>),
}

/// A topic that became idle at some time.
#[derive(Debug)]
pub(super) struct Lingering {
    pub(super) since: Instant,
    pub(super) topic: Topic,
    pub(super) mark: u32,
}

impl Hub {
    /// Resolves when the topic is attached. The caller has registered its interest.
    pub(super) async fn attached(&self, topic: &Topic) -> Result<(), BrokerError> {
        let receiver = {
            let mut shard = self.shard(topic).lock();
            let entry = shard.entry(topic);
            let (sender, receiver) = oneshot::channel();
            match &mut entry.attachment {
                Attachment::Attached => return Ok(()),
                Attachment::Attaching(waiters) | Attachment::Detaching(waiters) => waiters.push(sender),
                detached @ Attachment::Detached => {
                    *detached = Attachment::Attaching(vec![sender]);
                    tokio::spawn(self.clone().attach(topic.clone()));
                }
            }
            receiver
        };
        receiver
            .await
            .unwrap_or_else(|_| Err(BrokerError::Internal("attaching was given up".into())))
    }

    /// The one task of a topic in the state `Attaching`.
    async fn attach(self, topic: Topic) {
        let result = self.broker().attach(&topic).await;
        if result.is_err() {
            // It may have taken effect all the same.
            let _ = self.broker().detach(&topic).await;
        }
        let mut shard = self.shard(&topic).lock();
        let entry = shard.entry(&topic);
        let after = if result.is_ok() {
            Attachment::Attached
        } else {
            Attachment::Detached
        };
        let before = std::mem::replace(&mut entry.attachment, after);
        if let Attachment::Attaching(waiters) = before {
            for waiter in waiters {
                // Who stopped waiting does not care.
                let _ = waiter.send(result.clone());
            }
        }
        shard.settle_idle(&topic);
    }

    /// Detaches what has been idle for long enough.
    pub(super) async fn sweep(&self, now: Instant) {
        let mut due = Vec::new();
        for shard in self.shards() {
            let mut shard = shard.lock();
            while shard
                .lingering
                .front()
                .is_some_and(|one| now.duration_since(one.since) >= LINGER)
            {
                let Some(one) = shard.lingering.pop_front() else {
                    break;
                };
                let Some(entry) = shard.topics.get_mut(&one.topic) else {
                    continue;
                };
                if entry.is_idle_since(one.mark) && matches!(entry.attachment, Attachment::Attached) {
                    entry.attachment = Attachment::Detaching(Vec::new());
                    due.push(one.topic);
                }
            }
            if shard.lingering.is_empty() {
                shard.lingering.shrink_to_fit();
            }
        }
        futures_util::stream::iter(due)
            .for_each_concurrent(DETACHING, |topic| self.detach(topic))
            .await;
    }

    /// The one task of a topic in the state `Detaching`.
    async fn detach(&self, topic: Topic) {
        // If it fails the broker may go on hearing the topic: nobody is told, nothing is wrong.
        let _ = self.broker().detach(&topic).await;
        let mut shard = self.shard(&topic).lock();
        let entry = shard.entry(&topic);
        match std::mem::replace(&mut entry.attachment, Attachment::Detached) {
            Attachment::Detaching(waiters) if !waiters.is_empty() => {
                entry.attachment = Attachment::Attaching(waiters);
                tokio::spawn(self.clone().attach(topic.clone()));
            }
            _ => shard.settle_idle(&topic),
        }
    }
}
