//! One client's side of Socket.IO: its namespaces and rooms, and what it waits for. Packets and records
//! go in, [`Step`]s come out.
//!
//! Relies on its connection to carry out requests and to hand their replies back as records, and to put
//! what is to be said through the outbox, so that everything keeps its order. Knows no socket and no
//! time; what is random is given to it.

mod connecting;
mod events;
mod space;

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
use tidegate_shared::config::Config;
use tidegate_shared::json::RawJson;
use tidegate_shared::position::Since;
use tidegate_shared::topic::Topic;

use self::connecting::Offer;
use self::space::{Phase, Space};
use super::binary;
use super::engine::{Malformed, Out};
use super::names::{self, App};
use super::packet::{Kind, Packet};
use super::record::{Answer, Event, Record};
use crate::dialect::{Command, Request, RequestId};

/// Most namespaces of one client.
const SPACES: usize = 16;

/// What a conversation begins with.
#[derive(Debug, Clone)]
pub struct Setting {
    pub config: Arc<Config>,
    pub app: App,
    /// Who has not said who it is may not enter.
    pub needs_user: bool,
    pub knows_user: bool,
    /// The client can go on where it stood: it takes a cursor with every event.
    pub recovers: bool,
    /// The session, as the client may know it.
    pub session: String,
    /// Nobody can guess it.
    pub secret: String,
    /// Most bytes of a packet with its attachments.
    pub limit: usize,
    /// Most bytes that are kept of what a returning client missed.
    pub hold: usize,
}

/// What is to be done for the client.
#[derive(Debug, PartialEq)]
pub enum Step {
    Say(Vec<Out>),
    Ask(Request),
}

#[derive(Debug)]
pub struct Conversation {
    setting: Setting,
    spaces: Vec<Space>,
    /// Topics that the server follows for the client.
    implicit: Vec<Topic>,
    /// A packet whose attachments are coming.
    pending: Option<Pending>,
    tickets: HashMap<u64, Ticket>,
    next: u64,
}

#[derive(Debug)]
struct Pending {
    packet: Packet,
    attachments: Vec<Bytes>,
    bytes: usize,
}

/// What a request was made for.
#[derive(Debug)]
enum Ticket {
    /// A namespace is entered when the client's token counts.
    Enter { space: Box<str>, offer: Offer },
    /// A room that the client was in when it was here last.
    Recover { space: Box<str>, topic: Topic },
    /// A topic that all clients of a namespace follow.
    Common { topic: Topic },
    Join {
        space: Box<str>,
        topic: Topic,
        room: RawJson,
        ack: Option<u64>,
    },
    Leave {
        space: Box<str>,
        room: RawJson,
        ack: Option<u64>,
    },
    Publish {
        space: Box<str>,
        ack: Option<u64>,
        /// What a player did in a room where it is not: it sees that, too.
        seen: Option<RawJson>,
    },
    /// Nobody waits.
    Nothing,
}

impl Conversation {
    pub fn new(setting: Setting) -> Self {
        Self {
            setting,
            spaces: Vec::new(),
            implicit: Vec::new(),
            pending: None,
            tickets: HashMap::new(),
            next: 0,
        }
    }

    /// Whether the client has entered any namespace, or is about to.
    pub fn has_begun(&self) -> bool {
        !self.spaces.is_empty()
    }

    /// A text message.
    pub fn on_text(&mut self, text: &Bytes) -> Result<Vec<Step>, Malformed> {
        if self.pending.is_some() {
            return Err(Malformed("a text where an attachment was to come"));
        }
        let packet = Packet::parse(text)?;
        if packet.attachments > 0 {
            self.pending = Some(Pending {
                bytes: text.len(),
                packet,
                attachments: Vec::new(),
            });
            return Ok(Vec::new());
        }
        self.on_packet(&packet)
    }

    /// A binary message.
    pub fn on_binary(&mut self, bytes: Bytes) -> Result<Vec<Step>, Malformed> {
        let Some(mut pending) = self.pending.take() else {
            return Err(Malformed("an attachment that no packet announced"));
        };
        pending.bytes += bytes.len();
        if pending.bytes > self.setting.limit {
            return Err(Malformed("a packet with its attachments is too large"));
        }
        pending.attachments.push(bytes);
        if pending.attachments.len() < pending.packet.attachments {
            self.pending = Some(pending);
            return Ok(Vec::new());
        }
        let mut packet = pending.packet;
        if let Some(data) = &packet.data {
            packet.data = Some(binary::fill_in(data, &pending.attachments)?);
        }
        self.on_packet(&packet)
    }

    fn on_packet(&mut self, packet: &Packet) -> Result<Vec<Step>, Malformed> {
        let mut steps = Vec::new();
        match packet.kind {
            Kind::Connect => self.connect(packet, &mut steps)?,
            Kind::Disconnect => self.leave_space(&packet.namespace, &mut steps),
            Kind::Event => {
                let event = packet.event()?;
                let is_open = self.space(&packet.namespace).is_some_and(Space::is_open);
                // A namespace that the server has ended may still be spoken to.
                if is_open {
                    self.on_event(&packet.namespace, &event, packet.id, &mut steps);
                }
            }
            // The server asks for no answers.
            Kind::Ack => {}
            Kind::ConnectError => return Err(Malformed("an error of a connection, which servers send")),
        }
        Ok(steps)
    }

    /// Something that has come out of the outbox. Appends what it is for the client.
    pub fn on_record(&mut self, record: Record, out: &mut Vec<Out>) -> Vec<Step> {
        let mut steps = Vec::new();
        match record {
            Record::Say(packets) => out.extend(packets),
            Record::Event(event) => self.hand_on(&event, out),
            Record::Reply(answer) => self.on_answer(&answer, out, &mut steps),
            Record::Announced(topic, true) => self.follow(topic),
            Record::Announced(topic, false) => {
                self.implicit.retain(|one| *one != topic);
                for space in &mut self.spaces {
                    space.rooms.retain(|room| room.topic != topic);
                }
            }
        }
        steps
    }

    /// Every namespace is ended by the server: then clients do not come back by themselves.
    pub fn end(&mut self, out: &mut Vec<Out>) {
        for space in self.spaces.drain(..) {
            out.push(super::engine::message(&space.writer().disconnect()));
        }
    }

    fn on_answer(&mut self, answer: &Answer, out: &mut Vec<Out>, steps: &mut Vec<Step>) {
        match self.tickets.remove(&answer.id) {
            None | Some(Ticket::Nothing) => {}
            Some(Ticket::Enter { space, offer }) => self.on_entered(&space, offer, answer, out, steps),
            Some(Ticket::Recover { space, topic }) => self.on_recovered(&space, &topic, answer, out, steps),
            Some(Ticket::Common { topic }) => {
                if !answer.is_failure {
                    self.follow(topic);
                }
            }
            Some(Ticket::Join {
                space,
                topic,
                room,
                ack,
            }) => self.on_joined(&space, &topic, &room, ack, answer, out),
            Some(Ticket::Leave { space, room, ack }) => {
                self.tell(&space, ack, "room_left", &room_object(&room), out);
            }
            Some(Ticket::Publish { space, ack, seen }) => {
                if answer.is_failure {
                    return self.tell_failure(&space, ack, &answer.json, out);
                }
                if let Some(data) = seen {
                    self.tell(&space, None, names::UPDATE, data.as_bytes(), out);
                }
                if let (Some(space), Some(ack)) = (self.space(&space), ack) {
                    out.push(super::engine::message(&space.writer().ack(ack, b"[]", 0)));
                }
            }
        }
    }

    /// An event for the namespaces that its topic concerns.
    fn hand_on(&mut self, event: &Event, out: &mut Vec<Out>) {
        let common = event
            .topic
            .as_ref()
            .is_none_or(|topic| self.implicit.contains(topic));
        let mut is_first = true;
        for space in &mut self.spaces {
            let in_room = event
                .topic
                .as_ref()
                .is_some_and(|topic| space.joined(topic).is_some());
            let is_for = in_room || (common && is_first);
            if is_for {
                space.say_event(event, self.setting.hold, out);
            }
            is_first = false;
        }
    }

    fn follow(&mut self, topic: Topic) {
        if !self.implicit.contains(&topic) {
            self.implicit.push(topic);
        }
    }

    fn space(&self, name: &str) -> Option<&Space> {
        self.spaces.iter().find(|space| *space.name == *name)
    }

    fn space_mut(&mut self, name: &str) -> Option<&mut Space> {
        self.spaces.iter_mut().find(|space| *space.name == *name)
    }

    /// Whether any namespace follows this topic, or the server does.
    fn follows(&self, topic: &Topic) -> bool {
        let in_room = |space: &Space| space.rooms.iter().any(|room| room.topic == *topic);
        self.implicit.contains(topic) || self.spaces.iter().any(in_room)
    }

    fn ask(&mut self, ticket: Ticket, granted: bool, command: Command, steps: &mut Vec<Step>) {
        self.next += 1;
        let id = Some(RequestId::new(&self.next.to_string()));
        self.tickets.insert(self.next, ticket);
        steps.push(Step::Ask(if granted {
            Request::granted(id, command)
        } else {
            Request::new(id, command)
        }));
    }

    fn subscribe(&mut self, ticket: Ticket, granted: bool, topic: Topic, since: Option<Since>) -> Vec<Step> {
        let mut steps = Vec::new();
        let command = Command::Subscribe {
            topic,
            since,
            presence: false,
        };
        self.ask(ticket, granted, command, &mut steps);
        steps
    }

    /// Ends what nobody follows any more.
    fn abandon(&mut self, topics: Vec<Topic>, ticket: impl Fn() -> Ticket, steps: &mut Vec<Step>) {
        for topic in topics {
            if !self.follows(&topic) {
                self.ask(ticket(), true, Command::Unsubscribe { topic }, steps);
            }
        }
    }

    fn leave_space(&mut self, name: &str, steps: &mut Vec<Step>) {
        let Some(index) = self.spaces.iter().position(|space| *space.name == *name) else {
            return;
        };
        let space = self.spaces.remove(index);
        let topics = space.rooms.into_iter().map(|room| room.topic).collect();
        self.abandon(topics, || Ticket::Nothing, steps);
    }
}

/// What a client that joined or left is told.
fn room_object(room: &RawJson) -> Vec<u8> {
    let mut object = b"{\"room\":".to_vec();
    object.extend_from_slice(room.as_bytes());
    object.push(b'}');
    object
}
