//! What happens when a player does something: pure. A state and an order in, what is said to whom and what
//! changes out. Whoever calls it sees to it that one order is carried out at a time.

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Value, json};

use super::order::{HELP, Order};
use super::state::{Change, Place, Player, State};
use super::world::World;
use crate::apps::html::escape;

/// Most things that one player carries.
const HANDS: usize = 8;

/// A moment of the game, as one player acts in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) world: &'a World,
    pub(super) state: &'a State,
    /// Who acts.
    pub(super) player: &'a str,
    /// Who is connected, on whichever node.
    pub(super) present: &'a [String],
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    /// For whoever acted.
    pub(super) answers: Vec<Answer>,
    /// For others, in order.
    pub(super) said: Vec<Said>,
    pub(super) changes: Vec<Change>,
    /// What is to be kept of what was said in the room.
    pub(super) spoken: Option<String>,
    /// The room that was left and the one that was entered.
    pub(super) moved: Option<(String, String)>,
}

/// A message for one player.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Answer {
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

impl Answer {
    pub(super) fn result(message: impl Into<String>) -> Self {
        Self {
            kind: "command_result",
            message: message.into(),
            data: None,
        }
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct Said {
    pub(super) to: Audience,
    pub(super) event: &'static str,
    pub(super) message: String,
    /// Whoever acts is told by the answer.
    pub(super) except_speaker: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Audience {
    Room(String),
    Zone(String),
    All,
    Player(String),
}

impl Scene<'_> {
    /// A player comes in, for the first time or again.
    pub(super) fn enter(&self) -> Outcome {
        let room = self.room();
        let mut outcome = Outcome::default();
        outcome.answers.push(Answer {
            kind: "system",
            message: format!("Welcome, {}!", escape(self.player)),
            data: None,
        });
        if !self.present.iter().any(|name| name == self.player) {
            outcome.tell_room(room, format!("{} enters.", escape(self.player)));
        }
        // Also where it was there already: from now on it is remembered anew.
        outcome.changes.push(Change::Player {
            name: self.player.to_owned(),
            player: Player {
                room: room.to_owned(),
                ..self.record()
            },
        });
        outcome
    }

    fn record(&self) -> Player {
        self.state.players.get(self.player).cloned().unwrap_or_default()
    }

    pub(super) fn act(&self, order: &Order) -> Outcome {
        let me = escape(self.player);
        let room = self.room();
        let mut outcome = Outcome::default();
        match order {
            Order::Look => outcome.answers.push(self.description(room)),
            Order::Help => outcome.answer(HELP),
            Order::Examine(thing) => outcome.answer(self.examine(thing)),
            Order::Move(direction) => return self.go(direction),
            Order::Take(thing) => return self.take(thing),
            Order::Drop(thing) => return self.drop(thing),
            Order::Inventory => {
                let things: Vec<_> = self.state.items_of(self.world, self.player).collect();
                outcome.answer(match things.as_slice() {
                    [] => "You carry nothing.".to_owned(),
                    things => format!("You carry: {}.", things.join(", ")),
                });
            }
            Order::Say(text) => {
                let text = escape(text);
                outcome.answer(format!("You say, \"{text}\""));
                outcome.speak(room, format!("{me} says, \"{text}\""));
            }
            Order::Emote(text) => {
                let line = format!("{me} {}", escape(text));
                outcome.answer(line.clone());
                outcome.speak(room, line);
            }
            Order::Shout(text) => {
                let zone = self
                    .world
                    .room(room)
                    .map(|room| room.zone.clone())
                    .unwrap_or_default();
                outcome.tell(
                    Audience::Zone(zone),
                    "shout",
                    format!("{me} shouts, \"{}\"", escape(text)),
                );
            }
            Order::Global(text) => {
                outcome.tell(
                    Audience::All,
                    "global",
                    format!("[Global] {me}: {}", escape(text)),
                );
            }
            Order::Whisper { to, text } => return self.whisper(to, text),
            Order::Who => {
                let names: Vec<_> = self.present.iter().map(|name| escape(name)).collect();
                outcome.answer(format!("Here are: {}.", names.join(", ")));
            }
        }
        outcome
    }

    fn room(&self) -> &str {
        self.state.room_of(self.world, self.player)
    }

    /// A room as its visitors see it, as text and in parts.
    fn description(&self, id: &str) -> Answer {
        let (message, data) = self.sight(id);
        Answer {
            kind: "room_description",
            message,
            data: Some(data),
        }
    }

    /// A room in parts.
    pub(super) fn room_data(&self, id: &str) -> Value {
        self.sight(id).1
    }

    fn sight(&self, id: &str) -> (String, Value) {
        let Some(room) = self.world.room(id) else {
            return ("There is nothing.".to_owned(), Value::Null);
        };
        let items: Vec<_> = self.state.items_in(self.world, id).collect();
        let walkers = self.world.walkers.iter();
        let walkers: Vec<_> = walkers
            .filter(|walker| walker.at(self.state.tick) == Some(id))
            .map(|walker| escape(&walker.name))
            .collect();
        let players: Vec<_> = self
            .present
            .iter()
            .filter(|name| *name != self.player && self.state.room_of(self.world, name) == id)
            .map(|name| escape(name))
            .collect();
        let exits: Vec<_> = room.exits.keys().map(String::as_str).collect();
        let mut text = format!("{}\n{}", room.name, room.description);
        for (title, list) in [
            ("Exits", exits.join(", ")),
            ("You see", items.join(", ")),
            ("Here are", [players.clone(), walkers.clone()].concat().join(", ")),
        ] {
            if !list.is_empty() {
                text.extend(["\n", title, ": ", &list, "."]);
            }
        }
        let data = json!({
            "room_id": id,
            "name": room.name,
            "description": room.description,
            "exits": exits,
            "players": players,
            "items": items,
            "walkers": walkers,
        });
        (text, data)
    }

    fn examine(&self, thing: &str) -> String {
        let here = self.state.items_in(self.world, self.room()).any(|id| id == thing);
        let mine = self.state.items_of(self.world, self.player).any(|id| id == thing);
        match self.world.item(thing) {
            Some(item) if here || mine => item.description.clone(),
            _ => no_such(thing),
        }
    }

    fn go(&self, direction: &str) -> Outcome {
        let me = escape(self.player);
        let from = self.room();
        let mut outcome = Outcome::default();
        let to = self.world.room(from).and_then(|room| room.exits.get(direction));
        let Some(to) = to else {
            outcome.answer(format!("You can't go {} from here.", escape(direction)));
            return outcome;
        };
        outcome.changes.push(Change::Player {
            name: self.player.to_owned(),
            player: Player {
                room: to.clone(),
                ..self.record()
            },
        });
        outcome.answers.push(self.description(to));
        outcome.tell_room(from, format!("{me} leaves {direction}."));
        outcome.tell_room(to, format!("{me} arrives."));
        outcome.moved = Some((from.to_owned(), to.clone()));
        outcome
    }

    fn take(&self, thing: &str) -> Outcome {
        let room = self.room();
        let mut outcome = Outcome::default();
        if !self.state.items_in(self.world, room).any(|id| id == thing) {
            outcome.answer(no_such(thing));
            return outcome;
        }
        if self.state.items_of(self.world, self.player).count() >= HANDS {
            outcome.answer("Your hands are full. Drop something first.");
            return outcome;
        }
        outcome.changes.push(Change::Item {
            id: thing.to_owned(),
            place: Place::Player(self.player.to_owned()),
        });
        outcome.answer(format!("You take the {thing}."));
        outcome.tell_room(room, format!("{} takes the {thing}.", escape(self.player)));
        outcome
    }

    fn drop(&self, thing: &str) -> Outcome {
        let room = self.room();
        let mut outcome = Outcome::default();
        if !self.state.items_of(self.world, self.player).any(|id| id == thing) {
            outcome.answer(format!("You have no {}.", escape(thing)));
            return outcome;
        }
        outcome.changes.push(Change::Item {
            id: thing.to_owned(),
            place: Place::Room(room.to_owned()),
        });
        outcome.answer(format!("You drop the {thing}."));
        outcome.tell_room(room, format!("{} drops the {thing}.", escape(self.player)));
        outcome
    }

    fn whisper(&self, to: &str, text: &str) -> Outcome {
        let text = escape(text);
        let mut outcome = Outcome::default();
        let Some(to) = self.present.iter().find(|name| name.eq_ignore_ascii_case(to)) else {
            outcome.answer(format!("There is no {} here.", escape(to)));
            return outcome;
        };
        outcome.answer(format!("You whisper to {}, \"{text}\"", escape(to)));
        outcome.tell(
            Audience::Player(to.clone()),
            "whisper",
            format!("{} whispers, \"{text}\"", escape(self.player)),
        );
        outcome
    }
}

impl Outcome {
    fn answer(&mut self, message: impl Into<String>) {
        self.answers.push(Answer::result(message));
    }

    fn speak(&mut self, room: &str, line: String) {
        self.spoken = Some(line.clone());
        self.tell_room(room, line);
    }

    fn tell_room(&mut self, room: &str, message: String) {
        self.said.push(Said {
            to: Audience::Room(room.to_owned()),
            event: "broadcast",
            message,
            except_speaker: true,
        });
    }

    fn tell(&mut self, to: Audience, event: &'static str, message: String) {
        self.said.push(Said {
            to,
            event,
            message,
            except_speaker: false,
        });
    }
}

fn no_such(thing: &str) -> String {
    format!("You see no {} here.", escape(thing))
}

/// What everybody sees of a tick: who of those that walk by themselves went where.
pub(super) fn tick(world: &World, tick: u64) -> Vec<Said> {
    let mut said = Vec::new();
    for walker in &world.walkers {
        let (Some(before), Some(now)) = (walker.at(tick.saturating_sub(1)), walker.at(tick)) else {
            continue;
        };
        if before != now {
            let name = escape(&walker.name);
            for (room, does) in [(before, "wanders off"), (now, "wanders in")] {
                said.push(Said {
                    to: Audience::Room(room.to_owned()),
                    event: "broadcast",
                    message: format!("{name} {does}."),
                    except_speaker: false,
                });
            }
        }
    }
    said
}
