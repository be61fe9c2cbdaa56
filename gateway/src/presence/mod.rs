//! Who of this node's clients is on presence lists: put on them when they subscribe, kept there while they
//! are connected, taken off when they go.
//!
//! Relies on the backend's leases for what this node cannot say itself, its own death. One seat is one
//! session on one topic; the backend is asked one thing about a seat at a time, so that coming and
//! going don't overtake each other. Whoever leaves never waits for the backend.

mod rolls;
mod seats;
#[cfg(test)]
mod tests;
mod upkeep;

pub(crate) use rolls::roll;

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::broker::BrokerError;
use tidegate_shared::name::SessionId;
use tidegate_shared::presence::{ENTRY_TTL, Member, NewMember, Presence};
use tidegate_shared::topic::Topic;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use rolls::Rolls;
use seats::{Seats, Turn};

/// How long somebody who unsubscribes waits to be off the list before it is told so all the same.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct Attendance {
    presence: Arc<dyn Presence>,
    seats: Seats,
    rolls: Rolls,
    /// Somebody is to be taken off.
    leaving: Notify,
}

/// A seat that is given up when this is dropped, unless its owner [`Stay::stay`]s.
#[derive(Debug)]
pub(crate) struct Stay<'a> {
    attendance: &'a Attendance,
    /// Absent once it is settled.
    seat: Option<(Topic, SessionId)>,
}

impl Attendance {
    pub(crate) fn new(presence: Arc<dyn Presence>) -> Arc<Self> {
        Arc::new(Self {
            presence,
            seats: Seats::default(),
            rolls: Rolls::default(),
            leaving: Notify::new(),
        })
    }

    /// Takes off those who left, and keeps those who are there, until `stop`.
    pub(crate) fn start(self: &Arc<Self>, hub: &Hub, stop: &CancellationToken) {
        let (leaves, keeps) = (self.clone(), self.clone());
        let (hub, ends, stop) = (hub.clone(), stop.clone(), stop.clone());
        tokio::spawn(async move { ends.run_until_cancelled(leaves.take_off()).await });
        tokio::spawn(async move { stop.run_until_cancelled(keeps.keep(&hub)).await });
    }

    /// Puts a session on a topic's list.
    pub(crate) async fn enter(&self, topic: &Topic, member: NewMember) -> Result<Stay<'_>, BrokerError> {
        let session = member.session;
        let mut turn = loop {
            let ended = self.seats.ended();
            if let Some(turn) = Turn::to_enter(self, topic, &member) {
                break turn;
            }
            ended.await;
        };
        self.presence.enter(topic, member, ENTRY_TTL).await?;
        turn.entered();
        drop(turn);
        Ok(Stay {
            attendance: self,
            seat: Some((topic.clone(), session)),
        })
    }

    /// A session is not on this topic any more. Does nothing if it has no seat there.
    pub(crate) fn leave(&self, topic: &Topic, session: SessionId) {
        if self.seats.leave(topic, session) {
            self.leaving.notify_one();
        }
    }

    /// Resolves when a session that left is off the topic's list; after a while in any case.
    pub(crate) async fn gone(&self, topic: &Topic, session: SessionId) {
        let gone = async {
            loop {
                let ended = self.seats.ended();
                if !self.seats.has(topic, session) {
                    return;
                }
                ended.await;
            }
        };
        // The backend is away, then; the entry goes when it is back, or when the lease ends.
        let _ = tokio::time::timeout(PATIENCE, gone).await;
    }

    /// Resolves when nobody is left to be taken off.
    pub(crate) async fn all_gone(&self) {
        loop {
            let ended = self.seats.ended();
            if self.seats.is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Everybody on a topic, on all nodes, as of a moment after the call.
    pub(crate) async fn members(self: &Arc<Self>, topic: &Topic) -> Result<Arc<[Member]>, BrokerError> {
        self.rolls.members(&self.presence, topic).await
    }

    /// How many that are.
    pub(crate) async fn count(&self, topic: &Topic) -> Result<usize, BrokerError> {
        self.presence.count(topic).await
    }
}

impl Stay<'_> {
    pub(crate) fn stay(mut self) {
        self.seat = None;
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        if let Some((topic, session)) = self.seat.take() {
            self.attendance.leave(&topic, session);
        }
    }
}

impl std::fmt::Debug for Attendance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attendance").finish_non_exhaustive()
    }
}
