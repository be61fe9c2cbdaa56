//! A subscriber that checks what it is handed against everything that was ever published.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use serde_json::Value;
use tidegate_shared::name::SessionId;
use tidegate_shared::position::{Epoch, Position, Since, Tag};
use tidegate_shared::publication::Place;

use tidegate_shared::topic::Topic;
use tokio::task::JoinHandle;

use crate::dialect::Format;
use crate::hub::Hub;
use crate::outbox::{Outbox, Taken};

pub(super) struct Auditor {
    pub(super) outbox: Arc<Outbox>,
    /// What it came with.
    since: Option<Since>,
    /// Where it has come to. Without a tag where it was told that it missed something.
    pub(super) at: Option<(Epoch, u64, Option<Tag>)>,
    pub(super) told: Vec<&'static str>,
    /// It reads only now and then, and has little room.
    pub(super) is_slow: bool,
    catching_up: Option<JoinHandle<()>>,
}

impl Auditor {
    pub(super) fn new(since: Option<Since>, is_slow: bool) -> Self {
        // Room for a few publications; a quarter of it and the client falls behind.
        let limit = if is_slow { 3_000 } else { 1 << 24 };
        Self {
            is_slow,
            catching_up: None,
            outbox: Arc::new(Outbox::new(SessionId::new(), Format::NATIVE, limit)),
            since,
            at: None,
            told: Vec::new(),
        }
    }

    pub(super) fn position(&self) -> Option<Since> {
        self.at.map(|(epoch, offset, tag)| Since { epoch, offset, tag })
    }

    /// Reads what has come so far, and has the log read where it is behind.
    pub(super) fn read(&mut self, all: &HashMap<Tag, Place>, hub: &Hub, topic: &Topic) {
        if self.catching_up.take_if(|one| one.is_finished()).is_some() {
            self.outbox.refilled();
        }
        let cx = Context::from_waker(Waker::noop());
        loop {
            match self.outbox.poll_take(&cx) {
                Poll::Pending => return,
                Poll::Ready(Taken::Frames(frames)) => {
                    for message in messages(&frames.into_bytes()) {
                        self.hear(&message, all);
                    }
                }
                Poll::Ready(Taken::Behind(behind, at)) => {
                    assert_eq!(&behind, topic);
                    let (hub, outbox) = (hub.clone(), self.outbox.clone());
                    self.catching_up = Some(tokio::spawn(async move {
                        // If the log cannot be read it is tried again.
                        let _ = hub.catch_up(&outbox, &behind, at).await;
                    }));
                }
                Poll::Ready(Taken::End(ending)) => panic!("it was cut off: {ending:?}"),
            }
        }
    }

    /// Before it leaves.
    pub(super) fn stop(&mut self) {
        if let Some(catching_up) = self.catching_up.take() {
            catching_up.abort();
            self.outbox.refilled();
        }
    }

    fn hear(&mut self, message: &Value, all: &HashMap<Tag, Place>) {
        let text = |field: &str| message[field].as_str().expect("a text").to_owned();
        let number = |field: &str| message[field].as_u64().expect("a number");
        let position = || Position {
            epoch: Epoch::from_wire(&text("epoch")),
            offset: number("offset"),
            tag: Tag::from_wire(&text("tag")),
        };
        match message["type"].as_str().expect("a type") {
            "subscribed" => {
                assert!(self.at.is_none(), "subscribed twice");
                let position = position();
                self.at = Some(match (message["recovered"].as_bool(), self.since) {
                    (Some(true), Some(since)) => {
                        assert_eq!(since.epoch, position.epoch, "recovered over epochs");
                        (since.epoch, since.offset, since.tag)
                    }
                    (Some(true), None) => panic!("recovered from nothing"),
                    _ => (position.epoch, position.offset, Some(position.tag)),
                });
            }
            "message" => {
                let (epoch, offset, tag) = self.at.expect("subscribed first");
                let place = all[&Tag::from_wire(&text("tag"))];
                assert_eq!(place.position.offset, number("offset"));
                assert_eq!(place.position.epoch, epoch, "another epoch without being told");
                assert_eq!(place.position.offset, offset + 1, "a hole, or twice the same");
                if let Some(tag) = tag {
                    assert_eq!(place.previous, tag, "another history without being told");
                }
                self.at = Some((epoch, place.position.offset, Some(place.position.tag)));
            }
            "lagged" => {
                let (epoch, offset, _) = self.at.expect("subscribed first");
                assert_eq!(number("from"), offset + 1);
                assert!(number("to") > offset);
                self.at = Some((epoch, number("to"), None));
                self.told.push("lagged");
            }
            "reset" => {
                let position = position();
                self.at = Some((position.epoch, position.offset, Some(position.tag)));
                self.told.push("reset");
            }
            other => panic!("{other}: {message}"),
        }
    }
}

/// The texts in a row of unmasked frames.
fn messages(frames: &Bytes) -> Vec<Value> {
    let mut rest = &frames[..];
    let mut messages = Vec::new();
    while let [0x81, length, tail @ ..] = rest {
        let (length, tail) = match length {
            126 => (usize::from(u16::from_be_bytes([tail[0], tail[1]])), &tail[2..]),
            short => (usize::from(*short), tail),
        };
        messages.push(serde_json::from_slice(&tail[..length]).expect("JSON"));
        rest = &tail[length..];
    }
    assert!(rest.is_empty(), "whole frames");
    messages
}
