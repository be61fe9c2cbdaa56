//! Subscriptions to an application's events, and the progress of tasks to whoever started them. The
//! Bedrock Server Manager speaks it.
//!
//! A client's topic `T` is the topic `{app}:T`; any name is answered as one that exists. Who asks for `*`
//! follows all the events there are: one by one, so that each comes once to who asks for both. What else is
//! published to `{app}:*` carries the topic it is about as the name of the event. The jobs of a user are its
//! tasks: the session follows them by itself, and tells that there is one and how it ended.

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
            Body::Message { data, event } => encode::event(&publication.topic, event.as_ref(), data, out),
            _ => {}
        }
    }
}
