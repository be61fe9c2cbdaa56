//! The native dialect as a client speaks it: commands out, replies and pushes in.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a client may send, with the number that its reply repeats.
#[derive(Debug, Serialize)]
pub(crate) struct Command<'a> {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) action: Action<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum Action<'a> {
    Subscribe {
        topic: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<&'a Position>,
    },
    Publish {
        topic: &'a str,
        data: &'a RawValue,
        key: &'a str,
    },
    Submit {
        job: &'a Job,
        follow: bool,
    },
    Cancel {
        job: &'a str,
    },
    Ping,
}

impl Command<'_> {
    pub(crate) fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// A job to be submitted.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Job {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) data: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queue: Option<String>,
    pub(crate) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<u8>,
}

/// A place in a topic's history, as the gateway gave it. Without a tag if it is the end of a hole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Position {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
}

/// Any frame from the gateway: all fields of all types, so that a new field breaks nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Frame {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Of our commands: always a number.
    pub(crate) id: Option<u64>,
    pub(crate) topic: Option<String>,
    pub(crate) epoch: Option<String>,
    pub(crate) offset: Option<u64>,
    pub(crate) tag: Option<String>,
    pub(crate) recovered: Option<bool>,
    pub(crate) snapshot: Option<Box<RawValue>>,
    pub(crate) data: Option<Box<RawValue>>,
    pub(crate) event: Option<String>,
    pub(crate) job: Option<Box<RawValue>>,
    pub(crate) from: Option<u64>,
    pub(crate) to: Option<u64>,
    pub(crate) reason: Option<String>,
    pub(crate) reconnect_after_ms: Option<u64>,
    pub(crate) code: Option<u16>,
    pub(crate) message: Option<String>,
    pub(crate) temporary: Option<bool>,
    pub(crate) node: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) ping_ms: Option<u64>,
    /// The frame as it came, on one line.
    #[serde(skip)]
    pub(crate) line: String,
}

impl Frame {
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let mut frame: Self = serde_json::from_str(text)?;
        // Inside JSON texts these are escaped, so what is left is white space between tokens.
        frame.line = text.replace(['\n', '\r'], "");
        Ok(frame)
    }

    /// The position that the frame names. Absent on topics without a log.
    pub(crate) fn position(&self) -> Option<Position> {
        Some(Position {
            epoch: self.epoch.clone()?,
            offset: self.offset?,
            tag: self.tag.clone(),
        })
    }

    pub(crate) fn refusal(&self) -> Refusal {
        Refusal {
            code: self.code.unwrap_or(0),
            message: self
                .message
                .clone()
                .unwrap_or_else(|| "the gateway gave no reason".to_owned()),
            temporary: self.temporary.unwrap_or(false),
        }
    }
}

/// An `error` frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) message: String,
    pub(crate) temporary: bool,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (error {})", self.message, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_the_shape_of_the_dialect() {
        let position = Position {
            epoch: "e".into(),
            offset: 7,
            tag: None,
        };
        let subscribe = Command {
            id: 3,
            action: Action::Subscribe {
                topic: "a:b",
                since: Some(&position),
            },
        };
        assert_eq!(
            subscribe.text().expect("plain data"),
            r#"{"id":3,"action":"subscribe","topic":"a:b","since":{"epoch":"e","offset":7}}"#
        );
        let data = RawValue::from_string("1.50".into()).expect("a number");
        let publish = Command {
            id: 4,
            action: Action::Publish {
                topic: "a",
                data: &data,
                key: "k",
            },
        };
        assert_eq!(
            publish.text().expect("plain data"),
            r#"{"id":4,"action":"publish","topic":"a","data":1.50,"key":"k"}"#
        );
        let job = Job {
            kind: "backup".into(),
            data,
            queue: None,
            key: "k".into(),
            priority: Some(9),
        };
        let submit = Command {
            id: 5,
            action: Action::Submit {
                job: &job,
                follow: true,
            },
        };
        assert_eq!(
            submit.text().expect("plain data"),
            r#"{"id":5,"action":"submit","job":{"type":"backup","data":1.50,"key":"k","priority":9},"follow":true}"#
        );
    }

    #[test]
    fn a_frame_becomes_one_line_and_keeps_its_spelling() {
        let frame =
            Frame::parse("{\"type\":\"message\",\"topic\":\"t\",\"data\":{\n\"a\":1.50}}").expect("valid");
        assert_eq!(frame.line, r#"{"type":"message","topic":"t","data":{"a":1.50}}"#);
        assert_eq!(frame.data.expect("data").get(), "{\n\"a\":1.50}");
    }
}
