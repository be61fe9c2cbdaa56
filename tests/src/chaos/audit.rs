//! The auditor of one subscriber's view of one topic. Pure: what it was told goes in, in order; what is
//! wrong with it comes out.

use std::collections::HashSet;

use serde_json::Value;

use super::truth::{Place, Truth};

/// What a subscriber was told about a topic.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// `subscribed`. `recovered` is there if a position was sent.
    Subscribed {
        epoch: String,
        offset: u64,
        tag: String,
        recovered: Option<bool>,
        over: bool,
    },
    /// `message` or `job`.
    Entry {
        offset: u64,
        tag: String,
        data: Value,
    },
    Lagged {
        from: u64,
        to: u64,
    },
    Reset {
        epoch: String,
        offset: u64,
        tag: String,
        reason: String,
        over: bool,
    },
}

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
    pub counts: Counts,
}

#[derive(Debug, Default, Clone)]
pub struct Counts {
    pub entries: u64,
    pub recovered: u64,
    pub unrecovered: u64,
    pub lagged: u64,
    pub lagged_offsets: u64,
    pub resets: u64,
}

/// The snapshot or the record of a job that has ended.
pub fn is_over(job: &Value) -> bool {
    matches!(job["state"].as_str(), Some("succeeded" | "failed" | "cancelled"))
}

impl Audit {
    pub fn new(who: &str, topic: &str) -> Self {
        Self {
            who: who.to_owned(),
            topic: topic.to_owned(),
            position: None,
            leads_to: None,
            seen: HashSet::new(),
            over: false,
            counts: Counts::default(),
        }
    }

    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The job's topic is known to be lost: whatever there will be, is new.
    pub fn forget(&mut self) {
        self.position = None;
        self.begin_anew(false);
    }

    pub fn hear(&mut self, told: &Told, truth: &mut Truth) -> Result<(), String> {
        match told {
            Told::Subscribed {
                epoch,
                offset,
                tag,
                recovered,
                over,
            } => self.subscribed(epoch, *offset, tag, *recovered, *over),
            Told::Entry { offset, tag, data } => self.entry(*offset, tag, data, truth),
            Told::Lagged { from, to } => self.lagged(*from, *to),
            Told::Reset {
                epoch,
                offset,
                tag,
                reason,
                over,
            } => self.reset(epoch, *offset, tag, reason, *over),
        }
    }

    fn subscribed(
        &mut self,
        epoch: &str,
        offset: u64,
        tag: &str,
        recovered: Option<bool>,
        over: bool,
    ) -> Result<(), String> {
        match (&self.position, recovered) {
            (None, None) => self.stand(epoch, offset, tag, over),
            (Some(_), Some(false)) => {
                self.counts.unrecovered += 1;
                self.stand(epoch, offset, tag, over);
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

    fn entry(&mut self, offset: u64, tag: &str, data: &Value, truth: &mut Truth) -> Result<(), String> {
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
        if offset != held.offset + 1 {
            return Err(format!(
                "offset {offset} after {}: {} missing without a word",
                held.offset,
                offset - held.offset - 1
            ));
        }
        if self.over {
            return Err(format!("offset {offset} after the terminal entry"));
        }
        let place = Place {
            topic: self.topic.clone(),
            epoch: held.epoch.clone(),
            offset,
            tag: tag.to_owned(),
        };
        let previous = held.tag.replace(tag.to_owned());
        held.offset = offset;
        truth.carries(&place, data, &self.who)?;
        if let Some(previous) = previous {
            truth.follows(&place, &previous, &self.who)?;
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
        if from != held.offset + 1 || to < from {
            return Err(format!("lagged {from} to {to} after offset {}", held.offset));
        }
        if self.leads_to.as_ref().is_some_and(|(offset, _)| *offset >= from) {
            return Err(format!("recovered: true, and then lagged {from} to {to}"));
        }
        self.counts.lagged += 1;
        self.counts.lagged_offsets += to - from + 1;
        held.offset = to;
        held.tag = None;
        Ok(())
    }

    fn reset(&mut self, epoch: &str, offset: u64, tag: &str, reason: &str, over: bool) -> Result<(), String> {
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
        self.stand(epoch, offset, tag, over);
        Ok(())
    }

    fn stand(&mut self, epoch: &str, offset: u64, tag: &str, over: bool) {
        self.position = Some(Position {
            epoch: epoch.to_owned(),
            offset,
            tag: Some(tag.to_owned()),
        });
        self.begin_anew(over);
    }

    fn begin_anew(&mut self, over: bool) {
        self.leads_to = None;
        self.seen.clear();
        self.over = over;
    }
}

#[cfg(test)]
#[path = "audit/tests.rs"]
mod tests;
