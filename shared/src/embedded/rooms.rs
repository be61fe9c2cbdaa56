use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::broker::{BrokerError, rule};
use crate::embedded::topics::{NodeNumber, Topics};
use crate::name::SessionId;
use crate::presence::{ENTRY_LIMIT, Member, NewMember};
use crate::publication::Body;
use crate::topic::Topic;

/// Who is present on which topic.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    /// None of them is empty.
    rooms: HashMap<Topic, Room>,
    /// When rooms are to be looked at; each is here once.
    schedule: BTreeSet<(u64, Topic)>,
}

#[derive(Debug, Default)]
struct Room {
    /// None of them is empty.
    shares: HashMap<NodeNumber, Share>,
    scheduled: Option<u64>,
}

/// The sessions of one node on one topic.
#[derive(Debug, Default)]
struct Share {
    /// When the node's lease ends.
    until: u64,
    members: BTreeMap<SessionId, Member>,
}

impl Rooms {
    pub(super) fn enter(
        &mut self,
        topics: &mut Topics,
        (topic, node): (&Topic, NodeNumber),
        member: NewMember,
        until: u64,
        now: u64,
    ) -> Result<(), BrokerError> {
        self.take_off(topics, topic, now);
        let room = self.rooms.entry(topic.clone()).or_default();
        let session = member.session;
        let old = room
            .shares
            .get(&node)
            .and_then(|share| share.members.get(&session))
            .map(|member| member.since);
        let full = old.is_none() && room.count() >= ENTRY_LIMIT;
        if !full {
            let member = member.since(old.unwrap_or(now));
            let share = room.shares.entry(node).or_default();
            share.until = share.until.max(until);
            share.members.insert(session, member.clone());
            if old.is_none() && topics.namespace(topic).join_leave {
                topics.mention(topic, Body::Join { member }, now);
            }
        }
        self.settle(topic);
        if full {
            return Err(rule::too_many_entries(topic, ENTRY_LIMIT));
        }
        Ok(())
    }

    pub(super) fn leave(
        &mut self,
        topics: &mut Topics,
        (topic, node): (&Topic, NodeNumber),
        session: SessionId,
        now: u64,
    ) {
        self.take_off(topics, topic, now);
        let gone = self
            .rooms
            .get_mut(topic)
            .and_then(|room| room.shares.get_mut(&node))
            .and_then(|share| share.members.remove(&session));
        if let Some(member) = gone
            && topics.namespace(topic).join_leave
        {
            topics.mention(topic, Body::Leave { member }, now);
        }
        self.settle(topic);
    }

    pub(super) fn keep(
        &mut self,
        topics: &mut Topics,
        (topic, node): (&Topic, NodeNumber),
        until: u64,
        now: u64,
    ) -> usize {
        self.take_off(topics, topic, now);
        let share = self
            .rooms
            .get_mut(topic)
            .and_then(|room| room.shares.get_mut(&node));
        let kept = share.map_or(0, |share| {
            share.until = share.until.max(until);
            share.members.len()
        });
        self.settle(topic);
        kept
    }

    pub(super) fn members(&self, topic: &Topic, now: u64) -> Vec<Member> {
        let mut members: Vec<Member> = self.live(topic, now).cloned().collect();
        members.sort_by_key(|member| (member.since, member.session));
        members
    }

    pub(super) fn count(&self, topic: &Topic, now: u64) -> usize {
        self.live(topic, now).count()
    }

    fn live(&self, topic: &Topic, now: u64) -> impl Iterator<Item = &Member> {
        let shares = self
            .rooms
            .get(topic)
            .into_iter()
            .flat_map(|room| room.shares.values());
        shares
            .filter(move |share| share.until > now)
            .flat_map(|share| share.members.values())
    }

    /// When a room is to be looked at next.
    pub(super) fn due(&self) -> u64 {
        self.schedule.first().map_or(u64::MAX, |(due, _)| *due)
    }

    /// Looks at up to `limit` rooms that are due.
    pub(super) fn sweep(&mut self, topics: &mut Topics, now: u64, limit: usize) {
        for _ in 0..limit {
            let Some((_, topic)) = self.schedule.first().filter(|(due, _)| *due <= now).cloned() else {
                return;
            };
            self.take_off(topics, &topic, now);
            self.settle(&topic);
        }
    }

    /// Takes off the sessions of nodes that are gone.
    fn take_off(&mut self, topics: &mut Topics, topic: &Topic, now: u64) {
        let Some(room) = self.rooms.get_mut(topic) else {
            return;
        };
        let tells = topics.namespace(topic).join_leave;
        for (_, share) in room.shares.extract_if(|_, share| share.until <= now) {
            for member in share.members.into_values().filter(|_| tells) {
                topics.mention(topic, Body::Leave { member }, now);
            }
        }
    }

    /// To be called after each change of a room: forgets it if it is empty, and sees to it that it is
    /// looked at when the next lease ends.
    fn settle(&mut self, topic: &Topic) {
        let Some(room) = self.rooms.get_mut(topic) else {
            return;
        };
        room.shares.retain(|_, share| !share.members.is_empty());
        let due = room.shares.values().map(|share| share.until).min();
        if due != room.scheduled {
            if let Some(time) = room.scheduled {
                self.schedule.remove(&(time, topic.clone()));
            }
            if let Some(time) = due {
                self.schedule.insert((time, topic.clone()));
            }
            room.scheduled = due;
        }
        if due.is_none() {
            self.rooms.remove(topic);
        }
    }
}

impl Room {
    fn count(&self) -> usize {
        self.shares.values().map(|share| share.members.len()).sum()
    }
}
