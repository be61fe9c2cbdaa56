//! What operations make of a shack: plain functions from what was to what is, and to what everybody is told
//! of it, in this order.

use serde_json::{Value, json};

use super::callsign::Callsign;
use super::refusal::Refusal;
use super::shack::{Setting, Shack, Waiting};

#[derive(Debug)]
pub(super) struct Change {
    pub(super) shack: Shack,
    pub(super) events: Vec<(&'static str, Value)>,
}

/// One of the two frequencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dial {
    Frequency,
    Split,
}

impl Dial {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Frequency => "frequency",
            Self::Split => "split",
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::Frequency => "frequency_update",
            Self::Split => "split_update",
        }
    }
}

/// Whether somebody of this callsign may join the queue.
pub(super) fn admit(shack: &Shack, callsign: &str, max_size: usize) -> Result<Callsign, Refusal> {
    if !shack.active {
        return Err(Refusal::Closed);
    }
    let callsign = Callsign::parse(callsign).ok_or(Refusal::Malformed)?;
    if shack.place(&callsign).is_some() {
        return Err(Refusal::Doubled);
    }
    if shack.queue.len() >= max_size {
        return Err(Refusal::Full);
    }
    Ok(callsign)
}

/// Where somebody is in the queue.
pub(super) fn find(shack: &Shack, callsign: &str) -> Result<usize, Refusal> {
    let place = Callsign::parse(callsign).and_then(|callsign| shack.place(&callsign));
    place.ok_or(Refusal::Absent)
}

impl Change {
    /// A change of the queue says that the station is active, as it must have been.
    fn of_queue(shack: Shack, max_size: usize) -> Self {
        let update = shack.update(max_size, true);
        Self {
            shack,
            events: vec![("queue_update", update)],
        }
    }

    pub(super) fn join(mut shack: Shack, waiting: Waiting, max_size: usize) -> Self {
        shack.queue.push(waiting);
        Self::of_queue(shack, max_size)
    }

    /// Who waits at this place does so no longer.
    pub(super) fn remove(mut shack: Shack, place: usize, max_size: usize) -> Self {
        shack.queue.remove(place);
        Self::of_queue(shack, max_size)
    }

    pub(super) fn clear(mut shack: Shack, max_size: usize) -> Self {
        shack.queue.clear();
        Self::of_queue(shack, max_size)
    }

    /// Who came first is worked now; nobody, if nobody waits.
    pub(super) fn next(mut shack: Shack, now: String, max_size: usize) -> Self {
        shack.current = (!shack.queue.is_empty()).then(|| Waiting {
            timestamp: now,
            ..shack.queue.remove(0)
        });
        let worked = shack.worked();
        let mut change = Self::of_queue(shack, max_size);
        change.events.insert(0, ("current_qso", worked));
        change
    }

    pub(super) fn complete(mut shack: Shack) -> Self {
        shack.current = None;
        Self {
            shack,
            events: vec![("current_qso", Value::Null)],
        }
    }

    /// Without a value it is cleared.
    pub(super) fn tune(mut shack: Shack, dial: Dial, value: Option<String>, now: String) -> Self {
        let setting = Setting {
            value,
            last_updated: Some(now),
        };
        let events = vec![(dial.event(), setting.shown(dial.name()))];
        match dial {
            Dial::Frequency => shack.frequency = setting,
            Dial::Split => shack.split = setting,
        }
        Self { shack, events }
    }

    /// Either way it begins anew: nobody waits, and nobody is worked.
    pub(super) fn switch(shack: Shack, active: bool, by: String, now: String) -> Self {
        let shack = Shack {
            active,
            last_updated: Some(now),
            updated_by: Some(by),
            queue: Vec::new(),
            current: None,
            ..shack
        };
        let events = vec![("system_status", shack.status())];
        Self { shack, events }
    }

    /// The same, telling also what comes of it for those who only listen; an inactive station has no split.
    pub(super) fn switch_telling_all(
        shack: Shack,
        active: bool,
        by: String,
        now: String,
        max_size: usize,
    ) -> Self {
        let mut change = Self::switch(shack, active, by, now.clone());
        if !active {
            change.events.push(("current_qso", Value::Null));
            change
                .events
                .push(("queue_update", change.shack.update(max_size, false)));
            let tuned = Self::tune(change.shack, Dial::Split, None, now);
            change.shack = tuned.shack;
            change.events.extend(tuned.events);
        }
        change
    }

    pub(super) fn log(mut shack: Shack, enabled: bool) -> Self {
        shack.logger = enabled;
        Self {
            shack,
            events: Vec::new(),
        }
    }
}

/// What a contact is said to be of, if there is one.
pub(super) fn callsign(worked: &Value) -> Option<&str> {
    worked["callsign"].as_str()
}

/// A message and one value more.
pub(super) fn said(message: impl Into<String>, name: &str, value: &Value) -> Value {
    json!({ "message": message.into(), name: value })
}
