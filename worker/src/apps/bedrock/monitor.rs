//! What servers use, every two seconds, to who follows `resource-monitor:SERVER`.
//!
//! Who follows one makes a call, which puts its name on a list for a minute; whether anybody still does is what
//! presence of that topic says. So names of servers that there are not are answered as well, and what nobody follows is
//! not looked at. One worker does it, whichever is first.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Bedrock;
use super::event::tell;
use super::figures::ProcessInfo;
use super::places::Places;
use super::process::Home;
use crate::worker::{Beat, WorkerBuilder};
use crate::{CallContext, CallFailure, StateKey, Topic, Topics};

pub(super) const PERIOD: Duration = Duration::from_secs(2);
/// A name stays on the list for so long, and is put there again while somebody follows it.
const LISTED: Duration = Duration::from_secs(60);
/// In beats.
const RENEWED: u64 = 10;
/// Most names that are looked at in a beat.
const LIMIT: usize = 1_000;
const LIST: &str = "bedrock-watched:all";

/// What is told of a server.
#[derive(Debug, Serialize)]
pub(super) struct Resources {
    status: &'static str,
    process_info: Option<ProcessInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Watched {
    server: String,
}

pub(super) fn register(worker: WorkerBuilder, bedrock: &Arc<Bedrock>) -> WorkerBuilder {
    let bedrock = Arc::clone(bedrock);
    worker
        .method("bedrock.watch", watch)
        .every("bedrock.monitor", PERIOD, move |beat| {
            let bedrock = Arc::clone(&bedrock);
            async move { bedrock.sample(&beat).await }
        })
}

/// Somebody begins to follow a server.
async fn watch(watched: Watched, context: CallContext) -> Result<(), CallFailure> {
    if let Ok(key) = StateKey::parse(&watched.server) {
        list(&context, &key, 0).await;
    }
    Ok(())
}

async fn list(topics: &Topics, key: &StateKey, beat: u64) {
    let Ok(topic) = Topic::parse(LIST) else { return };
    if let Err(error) = topics.set(&topic, key, &beat, Some(LISTED)).await {
        tracing::warn!(%error, "a server cannot be put on the list of those that are followed");
    }
}

impl Bedrock {
    async fn sample(&self, beat: &Beat) {
        let Ok(topic) = Topic::parse(LIST) else { return };
        let listed = match beat.state(&topic).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::debug!(%error, "nobody knows which servers are followed");
                return;
            }
        };
        // Those that there are may have been followed when no worker was there to be told.
        let own = self.places().map(Places::servers).unwrap_or_default();
        let own = own.iter().filter_map(|name| StateKey::parse(name.as_str()).ok());
        let names: BTreeSet<StateKey> = listed.keys().cloned().chain(own).take(LIMIT).collect();
        for name in names {
            let Ok(topic) = Topic::parse(&format!("bedrock:resource-monitor:{name}")) else {
                continue;
            };
            if !matches!(beat.count(&topic).await, Ok(1..)) {
                continue;
            }
            let at = listed.get(&name).and_then(|at| at.as_str().parse::<u64>().ok());
            if at.is_none_or(|at| beat.number().saturating_sub(at) >= RENEWED) {
                list(beat, &name, beat.number()).await;
            }
            let resources = self.resources(name.as_str());
            tell(beat, &format!("resource-monitor:{name}"), &resources).await;
        }
    }

    pub(super) fn resources(&self, server: &str) -> Resources {
        let found = self.places().ok().and_then(|places| places.existing(server).ok());
        let running = found.and_then(|(_, folder)| Home::new(folder).running());
        let process_info = running.and_then(|running| self.figures.lock().of(running, Instant::now()));
        let message = process_info
            .is_none()
            .then(|| format!("Server process '{server}' not found or is inaccessible."));
        Resources {
            status: "success",
            process_info,
            message,
        }
    }
}
