//! Replies and pushes as JSON. Field order and presence are fixed.

use tidegate_shared::job::JobState;
use tidegate_shared::json::RawJson;
use tidegate_shared::position::Position;
use tidegate_shared::publication::{Body, Publication, Snapshot};

use crate::dialect::json::{Object, string};
use crate::dialect::{Failure, Push, Reply, RequestId, Roll};

pub(super) fn reply(id: Option<&RequestId>, reply: &Reply, out: &mut Vec<u8>) {
    let kind = match reply {
        Reply::Announced(inner) => return self::reply(None, inner, out),
        Reply::Subscribed { .. } => "subscribed",
        Reply::Unsubscribed { .. } => "unsubscribed",
        Reply::Published { .. } => "published",
        Reply::Presence { .. } => "presence",
        Reply::History { .. } => "history",
        Reply::Submitted { .. } => "submitted",
        Reply::Authenticated { .. } => "authenticated",
        Reply::Cancel { job } if job.state == JobState::Cancelled => "cancelled",
        Reply::Cancel { .. } => "cancelling",
        Reply::Result { .. } => "result",
        Reply::Chosen => "chosen",
        Reply::Pong => "pong",
        Reply::Failed(_) => "error",
    };
    let mut object = Object::typed(out, kind);
    if let Some(id) = id {
        object.field("id").extend_from_slice(id.as_str().as_bytes());
    }
    match reply {
        Reply::Subscribed {
            topic,
            position,
            recovered,
            snapshot,
            roll,
        } => {
            object.text("topic", topic.as_str());
            write_position(&mut object, position.as_ref());
            if let Some(recovered) = recovered {
                object.boolean("recovered", *recovered);
            }
            write_snapshot(&mut object, snapshot.as_ref());
            if let Some(roll) = roll {
                write_roll(&mut object, roll);
            }
        }
        Reply::Unsubscribed { topic } => object.text("topic", topic.as_str()),
        Reply::Published { position } => write_position(&mut object, position.as_ref()),
        Reply::Presence { topic, roll } => {
            object.text("topic", topic.as_str());
            write_roll(&mut object, roll);
        }
        Reply::History {
            position,
            publications,
            complete,
        } => {
            write_position(&mut object, position.as_ref());
            let list = object.field("publications");
            list.push(b'[');
            for (index, one) in publications.iter().enumerate() {
                if index > 0 {
                    list.push(b',');
                }
                publication(one, 0, list);
            }
            list.push(b']');
            object.boolean("complete", *complete);
        }
        Reply::Submitted { job, topic, position } => {
            object.value("job", job);
            object.text("topic", topic.as_str());
            write_position(&mut object, Some(position));
        }
        Reply::Authenticated { user, expires_at } => {
            object.text("user", user.as_str());
            if let Some(expires_at) = expires_at {
                object.number("expires_at", milliseconds(*expires_at));
            }
        }
        Reply::Cancel { job } => object.value("job", job),
        Reply::Result { data } => object.raw("data", data),
        Reply::Chosen | Reply::Pong | Reply::Announced(_) => {}
        Reply::Failed(failure) => write_failure(&mut object, failure),
    }
    object.end();
}

pub(super) fn push(push: &Push<'_>, out: &mut Vec<u8>) {
    match push {
        Push::Welcome(welcome) => {
            let mut object = Object::typed(out, "welcome");
            object.text("session", &welcome.session.to_string());
            object.text("node", welcome.node.as_str());
            object.value("user", &welcome.user);
            object.number("ping_ms", milliseconds(welcome.ping));
            object.text("version", welcome.version);
            object.end();
        }
        Push::Lagged { topic, from, to } => {
            let mut object = Object::typed(out, "lagged");
            object.text("topic", topic.as_str());
            object.number("from", *from);
            object.number("to", *to);
            object.end();
        }
        Push::Reset {
            topic,
            position,
            snapshot,
            reason,
        } => {
            let mut object = Object::typed(out, "reset");
            object.text("topic", topic.as_str());
            write_position(&mut object, Some(position));
            write_snapshot(&mut object, *snapshot);
            object.text("reason", reason);
            object.end();
        }
        Push::GoAway(goodbye) => {
            let mut object = Object::typed(out, "goaway");
            object.text("reason", goodbye.reason);
            object.number("reconnect_after_ms", milliseconds(goodbye.reconnect_after));
            object.end();
        }
        Push::Failed { topic, failure } => {
            let mut object = Object::typed(out, "error");
            if let Some(topic) = topic {
                object.text("topic", topic.as_str());
            }
            write_failure(&mut object, failure);
            object.end();
        }
    }
}

/// `skipped`: how many before it the client did not get.
pub(super) fn publication(publication: &Publication, skipped: u64, out: &mut Vec<u8>) {
    let kind = match &publication.body {
        Body::Message { .. } => "message",
        Body::Set { .. } => "set",
        Body::Remove { .. } => "remove",
        Body::Job { .. } => "job",
        Body::Join { .. } => "join",
        Body::Leave { .. } => "leave",
    };
    let mut object = Object::typed(out, kind);
    object.text("topic", publication.topic.as_str());
    match &publication.body {
        Body::Message { data, event } => {
            object.raw("data", data);
            write_place(&mut object, publication);
            if let Some(event) = event {
                object.text("event", event.as_str());
            }
            object.number("time", publication.time_ms);
        }
        Body::Set { key, value } => {
            object.text("key", key.as_str());
            object.raw("value", value);
            write_place(&mut object, publication);
        }
        Body::Remove { key, expired } => {
            object.text("key", key.as_str());
            write_place(&mut object, publication);
            if *expired {
                object.boolean("expired", true);
            }
        }
        Body::Job { record } => {
            write_place(&mut object, publication);
            object.raw("job", record);
        }
        Body::Join { member } | Body::Leave { member } => {
            // Nothing in it can fail to be written.
            let member = RawJson::of(member).unwrap_or_else(|_| RawJson::null());
            object.raw("member", &member);
        }
    }
    if skipped > 0 {
        object.number("skipped", skipped);
    }
    object.end();
}

fn write_place(object: &mut Object<'_>, publication: &Publication) {
    if let Some(place) = &publication.place {
        object.number("offset", place.position.offset);
        object.text("tag", place.position.tag.as_str());
    }
}

fn write_position(object: &mut Object<'_>, position: Option<&Position>) {
    if let Some(position) = position {
        object.text("epoch", position.epoch.as_str());
        object.number("offset", position.offset);
        object.text("tag", position.tag.as_str());
    }
}

fn write_snapshot(object: &mut Object<'_>, snapshot: Option<&Snapshot>) {
    match snapshot {
        None => {}
        Some(Snapshot::Job(record)) => object.raw("snapshot", record),
        Some(Snapshot::State(map)) => {
            let mut state = Object::begin(object.field("snapshot"));
            for (key, value) in map {
                state
                    .foreign_field(key.as_str())
                    .extend_from_slice(value.as_bytes());
            }
            state.end();
        }
    }
}

fn write_roll(object: &mut Object<'_>, roll: &Roll) {
    object.number("count", roll.count as u64);
    object.value("members", &roll.told());
}

fn write_failure(object: &mut Object<'_>, failure: &Failure) {
    object.number("code", failure.code.number().into());
    string(&failure.message, object.field("message"));
    object.boolean("temporary", failure.code.is_temporary());
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
