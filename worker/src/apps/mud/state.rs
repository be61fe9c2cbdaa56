//! Who is where and where things are, as the state topics keep it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::world::World;

/// A player, whether here or away.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Player {
    pub(super) room: String,
    /// Of the connection that it came by last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<String>,
    /// The one before that may have been lost without a word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) doubtful: bool,
}

/// Where a thing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    Room(String),
    Player(String),
}

/// One moment of the game. Things that nobody has moved are where the world has them.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) players: BTreeMap<String, Player>,
    pub(super) places: BTreeMap<String, Place>,
    pub(super) tick: u64,
}

/// What a command changes, for the state topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Player { name: String, player: Player },
    Item { id: String, place: Place },
}

impl State {
    /// The room a player is in. One whose room the world has lost begins anew.
    pub(super) fn room_of<'a>(&'a self, world: &'a World, player: &str) -> &'a str {
        self.players
            .get(player)
            .map(|player| player.room.as_str())
            .filter(|room| world.room(room).is_some())
            .unwrap_or(&world.start)
    }

    /// The things that lie in a room.
    pub(super) fn items_in<'a>(&'a self, world: &'a World, room: &'a str) -> impl Iterator<Item = &'a str> {
        world
            .items()
            .filter(move |(id, item)| match self.places.get(*id) {
                Some(Place::Room(place)) => place == room,
                Some(Place::Player(_)) => false,
                None => item.room == room,
            })
            .map(|(id, _)| id)
    }

    /// The things that a player has.
    pub(super) fn items_of<'a>(&'a self, world: &'a World, player: &'a str) -> impl Iterator<Item = &'a str> {
        world
            .items()
            .filter(
                move |(id, _)| matches!(self.places.get(*id), Some(Place::Player(owner)) if owner == player),
            )
            .map(|(id, _)| id)
    }

    #[cfg(test)]
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Player { name, player } => {
                self.players.insert(name, player);
            }
            Change::Item { id, place } => {
                self.places.insert(id, place);
            }
        }
    }
}
