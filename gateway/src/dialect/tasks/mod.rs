//! Subscriptions to an application's events, and the progress of tasks to whoever started them. The
//! Bedrock Server Manager speaks it.
//!
//! An application tells everything by one topic, `{app}:*`, where the name of the event is the client's topic that
//! it is about: so what happened first comes first, and what a client has not asked for is left out on its node. What
//! others publish to `{app}:T` comes to who asks for `T`, and if it is one of the known events, for `*`. Any name
//! is answered as one that exists. The jobs of a user are its tasks: the session follows them by itself, and tells
//! that there is one and how it ended.

mod decode;
mod encode;
mod known;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use tidegate_shared::publication::{Body, Publication, Snapshot};

use super::{DecodeError, Decoded, Dialect, Push, Refusal, Reply, RequestId, Speaker};

/// For a client to say who it is by its first message.
const INTRODUCTION: Duration = Duration::from_secs(5);
/// Where its clients keep their token in a browser.
const COOKIE: &str = "access_token_cookie";

#[derive(Debug)]
pub struct Tasks;

impl Dialect for Tasks {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn app(&self) -> &'static str {
        "bedrock"
    }

    /// Its clients renew their token when they see 403, and give up for anything else.
    fn refusal(&self) -> Refusal {
        Refusal::Forbidden
    }

    fn introduction(&self) -> Option<Duration> {
        Some(INTRODUCTION)
    }

    fn cookie(&self) -> Option<&'static str> {
        Some(COOKIE)
    }

    fn hands_out_tokens(&self) -> bool {
        true
    }

    fn decode(&self, message: &Bytes, speaker: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        Ok(decode::message(message, speaker))
    }

    /// JSON as well.
    fn decode_binary(&self, message: &Bytes, speaker: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        self.decode(message, speaker)
    }

    fn encode_reply(&self, id: Option<&RequestId>, reply: &Reply, out: &mut Vec<u8>) {
        match (id, reply) {
            (Some(id), reply) => encode::answer(id, reply, out),
            (None, Reply::Announced(inner)) => {
                if let Reply::Subscribed {
                    snapshot: Some(Snapshot::Job(record)),
                    ..
                } = &**inner
                {
                    encode::task(record, out);
                }
            }
            (None, _) => {}
        }
    }

    fn encode_push(&self, push: &Push<'_>, out: &mut Vec<u8>) {
        // A task that was lost sight of is found again as it is now.
        if let Push::Reset {
            snapshot: Some(Snapshot::Job(record)),
            ..
        } = push
        {
            encode::task(record, out);
        }
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) {
        match &publication.body {
            Body::Job { record } if publication.topic.namespace() == "job" => encode::turn(record, out),
            Body::Message { data, event } => {
                if let Some(about) = encode::about(&publication.topic, event.as_ref()) {
                    encode::event(about, data, out);
                }
            }
            _ => {}
        }
    }

    fn chooses(&self) -> bool {
        true
    }

    fn choice<'a>(&self, publication: &'a Publication) -> Option<&'a str> {
        let Body::Message { event, .. } = &publication.body else {
            return None;
        };
        encode::about(&publication.topic, event.as_ref())
    }
}
