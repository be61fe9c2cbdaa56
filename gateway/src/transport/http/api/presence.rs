//! `POST /api/presence`.

use serde::{Deserialize, Serialize};
use tidegate_shared::presence::{ENTRY_LIMIT, Member};
use tidegate_shared::topic::Topic;

use super::Api;
use crate::connection::present;
use crate::session::check_presence;
use crate::transport::http::Problem;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Presence {
    topic: Topic,
    /// Most members to be listed. Absent: all.
    #[serde(default)]
    limit: Option<usize>,
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
        let Self {
            topic,
            limit,
            count_only,
        } = self;
        check_presence(api.gate.config(), &topic)
            .map_err(|failure| Problem::new(failure.code, failure.message))?;
        let limit = if count_only {
            0
        } else {
            limit.unwrap_or(ENTRY_LIMIT)
        };
        let roll = present(api.gate.node(), &topic, limit, usize::MAX).await?;
        Ok(Present {
            topic,
            count: roll.count,
            members: (!count_only).then(|| roll.told().to_vec()),
        })
    }
}
