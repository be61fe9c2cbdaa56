//! Events for everybody, and nothing to say to the server: `{"event":…,"data":…}`, with these two keys in
//! this order. The ARK control plane speaks it.
//!
//! What happens to jobs of the queue `{app}` becomes `job:…` by itself. Everything else is published to
//! `{app}:events`, lines of logs to `{app}:log`, with the name of the event. Messages stay below what a client with one small buffer
//! takes, where that can be helped.

mod message;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use tidegate_shared::feed;
use tidegate_shared::job::JobRecord;
use tidegate_shared::json::RawJson;
use tidegate_shared::publication::{Body, Publication};
use tidegate_shared::topic::Topic;

use super::json::Object;
use super::{DecodeError, Decoded, Dialect, Push, Reply, Request, RequestId, Speaker};

/// What is published by name. The names of jobs' events are not among them: they come of jobs alone.
const EVENTS: [&str; 9] = [
    "instance:created",
    "instance:updated",
    "instance:status_changed",
    "instance:deleted",
    "instance:log",
    "agent:registered",
    "agent:heartbeat",
    "agent:offline",
    "system:error",
];

#[derive(Debug)]
pub struct Feed;

impl Dialect for Feed {
    fn name(&self) -> &'static str {
        "feed"
    }

    fn app(&self) -> &'static str {
        "ark"
    }

    /// Some of its clients take every frame for a whole, plain message.
    fn may_compress(&self) -> bool {
        false
    }

    fn on_connect(&self, speaker: &Speaker<'_>) -> Vec<Request> {
        let app = &speaker.entrance.app;
        let topics = [
            format!("jobs:{app}"),
            format!("{app}:events"),
            format!("{app}:log"),
        ];
        topics
            .iter()
            .filter_map(|topic| Topic::parse(topic).ok())
            .map(Request::follow)
            .collect()
    }

    fn decode(&self, _: &Bytes, _: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        Ok(Decoded::Ignored)
    }

    fn decode_binary(&self, _: &Bytes, _: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        Ok(Decoded::Ignored)
    }

    fn encode_reply(&self, _: Option<&RequestId>, _: &Reply, _: &mut Vec<u8>) {}

    fn encode_push(&self, _: &Push<'_>, _: &mut Vec<u8>) {}

    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) {
        match &publication.body {
            // The same news comes over the topic of the job itself where its user follows it.
            Body::Job { record } if publication.topic.namespace() == "jobs" => {
                if let Some(job) = JobRecord::from_json(record) {
                    let event = feed::of_job(&job, publication.time_ms);
                    write(event.name, &event.data, out);
                }
            }
            Body::Message {
                data,
                event: Some(event),
            } if EVENTS.contains(&event.as_str()) => message::event(event.as_str(), data, out),
            _ => {}
        }
    }
}

fn write(event: &str, data: &RawJson, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("event", event);
    object.raw("data", data);
    object.end();
}
