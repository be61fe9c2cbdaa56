//! `POST /api/set` and `POST /api/remove`: the keys of a state topic.

use std::time::Duration;

use serde::Deserialize;
use tidegate_shared::broker::Draft;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::StateKey;
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;

use super::Api;
use super::publish::{Published, publish};
use crate::transport::http::Problem;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Set {
    topic: Topic,
    key: StateKey,
    value: RawJson,
    #[serde(default)]
    ttl_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Remove {
    topic: Topic,
    key: StateKey,
}

impl Set {
    pub(super) async fn run(self, api: &Api) -> Result<Published, Problem> {
        let mut draft = Draft::new(Body::Set {
            key: self.key,
            value: self.value,
        });
        draft.ttl = self.ttl_ms.map(Duration::from_millis);
        publish(api, self.topic, draft).await
    }
}

impl Remove {
    /// Of a key that is not there: nothing is published, and the answer is the topic's top.
    pub(super) async fn run(self, api: &Api) -> Result<Published, Problem> {
        let draft = Draft::new(Body::Remove {
            key: self.key,
            expired: false,
        });
        publish(api, self.topic, draft).await
    }
}
