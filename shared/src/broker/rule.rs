//! What may be published where. The same for every backend, so it is decided here.

use crate::broker::{BrokerError, Draft};
use crate::namespace::{Namespace, TopicKind};
use crate::publication::Body;
use crate::topic::{Reserved, Topic};

/// Checks everything about a draft that can be told without looking at the topic's data.
pub(crate) fn check(topic: &Topic, namespace: &Namespace, draft: &Draft) -> Result<(), BrokerError> {
    let forbidden = |why: String| Err(BrokerError::Forbidden(why));
    if matches!(topic.namespace(), "job" | "jobs") {
        return forbidden(format!("topic {topic} is written by the job queue only"));
    }
    if topic.reserved() == Some(Reserved::Nothing) {
        return Err(BrokerError::UnknownTopic(topic.clone()));
    }
    let (size, changes_map) = match &draft.body {
        Body::Message { data, .. } => (data.size(), false),
        Body::Set { value, .. } => (value.size(), true),
        Body::Remove { expired: false, .. } => (0, true),
        Body::Remove { expired: true, .. } | Body::Job { .. } | Body::Join { .. } | Body::Leave { .. } => {
            return forbidden("only messages can be published, and keys set and removed".to_owned());
        }
    };
    if changes_map && namespace.kind != TopicKind::State {
        return forbidden(format!(
            "topic {topic} has no keys: only topics of the kind \"state\" do"
        ));
    }
    let limit = namespace.max_data;
    if size > limit {
        return Err(BrokerError::TooLarge { size, limit });
    }
    Ok(())
}

/// A new key does not fit.
pub(crate) fn too_many_keys(topic: &Topic, namespace: &Namespace) -> BrokerError {
    BrokerError::Limit(format!(
        "topic {topic} holds {} keys, as many as it may (max_keys): remove one first",
        namespace.max_keys
    ))
}

/// A value does not fit.
pub(crate) fn too_many_bytes(topic: &Topic, namespace: &Namespace) -> BrokerError {
    BrokerError::Limit(format!(
        "the keys and values of topic {topic} would have more than {} bytes together (max_bytes): \
         remove some first",
        namespace.max_bytes
    ))
}

/// Nobody more may enter.
pub(crate) fn too_many_entries(topic: &Topic, limit: usize) -> BrokerError {
    BrokerError::Limit(format!(
        "topic {topic} has {limit} sessions present, as many as it may"
    ))
}

/// A message to all nodes is too long.
pub(crate) fn too_long(size: usize, limit: usize) -> BrokerError {
    BrokerError::Limit(format!(
        "a message to all nodes has {size} bytes, at most {limit} are allowed"
    ))
}

/// No node more can be listed.
pub(crate) fn too_many_nodes(limit: usize) -> BrokerError {
    BrokerError::Limit(format!("{limit} nodes are listed, as many as may be"))
}
