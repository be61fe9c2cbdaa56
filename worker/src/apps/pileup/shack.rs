//! What the station keeps: who waits, who is worked, where it listens. One value of the state topic
//! `pileup:state`, so that it changes as a whole.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::callsign::Callsign;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Shack {
    pub(super) active: bool,
    pub(super) last_updated: Option<String>,
    pub(super) updated_by: Option<String>,
    /// First come first.
    pub(super) queue: Vec<Waiting>,
    pub(super) current: Option<Waiting>,
    pub(super) frequency: Setting,
    pub(super) split: Setting,
    /// Contacts are to go to a program that keeps a log.
    pub(super) logger: bool,
}

/// Who waits, since when; or who is worked, since when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) callsign: Callsign,
    pub(super) timestamp: String,
    pub(super) qrz: Value,
}

/// A frequency, and since when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Setting {
    pub(super) value: Option<String>,
    pub(super) last_updated: Option<String>,
}

impl Setting {
    /// As clients know it, under its name.
    pub(super) fn shown(&self, name: &str) -> Value {
        json!({ name: self.value, "last_updated": self.last_updated })
    }
}

impl Shack {
    /// Its place in the queue, counted from 0.
    pub(super) fn place(&self, callsign: &Callsign) -> Option<usize> {
        self.queue.iter().position(|one| one.callsign == *callsign)
    }

    /// Who waits at this place, with the place counted from 1.
    pub(super) fn entry(&self, place: usize) -> Value {
        self.queue.get(place).map_or(Value::Null, |one| {
            json!({
                "callsign": one.callsign,
                "timestamp": one.timestamp,
                "position": place + 1,
                "qrz": one.qrz,
            })
        })
    }

    pub(super) fn entries(&self) -> Vec<Value> {
        (0..self.queue.len()).map(|place| self.entry(place)).collect()
    }

    pub(super) fn worked(&self) -> Value {
        self.current.as_ref().map_or(
            Value::Null,
            |one| json!({ "callsign": one.callsign, "timestamp": one.timestamp, "qrz": one.qrz }),
        )
    }

    /// What `queue_update` tells.
    pub(super) fn update(&self, max_size: usize, active: bool) -> Value {
        json!({
            "queue": self.entries(),
            "total": self.queue.len(),
            "max_size": max_size,
            "system_active": active,
        })
    }

    /// What anybody is told of the queue: nothing, while there is none.
    pub(super) fn listed(&self, max_size: usize) -> Value {
        if self.active {
            self.update(max_size, true)
        } else {
            Self::default().update(max_size, false)
        }
    }

    /// What `system_status` tells.
    pub(super) fn status(&self) -> Value {
        json!({ "active": self.active, "last_updated": self.last_updated })
    }

    pub(super) fn full_status(&self) -> Value {
        json!({
            "active": self.active,
            "last_updated": self.last_updated,
            "updated_by": self.updated_by.as_deref().unwrap_or("system"),
        })
    }
}
