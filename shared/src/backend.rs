//! The two traits of one backend, as gateway and worker are handed them.

use std::fmt;
use std::sync::Arc;

use crate::broker::Broker;
use crate::job::JobQueue;

#[derive(Clone)]
pub struct Backend {
    pub broker: Arc<dyn Broker>,
    pub jobs: Arc<dyn JobQueue>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").finish_non_exhaustive()
    }
}
