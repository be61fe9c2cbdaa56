//! What clients' events mean.
//!
//! `join_room` and `leave_room` are for every namespace, `player_action` for the game's, `publish` for
//! the others as well. Nothing else is known.

use serde::Deserialize;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::EventName;
use tidegate_shared::topic::Topic;

use super::super::packet::Event;
use super::super::record::Answer;
use super::super::{engine, event, names};
use super::space::Room;
use super::{Command, Conversation, Out, Step, Ticket, room_object};
use crate::dialect::native::Native;
use crate::dialect::{Failure, Reply};
use tidegate_shared::code::ErrorCode;

/// What a client publishes to a room.
#[derive(Deserialize)]
struct Publish {
    event: Option<EventName>,
    #[serde(default)]
    data: Option<RawJson>,
    /// In place of `data`: several arguments.
    #[serde(default)]
    args: Option<Vec<RawJson>>,
}

impl Conversation {
    pub(super) fn on_event(&mut self, space: &str, event: &Event, ack: Option<u64>, steps: &mut Vec<Step>) {
        let first = event.arguments.first();
        let done = match &*event.name {
            "join_room" => self.join(space, first, ack, steps),
            "leave_room" => self.leave(space, first, ack, steps),
            "player_action" if self.setting.app.is_game(space) => self.act(space, first, ack, steps),
            "publish" => self.publish(space, first, ack, steps),
            // The game's clients expect silence.
            _ if self.setting.app.is_game(space) && ack.is_none() => Ok(()),
            name => {
                let short: String = name.chars().take(64).collect();
                Err(Failure::new(
                    ErrorCode::NotFound,
                    format!("nothing here answers the event `{short}`"),
                ))
            }
        };
        if let Err(failure) = done {
            let mut json = Vec::new();
            Native.encode_announcement(&Reply::Failed(failure), &mut json);
            let mut out = Vec::new();
            self.tell_failure(space, ack, &json, &mut out);
            steps.push(Step::Say(out));
        }
    }

    fn join(
        &mut self,
        name: &str,
        argument: Option<&RawJson>,
        ack: Option<u64>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Failure> {
        let (room, spelling, topic) = self.room(name, argument)?;
        let place = self
            .spaces
            .iter_mut()
            .find_map(|space| space.joined(&topic).map(|room| room.place));
        let is_known = self.follows(&topic);
        let Some(space) = self.space_mut(name) else {
            return Ok(());
        };
        let is_in = space.rooms.iter().any(|room| room.topic == topic);
        if !is_in {
            space.rooms.push(Room {
                name: room.into(),
                topic: topic.clone(),
                is_joined: place.is_some(),
                place: place.flatten(),
            });
        }
        if is_known && (place.is_some() || self.implicit.contains(&topic)) {
            if let Some(room) = self
                .space_mut(name)
                .and_then(|space| space.rooms.iter_mut().find(|room| room.topic == topic))
            {
                room.is_joined = true;
            }
            let mut out = Vec::new();
            self.tell(name, ack, "room_joined", &room_object(&spelling), &mut out);
            steps.push(Step::Say(out));
            return Ok(());
        }
        let ticket = Ticket::Join {
            space: name.into(),
            topic: topic.clone(),
            room: spelling,
            ack,
        };
        let granted = self.setting.app.is_game(name);
        steps.extend(self.subscribe(ticket, granted, topic, None));
        Ok(())
    }

    pub(super) fn on_joined(
        &mut self,
        name: &str,
        topic: &Topic,
        room: &RawJson,
        ack: Option<u64>,
        answer: &Answer,
        out: &mut Vec<Out>,
    ) {
        let place = self
            .spaces
            .iter_mut()
            .find_map(|space| space.joined(topic).map(|room| room.place));
        let Some(space) = self.space_mut(name) else { return };
        // A client that joined twice without waiting is in by the first time.
        if answer.is_failure && place.is_none() {
            space.rooms.retain(|room| room.topic != *topic);
            self.tell_failure(name, ack, &answer.json, out);
            return;
        }
        if let Some(room) = space.rooms.iter_mut().find(|room| room.topic == *topic) {
            room.is_joined = true;
            room.place = place.unwrap_or(answer.place);
        }
        self.tell(name, ack, "room_joined", &room_object(room), out);
    }

    fn leave(
        &mut self,
        name: &str,
        argument: Option<&RawJson>,
        ack: Option<u64>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Failure> {
        let (_, spelling, topic) = self.room(name, argument)?;
        let Some(space) = self.space_mut(name) else {
            return Ok(());
        };
        let was_in = space.rooms.iter().any(|room| room.topic == topic);
        space.rooms.retain(|room| room.topic != topic);
        if was_in && !self.follows(&topic) {
            let ticket = Ticket::Leave {
                space: name.into(),
                room: spelling,
                ack,
            };
            self.ask(ticket, true, Command::Unsubscribe { topic }, steps);
            return Ok(());
        }
        let mut out = Vec::new();
        self.tell(name, ack, "room_left", &room_object(&spelling), &mut out);
        steps.push(Step::Say(out));
        Ok(())
    }

    /// What a player does is seen by everybody in the room, the player too, whether or not it is in.
    fn act(
        &mut self,
        name: &str,
        argument: Option<&RawJson>,
        ack: Option<u64>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Failure> {
        let Some(data) = argument.filter(|data| data.as_bytes().starts_with(b"{")) else {
            return Err(bad(
                "player_action takes an object: {action, data, player_id, room_id}",
            ));
        };
        let app = self.setting.app;
        let topic = match names::room(Some(data)) {
            Some((room, _)) => app.topic(name, &room),
            // Without a room it is for everybody.
            None => app.common(name),
        };
        let topic = topic.ok_or_else(|| bad("`room_id` is no name for a room"))?;
        let is_in = self.follows(&topic);
        let ticket = Ticket::Publish {
            space: name.into(),
            ack,
            seen: (!is_in).then(|| data.clone()),
        };
        self.ask(ticket, true, publication(topic, data.clone(), None), steps);
        Ok(())
    }

    fn publish(
        &mut self,
        name: &str,
        argument: Option<&RawJson>,
        ack: Option<u64>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Failure> {
        let (_, _, topic) = self.room(name, argument)?;
        let Publish { event, data, args } = argument
            .and_then(|argument| serde_json::from_str(argument.as_str()).ok())
            .ok_or_else(|| bad("publish takes an object: {room_id, event, data}"))?;
        let data = match (data, args) {
            (_, Some(args)) => event::to_data(&args),
            (data, None) => data.unwrap_or_else(RawJson::null),
        };
        let ticket = Ticket::Publish {
            space: name.into(),
            ack,
            seen: None,
        };
        self.ask(ticket, false, publication(topic, data, event), steps);
        Ok(())
    }

    fn room(&self, space: &str, argument: Option<&RawJson>) -> Result<(String, RawJson, Topic), Failure> {
        let (room, spelling) = names::room(argument)
            .ok_or_else(|| bad("a room is named by a text, or by `room_id` in an object"))?;
        let topic = self.setting.app.topic(space, &room);
        let topic =
            topic.ok_or_else(|| bad("this is no name for a room: 1 to 255 bytes, its namespace included"))?;
        Ok((room, spelling, topic))
    }

    /// An event of the server's own, and the answer to who waits for one.
    pub(super) fn tell(
        &mut self,
        name: &str,
        ack: Option<u64>,
        event: &str,
        data: &[u8],
        out: &mut Vec<Out>,
    ) {
        let Some(space) = self.space_mut(name) else { return };
        let record = super::Event {
            topic: None,
            place: None,
            array: event::named(event, data).into(),
            attachments: Vec::new(),
        };
        space.say_event(&record, 0, out);
        if let Some(ack) = ack {
            let array = [b"[", data, b"]"].concat();
            out.push(engine::message(&space.writer().ack(ack, &array, 0)));
        }
    }

    /// To who waits for an answer as `{"error": …}`, to others as the event `error`.
    pub(super) fn tell_failure(&mut self, name: &str, ack: Option<u64>, json: &[u8], out: &mut Vec<Out>) {
        let Some(ack) = ack else {
            return self.tell(name, None, "error", json, out);
        };
        if let Some(space) = self.space(name) {
            let array = [b"[{\"error\":", json, b"}]"].concat();
            out.push(engine::message(&space.writer().ack(ack, &array, 0)));
        }
    }
}

fn publication(topic: Topic, data: RawJson, event: Option<EventName>) -> Command {
    Command::Publish {
        topic,
        data,
        event,
        key: None,
    }
}

fn bad(what: &str) -> Failure {
    Failure::new(ErrorCode::BadRequest, what)
}
