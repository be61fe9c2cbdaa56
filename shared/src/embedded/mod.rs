//! The backend that needs nothing: topics and jobs in this process's memory, gone when it ends.
//! `tidegate dev` runs on it, and tests.
//!
//! One lock guards everything ([`State`]) and is never held across an await; every call is a plain
//! function of that state and the time. Nothing runs in the background: each call first forgets a
//! bounded number of things whose time has come, more than it can add.

mod channel;
mod clock;
mod job;
mod jobs;
mod log;
mod node;
mod outlet;
mod queue;
mod state;
mod topics;
mod work;

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::backend::Backend;
use crate::embedded::clock::Clock;
use crate::embedded::node::Node;
use crate::embedded::state::State;
use crate::namespace::Namespaces;

/// The data that brokers and job queues of one process share.
pub struct Store {
    state: Mutex<State>,
    clock: Clock,
    /// Some queue got a job that can be claimed.
    work: Notify,
}

impl Store {
    pub fn new(namespaces: Namespaces) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(namespaces)),
            clock: Clock::default(),
            work: Notify::new(),
        })
    }

    /// A broker of its own on this data, and the job queue. What the broker has attached is detached
    /// when its last handle is dropped.
    pub fn open(self: &Arc<Self>) -> Backend {
        Backend {
            broker: Arc::new(Node::open(Arc::clone(self))),
            jobs: Arc::clone(self) as _,
        }
    }

    /// One step on the data, at one moment.
    fn step<T>(&self, step: impl FnOnce(&mut State, u64) -> T) -> T {
        let mut state = self.state.lock();
        // Under the lock, so that time never goes back from one step to the next.
        let now = self.clock.now_ms();
        state.sweep(now);
        step(&mut state, now)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
