//! `POST /api/presence`.

use serde::{Deserialize, Serialize};
use tidegate_shared::presence::Member;
use tidegate_shared::topic::Topic;

use super::Api;
use crate::session::check_presence;
use crate::transport::http::Problem;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Presence {
    topic: Topic,
    /// Without the list.
    #[serde(default)]
    count_only: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Present {
    topic: Topic,
    count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Member>>,
}

impl Presence {
    pub(super) async fn run(self, api: &Api) -> Result<Present, Problem> {
        let Self { topic, count_only } = self;
        check_presence(api.gate.config(), &topic)
            .map_err(|failure| Problem::new(failure.code, failure.message))?;
        let presence = &api.backend.presence;
        let (count, members) = if count_only {
            (presence.count(&topic).await?, None)
        } else {
            let members = presence.members(&topic).await?;
            (members.len(), Some(members))
        };
        Ok(Present {
            topic,
            count,
            members,
        })
    }
}
