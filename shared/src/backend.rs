//! The traits of one backend, as gateway and worker are handed them.

use std::fmt;
use std::sync::Arc;

use crate::broker::Broker;
use crate::call::Calls;
use crate::job::{JobDesk, JobQueue, Schedules};
use crate::nodes::Nodes;
use crate::presence::Presence;

/// One node's handles on the same backend: what the broker attaches, what presence enters and what the
/// broker hears belong to that node.
#[derive(Clone)]
pub struct Backend {
    pub broker: Arc<dyn Broker>,
    pub jobs: Arc<dyn JobQueue>,
    pub desk: Arc<dyn JobDesk>,
    pub schedules: Arc<dyn Schedules>,
    pub calls: Arc<dyn Calls>,
    pub presence: Arc<dyn Presence>,
    pub nodes: Arc<dyn Nodes>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").finish_non_exhaustive()
    }
}
