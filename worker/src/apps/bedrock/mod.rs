//! Bedrock Server Manager: servers on this machine, what is done with them as tasks of their users, the events
//! that tell of it, and what their processes use.
//!
//! All workers that have this application see the same disk and the same processes: what there is to know of a
//! server is in its folder, so a worker may end, or several run, while servers go on.
//!
//! | variable | |
//! |---|---|
//! | `BSM_DATA_DIR` | where `servers/`, `backups/` and `content/` are; else `bedrock-server-manager` in the home |
//! | `BEDROCK_SERVER_PROGRAM` | the program of a server; else `bedrock_server` in its folder, or a stand-in |
//! | `BEDROCK_BACKUPS_KEPT` | how many backups of a kind pruning leaves; else 3 |

mod event;
mod figures;
mod http;
mod monitor;
mod places;
mod process;
mod server;
mod task;
#[cfg(test)]
mod tests;
mod world;

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use self::figures::Figures;
use self::places::Places;
use crate::JobFailure;
use crate::worker::WorkerBuilder;

const KEPT: usize = 3;

/// `environment` gives the value of a variable.
pub(crate) fn register(worker: WorkerBuilder, environment: &dyn Fn(&str) -> Option<String>) -> WorkerBuilder {
    let bedrock = Arc::new(Bedrock::new(environment));
    let worker = task::register(worker, &bedrock);
    http::register(monitor::register(worker, &bedrock), &bedrock)
}

struct Bedrock {
    places: Option<Places>,
    program: Option<PathBuf>,
    /// Backups of a kind that pruning leaves.
    keep: usize,
    figures: Mutex<Figures>,
}

impl Bedrock {
    fn new(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name| environment(name).filter(|value| !value.is_empty());
        let home = || Some(PathBuf::from(set("HOME")?).join("bedrock-server-manager"));
        Self {
            places: set("BSM_DATA_DIR")
                .map(PathBuf::from)
                .or_else(home)
                .map(Places::new),
            program: set("BEDROCK_SERVER_PROGRAM").map(PathBuf::from),
            keep: set("BEDROCK_BACKUPS_KEPT")
                .and_then(|number| number.parse().ok())
                .unwrap_or(KEPT),
            figures: Mutex::default(),
        }
    }

    fn places(&self) -> Result<&Places, JobFailure> {
        self.places
            .as_ref()
            .ok_or_else(|| JobFailure::fatal("This worker has no servers: set BSM_DATA_DIR to their folder."))
    }
}
