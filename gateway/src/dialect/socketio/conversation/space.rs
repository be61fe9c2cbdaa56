//! One namespace that a client is in.

use bytes::Bytes;
use tidegate_shared::position::Position;
use tidegate_shared::topic::Topic;

use super::super::cursor;
use super::super::engine::{self, Out};
use super::super::packet::Writer;
use super::super::record::Event;

#[derive(Debug)]
pub(super) struct Space {
    pub(super) name: Box<str>,
    /// What the client's library calls the connection.
    pub(super) sid: String,
    /// The client may come back to where it stood, by this name.
    pub(super) pid: Option<String>,
    pub(super) rooms: Vec<Room>,
    pub(super) phase: Phase,
}

#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: Box<str>,
    pub(super) topic: Topic,
    pub(super) is_joined: bool,
    /// Absent where the topic has no log.
    pub(super) place: Option<Position>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The client's token is looked at.
    Entering,
    Recovering(Recovery),
    Open,
}

/// A client that has come back, until it is known whether nothing is missing.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// Rooms of which that is not known.
    pub(super) waiting: usize,
    pub(super) failed: bool,
    /// What came meanwhile.
    held: Vec<Event>,
    bytes: usize,
}

impl Space {
    pub(super) fn new(name: &str, sid: String) -> Self {
        Self {
            name: name.into(),
            sid,
            pid: None,
            rooms: Vec::new(),
            phase: Phase::Entering,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    pub(super) fn writer(&self) -> Writer<'_> {
        Writer {
            namespace: &self.name,
        }
    }

    /// The room of this topic, if the client is in.
    pub(super) fn joined(&mut self, topic: &Topic) -> Option<&mut Room> {
        self.rooms
            .iter_mut()
            .find(|room| room.is_joined && room.topic == *topic)
    }

    /// An event with where the client stands once it has it; held back while that is not known.
    pub(super) fn say_event(&mut self, event: &Event, hold: usize, out: &mut Vec<Out>) {
        match &mut self.phase {
            Phase::Entering => {}
            Phase::Recovering(recovery) => recovery.hold(event, hold),
            Phase::Open => self.write_event(event, out),
        }
    }

    fn write_event(&mut self, event: &Event, out: &mut Vec<Out>) {
        let room = event.topic.as_ref().and_then(|topic| self.joined(topic));
        if let (Some(room), Some(place)) = (room, event.place) {
            room.place = Some(place);
        }
        let array = self.with_cursor(&event.array);
        let packet = self.writer().event(&array, event.attachments.len());
        out.push(engine::message(&packet));
        out.extend(event.attachments.iter().cloned().map(Out::Binary));
    }

    /// What was held back of a recovery that went well.
    pub(super) fn let_go(&mut self, recovery: Recovery, out: &mut Vec<Out>) {
        for event in recovery.held {
            self.write_event(&event, out);
        }
    }

    fn with_cursor(&self, array: &Bytes) -> Bytes {
        if self.pid.is_none() {
            return array.clone();
        }
        let mut longer = array.strip_suffix(b"]").unwrap_or(array).to_vec();
        longer.extend_from_slice(b",\"");
        longer.extend_from_slice(self.cursor().as_bytes());
        longer.extend_from_slice(b"\"]");
        longer.into()
    }

    fn cursor(&self) -> String {
        let joined: Vec<&Room> = self.rooms.iter().filter(|room| room.is_joined).collect();
        cursor::write(joined.iter().map(|room| (&*room.name, room.place)))
    }
}

impl Recovery {
    pub(super) fn of(waiting: usize) -> Self {
        Self {
            waiting,
            ..Self::default()
        }
    }

    fn hold(&mut self, event: &Event, limit: usize) {
        let attached: usize = event.attachments.iter().map(Bytes::len).sum();
        self.bytes += event.array.len() + attached;
        if self.bytes > limit {
            self.failed = true;
            self.held = Vec::new();
        }
        if !self.failed {
            self.held.push(event.clone());
        }
    }
}
