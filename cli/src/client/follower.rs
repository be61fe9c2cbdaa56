//! What a client that follows topics must remember, and what each frame means to it: a state machine
//! without sockets. It survives connections: whatever was seen is not given out again, and whatever is
//! missing is named.

use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;

use super::frame::{Action, Command, Frame, Job, Position, Refusal};

/// What the caller learns from a frame.
#[derive(Debug)]
pub(crate) enum Event {
    /// A topic is followed. `again`: after a lost connection, on a topic without a log, so that what was
    /// published in between is gone.
    Subscribed {
        topic: String,
        again: bool,
    },
    /// After a lost connection: nothing is missing, `count` entries are about to be made up for.
    Recovered {
        topic: String,
        count: u64,
    },
    /// These offsets will not come.
    Missed {
        topic: String,
        from: u64,
        to: u64,
    },
    /// What was seen before does not lead to what follows.
    Reset {
        topic: String,
        reason: String,
    },
    Entry(Entry),
    /// The job was accepted.
    Submitted {
        record: Box<RawValue>,
        line: String,
    },
    /// A subscription, or the job if there is no topic, was refused.
    Refused {
        topic: Option<String>,
        refusal: Refusal,
    },
    /// The node is about to close the connection.
    GoAway {
        reason: String,
        after_ms: u64,
    },
}

/// One publication of a followed topic.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) topic: String,
    /// Absent on topics without a log.
    pub(crate) offset: Option<u64>,
    pub(crate) body: Body,
    /// The push, as JSON on one line.
    pub(crate) line: String,
}

#[derive(Debug)]
pub(crate) enum Body {
    Message {
        data: Box<RawValue>,
        event: Option<String>,
    },
    Job(Box<RawValue>),
    /// Something that this version does not know.
    Other,
}

#[derive(Debug, Default)]
struct Followed {
    /// After the last entry that was given out; absent before the first subscription and on topics
    /// without a log.
    position: Option<Position>,
    /// Subscribed at least once.
    seen: bool,
}

#[derive(Debug)]
enum Asked {
    Topic(String),
    Job,
}

#[derive(Debug, Default)]
pub(crate) struct Follower {
    topics: BTreeMap<String, Followed>,
    /// Not yet accepted. It has an idempotency key, so sending it again is safe.
    job: Option<Job>,
    /// Commands of this connection that are not answered.
    asked: HashMap<u64, Asked>,
    next_id: u64,
}

impl Follower {
    pub(crate) fn topics(topics: impl IntoIterator<Item = String>) -> Self {
        Self {
            topics: topics
                .into_iter()
                .map(|topic| (topic, Followed::default()))
                .collect(),
            ..Self::default()
        }
    }

    /// Submits a job, then follows it.
    pub(crate) fn job(job: Job) -> Self {
        Self {
            job: Some(job),
            ..Self::default()
        }
    }

    /// A connection is open: what to send on it.
    pub(crate) fn on_connected(&mut self) -> Result<Vec<String>, serde_json::Error> {
        self.asked.clear();
        let mut commands = Vec::new();
        for (topic, followed) in &self.topics {
            self.next_id += 1;
            self.asked.insert(self.next_id, Asked::Topic(topic.clone()));
            let action = Action::Subscribe {
                topic,
                since: followed.position.as_ref(),
            };
            commands.push(
                Command {
                    id: self.next_id,
                    action,
                }
                .text()?,
            );
        }
        if let Some(job) = &self.job {
            self.next_id += 1;
            self.asked.insert(self.next_id, Asked::Job);
            let action = Action::Submit { job, follow: true };
            commands.push(
                Command {
                    id: self.next_id,
                    action,
                }
                .text()?,
            );
        }
        Ok(commands)
    }

    /// Nothing is followed or asked any more: all that was wanted has been refused.
    pub(crate) fn is_idle(&self) -> bool {
        self.topics.is_empty() && self.job.is_none()
    }

    pub(crate) fn on_frame(&mut self, frame: Frame) -> Vec<Event> {
        match frame.kind.as_str() {
            "subscribed" => self.subscribed(frame),
            "submitted" => self.submitted(frame),
            "message" | "job" | "set" | "remove" => self.entry(frame),
            "lagged" => self.lagged(frame),
            "reset" => self.reset(frame),
            "goaway" => vec![Event::GoAway {
                reason: frame.reason.unwrap_or_default(),
                after_ms: frame.reconnect_after_ms.unwrap_or(0),
            }],
            "error" => self.error(&frame),
            _ => Vec::new(),
        }
    }

    fn subscribed(&mut self, frame: Frame) -> Vec<Event> {
        if let Some(id) = frame.id {
            self.asked.remove(&id);
        }
        let now = frame.position();
        let Some(topic) = frame.topic else {
            return Vec::new();
        };
        if self.is_asked(&topic) {
            return Vec::new();
        }
        let Some(followed) = self.topics.get_mut(&topic) else {
            return Vec::new();
        };
        let before = followed.position.clone();
        let again = std::mem::replace(&mut followed.seen, true);
        if let (Some(true), Some(before), Some(now)) = (frame.recovered, &before, &now) {
            // The position stays where it is: the entries after it are yet to come.
            let count = now.offset.saturating_sub(before.offset);
            return vec![Event::Recovered { topic, count }];
        }
        followed.position.clone_from(&now);
        let mut events = Vec::new();
        match (before, &now) {
            (Some(before), Some(now)) if before.epoch == now.epoch && now.offset > before.offset => {
                events.push(Event::Missed {
                    topic: topic.clone(),
                    from: before.offset + 1,
                    to: now.offset,
                });
            }
            (Some(before), now) => {
                let same = now.as_ref().is_some_and(|now| now.epoch == before.epoch);
                events.push(Event::Reset {
                    topic: topic.clone(),
                    reason: if same { "fork" } else { "epoch" }.to_owned(),
                });
            }
            (None, now) => events.push(Event::Subscribed {
                topic: topic.clone(),
                again: again && now.is_none(),
            }),
        }
        if let Some(record) = frame.snapshot {
            events.extend(snapshot(topic, now.as_ref(), record));
        }
        events
    }

    /// The server subscribes users to their jobs by itself; what counts is the answer that is to come.
    fn is_asked(&self, topic: &str) -> bool {
        let mut asked = self.asked.values();
        asked.any(|asked| matches!(asked, Asked::Topic(one) if one == topic))
    }

    fn submitted(&mut self, frame: Frame) -> Vec<Event> {
        if let Some(id) = frame.id {
            self.asked.remove(&id);
        }
        self.job = None;
        let position = frame.position();
        let followed = Followed { position, seen: true };
        self.topics.extend(frame.topic.map(|topic| (topic, followed)));
        let Some(record) = frame.job else {
            return Vec::new();
        };
        vec![Event::Submitted {
            record,
            line: frame.line,
        }]
    }

    fn entry(&mut self, frame: Frame) -> Vec<Event> {
        let Some(topic) = frame.topic else {
            return Vec::new();
        };
        if self.is_asked(&topic) {
            return Vec::new();
        }
        let Some(followed) = self.topics.get_mut(&topic) else {
            return Vec::new();
        };
        let mut events = Vec::new();
        if let (Some(offset), Some(position)) = (frame.offset, &mut followed.position) {
            if offset <= position.offset {
                return Vec::new();
            }
            if offset > position.offset + 1 {
                events.push(Event::Missed {
                    topic: topic.clone(),
                    from: position.offset + 1,
                    to: offset - 1,
                });
            }
            position.offset = offset;
            position.tag = frame.tag;
        }
        let body = match (frame.kind.as_str(), frame.job) {
            ("message", _) => Body::Message {
                data: frame.data.unwrap_or_else(|| RawValue::NULL.to_owned()),
                event: frame.event,
            },
            ("job", Some(record)) => Body::Job(record),
            _ => Body::Other,
        };
        events.push(Event::Entry(Entry {
            topic,
            offset: frame.offset,
            body,
            line: frame.line,
        }));
        events
    }

    fn lagged(&mut self, frame: Frame) -> Vec<Event> {
        let (Some(topic), Some(from), Some(to)) = (frame.topic, frame.from, frame.to) else {
            return Vec::new();
        };
        let Some(followed) = self.topics.get_mut(&topic) else {
            return Vec::new();
        };
        if let Some(position) = &mut followed.position {
            if to <= position.offset {
                return Vec::new();
            }
            position.offset = to;
            position.tag = None;
        }
        vec![Event::Missed { topic, from, to }]
    }

    fn reset(&mut self, frame: Frame) -> Vec<Event> {
        let now = frame.position();
        let Some(topic) = frame.topic else {
            return Vec::new();
        };
        let Some(followed) = self.topics.get_mut(&topic) else {
            return Vec::new();
        };
        followed.position.clone_from(&now);
        let mut events = vec![Event::Reset {
            topic: topic.clone(),
            reason: frame.reason.unwrap_or_default(),
        }];
        if let Some(record) = frame.snapshot {
            events.extend(snapshot(topic, now.as_ref(), record));
        }
        events
    }

    fn error(&mut self, frame: &Frame) -> Vec<Event> {
        let refusal = frame.refusal();
        let topic = match frame.id.and_then(|id| self.asked.remove(&id)) {
            Some(Asked::Topic(topic)) => {
                if !refusal.temporary {
                    self.topics.remove(&topic);
                }
                Some(topic)
            }
            Some(Asked::Job) => {
                if !refusal.temporary {
                    self.job = None;
                }
                None
            }
            None => return Vec::new(),
        };
        vec![Event::Refused { topic, refusal }]
    }
}

/// A job's snapshot is its record, and so as good as its last entry.
fn snapshot(topic: String, position: Option<&Position>, record: Box<RawValue>) -> Option<Event> {
    if !topic.starts_with("job:") {
        return None;
    }
    let offset = position.map(|position| position.offset);
    let name = serde_json::to_string(&topic).ok()?;
    let number = offset.map_or_else(String::new, |offset| format!("\"offset\":{offset},"));
    let line = format!(
        "{{\"type\":\"job\",\"topic\":{name},{number}\"job\":{}}}",
        record.get().replace(['\n', '\r'], "")
    );
    Some(Event::Entry(Entry {
        topic,
        offset,
        body: Body::Job(record),
        line,
    }))
}

#[cfg(test)]
mod tests;
