//! Calling the roll of a topic: one read of the list at a time, shared by all who asked before it began.
//! So a thousand clients that ask at once cost two reads, not a thousand.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tidegate_shared::broker::BrokerError;
use tidegate_shared::presence::{Member, Presence};
use tidegate_shared::topic::Topic;
use tokio::sync::oneshot;

use crate::dialect::Roll;

type Answer = Result<Arc<[Member]>, BrokerError>;
/// Topics whose list is being read, and who waits for the next read.
type Asked = Mutex<HashMap<Topic, Vec<oneshot::Sender<Answer>>>>;

#[derive(Debug, Default)]
pub(super) struct Rolls {
    asked: Arc<Asked>,
}

impl Rolls {
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.asked.lock().is_empty()
    }

    pub(super) async fn members(&self, presence: &Arc<dyn Presence>, topic: &Topic) -> Answer {
        let (sender, answer) = oneshot::channel();
        let is_first = {
            let mut asked = self.asked.lock();
            let waiting = asked.get_mut(topic);
            let is_first = waiting.is_none();
            match waiting {
                Some(waiting) => waiting.push(sender),
                None => drop(asked.insert(topic.clone(), vec![sender])),
            }
            is_first
        };
        if is_first {
            // A task of its own: who asked first may go away before the others have their answer.
            tokio::spawn(read(self.asked.clone(), presence.clone(), topic.clone()));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(BrokerError::Internal("the list was not read".into())))
    }
}

/// The one task that reads a topic's list, until nobody asks any more.
async fn read(asked: Arc<Asked>, presence: Arc<dyn Presence>, topic: Topic) {
    loop {
        let waiting = {
            let mut asked = asked.lock();
            let waiting = asked.get_mut(&topic).map(std::mem::take).unwrap_or_default();
            if waiting.is_empty() {
                asked.remove(&topic);
                return;
            }
            waiting
        };
        let answer: Answer = presence.members(&topic).await.map(Arc::from);
        for one in waiting {
            // Who stopped waiting does not care.
            let _ = one.send(answer.clone());
        }
    }
}

/// As much of a list as is to be told: the first `limit`, in at most about `budget` bytes.
pub(crate) fn roll(members: &Arc<[Member]>, limit: usize, budget: usize) -> Roll {
    /// A member's names of fields, session and time.
    const FIXED: usize = 100;
    let mut left = budget;
    let told = members
        .iter()
        .take(limit)
        .take_while(|member| {
            let user = member.user.as_ref().map_or(0, |user| user.as_str().len());
            let info = member
                .info
                .as_ref()
                .map_or(0, tidegate_shared::json::RawJson::size);
            let size = FIXED + user + info;
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        })
        .count();
    Roll {
        count: members.len(),
        members: members.clone(),
        told,
    }
}
