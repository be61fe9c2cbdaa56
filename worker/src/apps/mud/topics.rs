//! The names of the game's topics and of the events on them.

use crate::{EventName, StateKey, Topic};

/// The topics that are not made of names, built once.
#[derive(Debug)]
pub(super) struct Names {
    /// Every player's session follows it.
    pub(super) all: Topic,
    pub(super) chat: Topic,
    /// Where each tick is told.
    pub(super) world: Topic,
    pub(super) players: Topic,
    pub(super) items: Topic,
    pub(super) clock: Topic,
    /// The keys of the clock.
    pub(super) tick: StateKey,
    pub(super) here: StateKey,
}

impl Names {
    pub(super) fn new() -> Result<Self, String> {
        Ok(Self {
            all: topic("mud:all")?,
            chat: topic("mud:chat")?,
            world: topic("mud:world")?,
            players: topic("mudworld:players")?,
            items: topic("mudworld:items")?,
            clock: topic("mudworld:clock")?,
            tick: key("tick")?,
            here: key("here")?,
        })
    }
}

pub(super) fn room(id: &str) -> Result<Topic, String> {
    topic(&format!("mud:room:{id}"))
}

pub(super) fn zone(id: &str) -> Result<Topic, String> {
    topic(&format!("mud:zone:{id}"))
}

pub(super) fn said(room: &str) -> Result<Topic, String> {
    topic(&format!("mud:said:{room}"))
}

fn topic(name: &str) -> Result<Topic, String> {
    Topic::parse(name).map_err(|error| error.to_string())
}

pub(super) fn key(name: &str) -> Result<StateKey, String> {
    StateKey::parse(name).map_err(|error| error.to_string())
}

pub(super) fn event(name: &str) -> Result<EventName, String> {
    EventName::parse(name).map_err(|error| error.to_string())
}
