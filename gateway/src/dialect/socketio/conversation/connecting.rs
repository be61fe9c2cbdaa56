//! Entering a namespace, and coming back to one.

use serde::Serialize;
use serde_json::{Value, json};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::json::RawJson;
use tidegate_shared::position::{Position, Since};
use tidegate_shared::topic::Topic;

use super::super::engine::{self, Malformed, Out};
use super::super::packet::{Packet, ROOT, Writer};
use super::super::record::Answer;
use super::super::{cursor, names};
use super::space::{Recovery, Room};
use super::{Command, Conversation, Phase, SPACES, Space, Step, Ticket};

/// What the libraries of other servers say, and so what clients look for.
const INVALID: &str = "Invalid namespace";
/// Longest private name that is read.
const NAME: usize = 256;

/// What a client sends along.
#[derive(Debug, Default)]
pub(super) struct Offer {
    token: Option<Box<str>>,
    /// Where it was, and how far it had come.
    before: Option<(String, String)>,
}

impl Offer {
    fn read(data: Option<&RawJson>) -> Self {
        let Some(Ok(Value::Object(map))) = data.map(|data| serde_json::from_str(data.as_str())) else {
            return Self::default();
        };
        let text = |name: &str| map.get(name).and_then(Value::as_str);
        Self {
            token: text("token").filter(|token| !token.is_empty()).map(Into::into),
            before: text("pid")
                .zip(text("offset"))
                .map(|(pid, offset)| (pid.to_owned(), offset.to_owned())),
        }
    }
}

impl Conversation {
    pub(super) fn connect(&mut self, packet: &Packet, steps: &mut Vec<Step>) -> Result<(), Malformed> {
        let name = &*packet.namespace;
        if self.space(name).is_some() {
            return Err(Malformed("a namespace is entered twice"));
        }
        if !names::exists(&self.setting.config, name) {
            steps.push(Step::Say(vec![refused(name, INVALID, None)]));
            return Ok(());
        }
        if self.spaces.len() == SPACES {
            let message = format!("a connection may be in {SPACES} namespaces");
            steps.push(Step::Say(vec![refused(name, &message, None)]));
            return Ok(());
        }
        let mut offer = Offer::read(packet.data.as_ref());
        let token = offer.token.take();
        if token.is_none() && self.setting.needs_user && !self.setting.knows_user {
            let message = "a token is needed: send it as `auth: {token}`";
            let code = ErrorCode::Unauthorized;
            let data = json!({ "code": code.number(), "message": message });
            steps.push(Step::Say(vec![refused(name, message, Some(data))]));
            return Ok(());
        }
        let sid = if name == ROOT {
            self.setting.session.clone()
        } else {
            format!("{}-{}", self.setting.session, self.next + 1)
        };
        self.spaces.push(Space::new(name, sid));
        if let Some(token) = token {
            let ticket = Ticket::Enter {
                space: name.into(),
                offer,
            };
            self.ask(ticket, false, Command::Auth { token }, steps);
            return Ok(());
        }
        let mut out = Vec::new();
        self.enter(name, offer, &mut out, steps);
        // Before what was asked for: its answers come later in any case.
        if !out.is_empty() {
            steps.insert(0, Step::Say(out));
        }
        Ok(())
    }

    pub(super) fn on_entered(
        &mut self,
        name: &str,
        offer: Offer,
        answer: &Answer,
        out: &mut Vec<Out>,
        steps: &mut Vec<Step>,
    ) {
        if answer.is_failure {
            self.spaces.retain(|space| *space.name != *name);
            let why: Value = serde_json::from_slice(&answer.json).unwrap_or_default();
            let message = why["message"].as_str().unwrap_or_default().to_owned();
            out.push(refused(name, &message, Some(why)));
            return;
        }
        self.setting.knows_user = true;
        // It may have gone meanwhile.
        if self.space(name).is_some() {
            self.enter(name, offer, out, steps);
        }
    }

    fn enter(&mut self, name: &str, offer: Offer, out: &mut Vec<Out>, steps: &mut Vec<Step>) {
        let before = offer.before.filter(|_| self.setting.recovers);
        let rooms =
            before.and_then(|(pid, offset)| Some((sid_of(&pid)?.to_owned(), pid, cursor::read(&offset)?)));
        match rooms {
            Some((sid, pid, rooms)) => self.recover(name, sid, pid, rooms, out, steps),
            None => self.open(name, out, steps),
        }
    }

    /// Lets a client in as a new one.
    fn open(&mut self, name: &str, out: &mut Vec<Out>, steps: &mut Vec<Step>) {
        let recovers = self.setting.recovers;
        // Never one that the client had before: by that it would take itself for one that has come back.
        self.next += 1;
        let secret = format!("{}{}", self.setting.secret, self.next);
        if let Some(space) = self.space_mut(name) {
            space.pid = recovers.then(|| format!("{secret}.{}", space.sid));
            space.phase = Phase::Open;
            out.push(greeting(space));
        }
        self.on_open(name, out, steps);
    }

    fn on_open(&mut self, name: &str, out: &mut Vec<Out>, steps: &mut Vec<Step>) {
        if self.setting.app.is_game(name) {
            self.tell(
                name,
                None,
                "connection_response",
                br#"{"status":"connected"}"#,
                out,
            );
        }
        if let Some(topic) = self.setting.app.common(name)
            && !self.follows(&topic)
        {
            let ticket = Ticket::Common { topic: topic.clone() };
            steps.extend(self.subscribe(ticket, true, topic, None));
        }
    }

    fn recover(
        &mut self,
        name: &str,
        sid: String,
        pid: String,
        rooms: Vec<(String, Option<Position>)>,
        out: &mut Vec<Out>,
        steps: &mut Vec<Step>,
    ) {
        let app = self.setting.app;
        let mut found = Vec::new();
        for (room, place) in rooms {
            // What another namespace follows already cannot be read again for this one.
            match app.topic(name, &room).filter(|topic| !self.follows(topic)) {
                Some(topic) => found.push((room, topic, place)),
                None => return self.open(name, out, steps),
            }
        }
        let Some(space) = self.space_mut(name) else { return };
        space.phase = Phase::Recovering(Recovery::of(found.len()));
        space.rooms = found
            .iter()
            .map(|(room, topic, place)| Room {
                name: room.as_str().into(),
                topic: topic.clone(),
                is_joined: false,
                place: *place,
            })
            .collect();
        space.sid = sid;
        space.pid = Some(pid);
        for (_, topic, place) in &found {
            let ticket = Ticket::Recover {
                space: name.into(),
                topic: topic.clone(),
            };
            let granted = app.is_game(name);
            let since = place.map(Since::from);
            steps.extend(self.subscribe(ticket, granted, topic.clone(), since));
        }
        if found.is_empty() {
            self.end_recovery(name, out, steps);
        }
    }

    pub(super) fn on_recovered(
        &mut self,
        name: &str,
        topic: &Topic,
        answer: &Answer,
        out: &mut Vec<Out>,
        steps: &mut Vec<Step>,
    ) {
        let Some(space) = self.space_mut(name) else {
            // It has gone, and the subscription with it.
            return self.abandon(vec![topic.clone()], || Ticket::Nothing, steps);
        };
        if let Some(room) = space.rooms.iter_mut().find(|room| room.topic == *topic) {
            room.is_joined = !answer.is_failure;
        }
        if let Phase::Recovering(recovery) = &mut space.phase {
            recovery.waiting = recovery.waiting.saturating_sub(1);
            recovery.failed |= answer.is_failure || answer.recovered == Some(false);
            if recovery.waiting == 0 {
                self.end_recovery(name, out, steps);
            }
        }
    }

    fn end_recovery(&mut self, name: &str, out: &mut Vec<Out>, steps: &mut Vec<Step>) {
        let session = self.setting.session.clone();
        let Some(space) = self.space_mut(name) else { return };
        let Phase::Recovering(recovery) = std::mem::replace(&mut space.phase, Phase::Open) else {
            return;
        };
        if recovery.failed {
            let rooms = std::mem::take(&mut space.rooms);
            space.sid = session;
            let joined = rooms.into_iter().filter(|room| room.is_joined);
            let topics = joined.map(|room| room.topic).collect();
            self.abandon(topics, || Ticket::Nothing, steps);
            return self.open(name, out, steps);
        }
        // By its old name the client sees that nothing is missing.
        out.push(greeting(space));
        space.let_go(recovery, out);
        if let Some(topic) = self.setting.app.common(name)
            && !self.follows(&topic)
        {
            let ticket = Ticket::Common { topic: topic.clone() };
            steps.extend(self.subscribe(ticket, true, topic, None));
        }
    }
}

/// The first packet in a namespace.
#[derive(Serialize)]
struct Greeting<'a> {
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<&'a str>,
}

/// Why a namespace is closed to a client.
#[derive(Serialize)]
struct Refusal<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

fn greeting(space: &Space) -> Out {
    let greeting = Greeting {
        sid: &space.sid,
        pid: space.pid.as_deref(),
    };
    // Texts always serialise.
    let data = serde_json::to_vec(&greeting).unwrap_or_default();
    engine::message(&space.writer().connect(&data))
}

fn refused(name: &str, message: &str, data: Option<Value>) -> Out {
    let data = serde_json::to_vec(&Refusal { message, data }).unwrap_or_default();
    engine::message(&Writer { namespace: name }.connect_error(&data))
}

/// The name that a client had, from its private one. `None` if that is not of our making.
fn sid_of(pid: &str) -> Option<&str> {
    let (_, sid) = pid.split_once('.')?;
    let is_plain = sid
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (pid.len() <= NAME && is_plain && !sid.is_empty()).then_some(sid)
}
