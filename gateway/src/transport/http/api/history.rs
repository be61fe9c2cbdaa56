//! `POST /api/history`.

use serde::{Deserialize, Serialize};
use tidegate_shared::broker::From;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::json::RawJson;
use tidegate_shared::position::Position;
use tidegate_shared::topic::Topic;

use super::Api;
use crate::connection::history;
use crate::control::Place;
use crate::dialect::native::Native;
use crate::dialect::{Dialect, Reply};
use crate::session::history_limit;
use crate::transport::http::Problem;

/// Most bytes of publications in one answer; more stay to be asked for.
const BYTES: usize = 4 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    topic: Topic,
    #[serde(default)]
    since: Option<Place>,
    #[serde(default)]
    limit: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Page {
    topic: Topic,
    #[serde(flatten)]
    position: Option<Position>,
    /// Each as the native dialect writes it.
    publications: Vec<RawJson>,
    complete: bool,
}

impl History {
    pub(super) async fn run(self, api: &Api) -> Result<Page, Problem> {
        let from = match &self.since {
            Some(place) => From::After(place.into()),
            None => From::Newest,
        };
        let limit = history_limit(self.limit);
        let node = api.gate.node();
        match history(node, &self.topic, from, limit, BYTES).await {
            Reply::History {
                position,
                publications,
                complete,
            } => Ok(Page {
                topic: self.topic,
                position,
                publications: publications
                    .iter()
                    .map(|one| {
                        let mut out = Vec::new();
                        Native.encode_publication(one, &mut out);
                        RawJson::trusted(out.into())
                    })
                    .collect(),
                complete,
            }),
            Reply::Failed(failure) => Err(Problem::new(failure.code, failure.message)),
            _ => Err(Problem::new(ErrorCode::Internal, "the log gave no history")),
        }
    }
}
