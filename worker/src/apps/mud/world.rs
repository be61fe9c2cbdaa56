//! The rooms, the things in them at the beginning, and who walks about by itself: read once from a file,
//! never changed.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

/// Most rooms, things and walkers of a world.
const MOST: usize = 10_000;
/// Longest id, name and direction, in bytes.
const NAME_LIMIT: usize = 64;
/// Longest description, in bytes.
const DESCRIPTION_LIMIT: usize = 2_048;

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) start: String,
    rooms: BTreeMap<String, Room>,
    items: BTreeMap<String, Item>,
    pub(super) walkers: Vec<Walker>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Room {
    id: String,
    pub(super) zone: String,
    pub(super) name: String,
    pub(super) description: String,
    #[serde(default)]
    pub(super) exits: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    id: String,
    /// Where it lies before anybody takes it.
    pub(super) room: String,
    pub(super) description: String,
}

/// Somebody who goes from room to room, a step every so many ticks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Walker {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) route: Vec<String>,
    pub(super) every: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    start: String,
    #[serde(rename = "room")]
    rooms: Vec<Room>,
    #[serde(rename = "item", default)]
    items: Vec<Item>,
    #[serde(rename = "walker", default)]
    walkers: Vec<Walker>,
}

#[derive(Debug, Error)]
pub(super) enum WorldError {
    #[error("it is no world: {0}")]
    Syntax(String),
    #[error("{what} `{name}` names the room `{room}`, which does not exist")]
    NoRoom {
        what: &'static str,
        name: String,
        room: String,
    },
    #[error("the {what} `{name}` is there twice")]
    Twice { what: &'static str, name: String },
    #[error("`{0}` is no name: 1 to {NAME_LIMIT} letters, digits, `_` and `-` are")]
    Name(String),
    #[error("the description of `{0}` has more than {DESCRIPTION_LIMIT} bytes")]
    Description(String),
    #[error("there are more than {MOST} rooms, items or walkers")]
    Many,
}

impl World {
    /// The world that comes with the program.
    pub(super) fn built_in() -> Result<Self, WorldError> {
        Self::parse(include_str!("world.toml"))
    }

    pub(super) fn parse(text: &str) -> Result<Self, WorldError> {
        let file: File = toml::from_str(text).map_err(|error| WorldError::Syntax(error.to_string()))?;
        if [file.rooms.len(), file.items.len(), file.walkers.len()]
            .iter()
            .any(|count| *count > MOST)
        {
            return Err(WorldError::Many);
        }
        let mut world = Self {
            start: file.start,
            rooms: BTreeMap::new(),
            items: BTreeMap::new(),
            walkers: file.walkers,
        };
        for room in file.rooms {
            name(&room.id)?;
            name(&room.zone)?;
            description(&room.id, &room.description)?;
            let id = room.id.clone();
            if world.rooms.insert(id.clone(), room).is_some() {
                return Err(WorldError::Twice {
                    what: "room",
                    name: id,
                });
            }
        }
        for item in file.items {
            name(&item.id)?;
            description(&item.id, &item.description)?;
            let id = item.id.clone();
            if world.items.insert(id.clone(), item).is_some() {
                return Err(WorldError::Twice {
                    what: "item",
                    name: id,
                });
            }
        }
        world.check()?;
        Ok(world)
    }

    /// Whatever names a room names one that exists.
    fn check(&self) -> Result<(), WorldError> {
        let room = |what, name: &str, room: &str| {
            self.rooms
                .get(room)
                .map(|_| ())
                .ok_or_else(|| WorldError::NoRoom {
                    what,
                    name: name.to_owned(),
                    room: room.to_owned(),
                })
        };
        room("start", "start", &self.start)?;
        for from in self.rooms.values() {
            for (direction, to) in &from.exits {
                name(direction)?;
                room("exit", &format!("{}.{direction}", from.id), to)?;
            }
        }
        for item in self.items.values() {
            room("item", &item.id, &item.room)?;
        }
        for walker in &self.walkers {
            name(&walker.id)?;
            for step in &walker.route {
                room("walker", &walker.id, step)?;
            }
        }
        Ok(())
    }

    pub(super) fn room(&self, id: &str) -> Option<&Room> {
        self.rooms.get(id)
    }

    pub(super) fn item(&self, id: &str) -> Option<&Item> {
        self.items.get(id)
    }

    pub(super) fn items(&self) -> impl Iterator<Item = (&str, &Item)> {
        self.items.iter().map(|(id, item)| (id.as_str(), item))
    }
}

impl Walker {
    /// Where it is at a tick.
    pub(super) fn at(&self, tick: u64) -> Option<&str> {
        let steps = tick / self.every.max(1);
        let length = u64::try_from(self.route.len())
            .ok()
            .filter(|length| *length > 0)?;
        let step = usize::try_from(steps % length).ok()?;
        self.route.get(step).map(String::as_str)
    }
}

fn name(text: &str) -> Result<(), WorldError> {
    let fits = !text.is_empty()
        && text.len() <= NAME_LIMIT
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if fits {
        return Ok(());
    }
    Err(WorldError::Name(text.chars().take(NAME_LIMIT).collect()))
}

fn description(of: &str, text: &str) -> Result<(), WorldError> {
    if text.len() <= DESCRIPTION_LIMIT {
        return Ok(());
    }
    Err(WorldError::Description(of.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_world_is_one_and_every_exit_leads_back() {
        let world = World::built_in().expect("a world");
        for (id, room) in &world.rooms {
            for to in room.exits.values() {
                let back = &world.rooms[to].exits;
                assert!(
                    back.values().any(|room| room == id),
                    "{to} does not lead back to {id}"
                );
            }
        }
    }

    #[test]
    fn what_a_file_gets_wrong_is_named() {
        let room = "start = \"a\"\n[[room]]\nid = \"a\"\nzone = \"z\"\nname = \"A\"\ndescription = \"\"\n";
        let said = |more: &str| {
            World::parse(&format!("{room}{more}"))
                .expect_err("wrong")
                .to_string()
        };
        assert_eq!(
            said("exits = { north = \"b\" }"),
            "exit `a.north` names the room `b`, which does not exist"
        );
        assert_eq!(
            said("[[item]]\nid = \"x\"\nroom = \"y\"\ndescription = \"\""),
            "item `x` names the room `y`, which does not exist"
        );
        assert_eq!(
            said(room.trim_start_matches("start = \"a\"\n")),
            "the room `a` is there twice"
        );
        assert!(
            said("[[item]]\nid = \"a b\"\nroom = \"a\"\ndescription = \"\"").starts_with("`a b` is no name")
        );
        assert!(said("[[chest]]\n").contains("unknown field"));
    }
}
