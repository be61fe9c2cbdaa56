//! The auditor of one subscriber's view of one topic. Pure: what it was told goes in, in order; what is
//! wrong with it comes out.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::steps::Steps;
use super::told::{Told, apply, is_over};
use super::truth::{Place, Truth};

/// Where a subscriber stands. The tag is not known after `lagged`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub epoch: String,
    pub offset: u64,
    pub tag: Option<String>,
}

#[derive(Debug)]
pub struct Audit {
    who: String,
    topic: String,
    position: Option<Position>,
    /// What `subscribed` with `recovered: true` said the recovered entries lead to.
    leads_to: Option<(u64, String)>,
    /// Payloads of this unbroken history: none comes twice.
    seen: HashSet<String>,
    /// A job's terminal entry was seen: nothing may follow.
    over: bool,
    /// Of a state topic: the snapshot, and what has changed since.
    map: Option<Map<String, Value>>,
    /// Of a job's topic.
    steps: Option<Steps>,
    /// Whether publications may be left out for newer ones; how many it was told were, and how many it did
    /// not get.
    coalesces: bool,
    skipped: u64,
    missing: u64,
    /// Nothing was left out since the last snapshot: the map is that of the position.
    exact: bool,
    /// Where the last event with an id has taken a follower of an event stream.
    cursor: Option<Position>,
    pub counts: Counts,
}

/// What the namespace of a topic promises.
#[derive(Debug, Clone, Copy, Default)]
pub struct Promise {
    /// A state topic.
    pub maps: bool,
    /// `slow = "latest"`.
    pub coalesces: bool,
}

#[derive(Debug, Default, Clone)]
pub struct Counts {
    pub entries: u64,
    pub recovered: u64,
    pub unrecovered: u64,
    pub lagged: u64,
    pub lagged_offsets: u64,
    pub skipped: u64,
    pub resets: u64,
}

impl Audit {
    pub fn new(who: &str, topic: &str, promise: Promise) -> Self {
        Self {
            who: who.to_owned(),
            topic: topic.to_owned(),
            position: None,
            leads_to: None,
            seen: HashSet::new(),
            over: false,
            map: promise.maps.then(Map::new),
            steps: topic.starts_with("job:").then(Steps::default),
            coalesces: promise.coalesces,
            skipped: 0,
            missing: 0,
            exact: true,
            cursor: None,
            counts: Counts::default(),
        }
    }

    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    pub fn map(&self) -> Option<&Map<String, Value>> {
        self.map.as_ref()
    }

    /// A follower of an event stream comes back: it names the last id that it was given.
    pub fn rewind(&mut self) {
        self.position = self.cursor.clone();
        self.leads_to = None;
    }

    pub fn hear(&mut self, told: &Told, truth: &mut Truth) -> Result<(), String> {
        match told {
            Told::Subscribed {
                epoch,
                offset,
                tag,
                recovered,
                snapshot,
            } => self.subscribed(epoch, *offset, tag, *recovered, snapshot, truth),
            Told::Entry {
                offset,
                tag,
                data,
                skipped,
            } => self.entry(*offset, tag, data, *skipped, truth),
            Told::Lagged { from, to } => self.lagged(*from, *to),
            Told::Reset {
                epoch,
                offset,
                tag,
                reason,
                snapshot,
            } => {
                self.reset(epoch, reason)?;
                self.stand(epoch, *offset, tag, snapshot, truth)
            }
        }
    }

    fn subscribed(
        &mut self,
        epoch: &str,
        offset: u64,
        tag: &str,
        recovered: Option<bool>,
        snapshot: &Value,
        truth: &mut Truth,
    ) -> Result<(), String> {
        match (&self.position, recovered) {
            (None, None) => self.stand(epoch, offset, tag, snapshot, truth)?,
            (Some(_), Some(false)) => {
                self.counts.unrecovered += 1;
                self.stand(epoch, offset, tag, snapshot, truth)?;
            }
            (Some(held), Some(true)) => {
                self.counts.recovered += 1;
                if held.epoch != epoch {
                    return Err(format!("recovered: true over another epoch than {}", held.epoch));
                }
                if offset < held.offset {
                    return Err(format!(
                        "recovered: true back from offset {} to {offset}",
                        held.offset
                    ));
                }
                if offset == held.offset && held.tag.as_deref().is_some_and(|held| held != tag) {
                    return Err(format!("recovered: true at offset {offset} with another tag"));
                }
                self.skipped = 0;
                self.missing = 0;
                self.leads_to = Some((offset, tag.to_owned()));
                if offset == held.offset {
                    self.arrived(offset, tag)?;
                }
            }
            (held, recovered) => {
                return Err(format!("recovered: {recovered:?} for the position {held:?}"));
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        offset: u64,
        tag: &str,
        data: &Value,
        skipped: u64,
        truth: &mut Truth,
    ) -> Result<(), String> {
        let Some(held) = &mut self.position else {
            return Err(format!("offset {offset} before any position"));
        };
        self.counts.entries += 1;
        if offset <= held.offset {
            return Err(format!(
                "offset {offset} again or out of order after {}",
                held.offset
            ));
        }
        if skipped > 0 && !self.coalesces {
            return Err(format!(
                "{skipped} skipped before offset {offset}, on a topic that skips none"
            ));
        }
        self.skipped += skipped;
        self.counts.skipped += skipped;
        let missing = offset - held.offset - 1;
        self.missing += missing;
        if self.missing > self.skipped {
            return Err(format!(
                "offset {offset} after {}: {} missing without a word",
                held.offset,
                self.missing - self.skipped
            ));
        }
        self.exact &= skipped == 0;
        if self.over {
            return Err(format!("offset {offset} after the terminal entry"));
        }
        let place = Place {
            topic: self.topic.clone(),
            epoch: held.epoch.clone(),
            offset,
            tag: tag.to_owned(),
        };
        let previous = held.tag.replace(tag.to_owned()).filter(|_| missing == 0);
        held.offset = offset;
        self.cursor = Some(held.clone());
        truth.carries(&place, data, &self.who)?;
        if let Some(previous) = previous {
            truth.follows(&place, &previous, &self.who)?;
        }
        if let Some(map) = &mut self.map {
            apply(data, map);
            if self.exact {
                truth.maps(&place, map, &self.who)?;
            }
        }
        if let Some(steps) = &mut self.steps {
            steps.next(data)?;
        }
        if is_over(data) {
            self.over = true;
        } else if data.get("number").is_some() && !self.seen.insert(data.to_string()) {
            return Err(format!("{data} a second time, as offset {offset}"));
        }
        self.arrived(offset, tag)
    }

    /// What was recovered must lead to the position that was promised.
    fn arrived(&mut self, offset: u64, tag: &str) -> Result<(), String> {
        match &self.leads_to {
            Some((to, promised)) if *to == offset => {
                let same = promised == tag;
                let text = format!("recovered: true led to tag {tag} at offset {offset}, not {promised}");
                self.leads_to = None;
                if same { Ok(()) } else { Err(text) }
            }
            _ => Ok(()),
        }
    }

    fn lagged(&mut self, from: u64, to: u64) -> Result<(), String> {
        let Some(held) = &mut self.position else {
            return Err("lagged before any position".to_owned());
        };
        if self.map.is_some() {
            return Err(format!(
                "lagged {from} to {to} on a state topic, whose map says nothing of it"
            ));
        }
        // What was left out before it is told with the next publication.
        let begins_right = from == held.offset + 1 || (self.coalesces && from > held.offset);
        if !begins_right || to < from {
            return Err(format!("lagged {from} to {to} after offset {}", held.offset));
        }
        self.missing += from - held.offset - 1;
        if self.leads_to.as_ref().is_some_and(|(offset, _)| *offset >= from) {
            return Err(format!("recovered: true, and then lagged {from} to {to}"));
        }
        self.counts.lagged += 1;
        self.counts.lagged_offsets += to - from + 1;
        held.offset = to;
        held.tag = None;
        Ok(())
    }

    fn reset(&mut self, epoch: &str, reason: &str) -> Result<(), String> {
        let Some(held) = &self.position else {
            return Err("reset before any position".to_owned());
        };
        if (reason == "epoch") != (held.epoch != epoch) {
            return Err(format!(
                "reset for {reason:?} from epoch {} to {epoch}",
                held.epoch
            ));
        }
        self.counts.resets += 1;
        Ok(())
    }

    /// A new beginning.
    fn stand(
        &mut self,
        epoch: &str,
        offset: u64,
        tag: &str,
        snapshot: &Value,
        truth: &mut Truth,
    ) -> Result<(), String> {
        self.position = Some(Position {
            epoch: epoch.to_owned(),
            offset,
            tag: Some(tag.to_owned()),
        });
        self.cursor.clone_from(&self.position);
        self.leads_to = None;
        self.seen.clear();
        self.skipped = 0;
        self.missing = 0;
        self.exact = true;
        self.over = is_over(snapshot);
        if let Some(steps) = &mut self.steps {
            steps.begin(snapshot);
        }
        if let Some(map) = &mut self.map {
            let Some(snapshot) = snapshot.as_object() else {
                return Err(format!("no map at offset {offset}, but {snapshot}"));
            };
            map.clone_from(snapshot);
            let place = Place {
                topic: self.topic.clone(),
                epoch: epoch.to_owned(),
                offset,
                tag: tag.to_owned(),
            };
            truth.maps(&place, map, &self.who)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "audit/tests.rs"]
mod tests;
