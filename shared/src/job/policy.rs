//! What holds for all jobs of a queue, from the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::job::MAX_ATTEMPTS_DEFAULT;
use crate::name::QueueName;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuePolicy {
    /// How often a job is tried that does not say so itself.
    pub max_attempts: u32,
    /// How long a job is kept after its end.
    pub retention: Duration,
    /// The first back-off step after a failed attempt, before jitter; each further one is twice as long.
    pub retry_base: Duration,
    /// No step is longer.
    pub retry_limit: Duration,
    /// How long a running job may take to end after it was asked to.
    pub cancel_grace: Duration,
    /// Most jobs that run at once, whatever the number of workers. 0: any number.
    pub max_running: u32,
    /// How many may begin in a time. Absent: any number.
    pub rate: Option<Rate>,
}

/// At most `limit` attempts begin within any `period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// 1 to [`Rate::LIMIT`].
    pub limit: u32,
    pub period: Duration,
}

impl Rate {
    /// The backend remembers when each of them began.
    pub const LIMIT: u32 = 10_000;
}

impl Default for QueuePolicy {
    fn default() -> Self {
        Self {
            max_attempts: MAX_ATTEMPTS_DEFAULT,
            retention: Duration::from_secs(3600),
            retry_base: Duration::from_secs(1),
            retry_limit: Duration::from_secs(600),
            cancel_grace: Duration::from_secs(10),
            max_running: 0,
            rate: None,
        }
    }
}

/// The policies of all queues. Queues that are not named have the default's.
#[derive(Debug, Clone, Default)]
pub struct Queues {
    default: Arc<QueuePolicy>,
    named: BTreeMap<QueueName, Arc<QueuePolicy>>,
}

impl Queues {
    pub fn new(default: QueuePolicy, others: impl IntoIterator<Item = (QueueName, QueuePolicy)>) -> Self {
        Self {
            default: Arc::new(default),
            named: others
                .into_iter()
                .map(|(name, policy)| (name, Arc::new(policy)))
                .collect(),
        }
    }

    pub fn of(&self, queue: &str) -> &Arc<QueuePolicy> {
        // A queue's name is checked when it is made, so what is no name has no policy.
        let name = QueueName::parse(queue).ok();
        name.and_then(|name| self.named.get(&name))
            .unwrap_or(&self.default)
    }
}
