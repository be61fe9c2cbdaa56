//! The backend that needs nothing: topics and jobs in this process's memory, gone when it ends.
//! `tidegate dev` runs on it, and tests.
//!
//! One lock guards [`Everything`] and is never held across an await; every call is a plain function of
//! that and the time. Each call first forgets a bounded number of things whose time has come, more than
//! it can add. Where nobody calls, one task does ([`alarm`]), so that keys and sessions end in time.

mod alarm;
mod attempt;
mod calls;
mod channel;
mod clock;
mod desk;
mod everything;
mod fleet;
mod flow;
mod job;
mod jobs;
mod log;
mod map;
mod node;
mod outlet;
mod queue;
mod rooms;
mod schedules;
mod state;
mod switchboard;
mod topics;
mod turns;
mod work;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::backend::Backend;
use crate::embedded::clock::Clock;
use crate::embedded::everything::Everything;
use crate::embedded::node::Node;
use crate::embedded::state::State;
use crate::embedded::switchboard::Switchboard;
use crate::namespace::Namespaces;

/// The data that brokers and job queues of one process share.
pub struct Store {
    everything: Mutex<Everything>,
    clock: Clock,
    /// Some queue got a job that can be claimed.
    work: Notify,
    /// Some call came, or the next one of a serial group may run.
    calls: Notify,
    /// Something is due before the alarm is set to go off, or the store is gone.
    earlier: Arc<Notify>,
    has_alarm: AtomicBool,
}

impl Store {
    pub fn new(namespaces: Namespaces) -> Arc<Self> {
        Arc::new(Self {
            everything: Mutex::new(Everything::new(namespaces)),
            clock: Clock::default(),
            work: Notify::new(),
            calls: Notify::new(),
            earlier: Arc::default(),
            has_alarm: AtomicBool::new(false),
        })
    }

    /// One more node on this data: a broker and presence of its own, and the job queue. What the broker
    /// has attached is detached when its last handle is dropped. To be called within a Tokio runtime;
    /// without one, keys and sessions end only when something else happens.
    pub fn open(self: &Arc<Self>) -> Backend {
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && !self.has_alarm.swap(true, Ordering::Relaxed)
        {
            runtime.spawn(alarm::run(Arc::downgrade(self), Arc::clone(&self.earlier)));
        }
        let node = Arc::new(Node::open(Arc::clone(self)));
        Backend {
            broker: Arc::clone(&node) as _,
            jobs: Arc::clone(self) as _,
            desk: Arc::clone(self) as _,
            schedules: Arc::clone(self) as _,
            calls: Arc::new(Switchboard(Arc::clone(self))),
            presence: Arc::clone(&node) as _,
            nodes: node,
        }
    }

    /// One step on topics and jobs, at one moment.
    fn step<T>(&self, step: impl FnOnce(&mut State, u64) -> T) -> T {
        self.step_on_all(|everything, now| step(&mut everything.state, now))
    }

    /// One step on all the data, at one moment.
    fn step_on_all<T>(&self, step: impl FnOnce(&mut Everything, u64) -> T) -> T {
        let mut everything = self.everything.lock();
        // Under the lock, so that time never goes back from one step to the next.
        let now = self.clock.now_ms();
        everything.sweep(now);
        let outcome = step(&mut everything, now);
        let is_early = everything.is_early();
        drop(everything);
        if is_early {
            self.earlier.notify_one();
        }
        outcome
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.earlier.notify_one();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
