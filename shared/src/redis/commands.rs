//! Commands to whichever master serves the topic or job that they are about. All writes of a topic or a job
//! go over the same connection, so they stay in order. While that is down, every call fails at once; nothing
//! is ever sent a second time, except what Redis said it has not done: a script that it does not know, and a
//! command about a slot that another master serves.
//!
//! While a slot moves from one master to another, scripts on its keys are refused by both (some of a script's
//! keys are never there, such as channels, so Redis can't tell where they belong). They are tried again for
//! as long as [`DETOURS`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{FredResult, LuaInterface};
use fred::types::{Key, Value};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::timeout;

use super::address::Kind;
use super::cause::Cause;
use super::check;
use super::layout::Layout;
use super::link::LinkState;
use super::master::Master;
use super::metrics::{RedisMetrics, Trouble};
use super::scripts::{Script, Scripts};
use super::unit::Unit;
use crate::broker::BrokerError;
use crate::job::JobError;

/// Commands under way at once in this process; more fail.
const UNDER_WAY: usize = 8_192;
/// How long a publish waits for a Redis that is silent: clients are told within a second that it failed,
/// long before the connection is given up.
const PATIENCE: Duration = Duration::from_millis(800);
/// How long a command about a slot that moves is tried again.
const DETOURS: Duration = Duration::from_secs(4);
/// The longest pause between two tries.
const DETOUR: Duration = Duration::from_millis(100);

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CallError {
    /// Redis can't be reached, or can't take writes now.
    Unavailable(String),
    /// Redis or a script answered what it should not.
    Internal(String),
}

impl CallError {
    pub(super) fn unexpected(what: &str) -> Self {
        Self::Internal(what.to_owned())
    }
}

impl From<CallError> for BrokerError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unavailable(why) => Self::Unavailable(why),
            CallError::Internal(what) => Self::Internal(what),
        }
    }
}

impl From<CallError> for JobError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unavailable(why) => Self::Unavailable(why),
            CallError::Internal(what) => Self::Internal(what),
        }
    }
}

#[derive(Debug)]
pub(super) struct Commands {
    /// A command's keys have to be of one slot.
    is_cluster: bool,
    layout: watch::Sender<Arc<Layout>>,
    /// Somebody was sent elsewhere: the layout is out of date.
    outdated: Notify,
    pub(super) scripts: Scripts,
    /// How many milliseconds Redis's clock is ahead of ours.
    ahead: AtomicI64,
    under_way: Semaphore,
    pub(super) link: LinkState,
    pub(super) metrics: RedisMetrics,
}

impl Commands {
    pub(super) fn new(kind: &Kind, metrics: RedisMetrics) -> Self {
        Self {
            is_cluster: *kind == Kind::Cluster,
            layout: watch::Sender::default(),
            outdated: Notify::new(),
            scripts: Scripts::default(),
            ahead: AtomicI64::new(0),
            under_way: Semaphore::new(UNDER_WAY),
            link: LinkState::new(metrics.clone()),
            metrics,
        }
    }

    /// Redis's time as well as we know it, for publications that no script stamps.
    pub(super) fn now_ms(&self) -> u64 {
        let now = check::local_ms().saturating_add(self.ahead.load(Ordering::Relaxed));
        u64::try_from(now).unwrap_or_default()
    }

    /// Found out whenever a connection is made.
    pub(super) fn set_clock_ahead(&self, ms: i64) {
        self.ahead.store(ms, Ordering::Relaxed);
    }

    pub(super) fn layout(&self) -> Arc<Layout> {
        self.layout.borrow().clone()
    }

    pub(super) fn layouts(&self) -> watch::Receiver<Arc<Layout>> {
        self.layout.subscribe()
    }

    pub(super) fn set_layout(&self, layout: Layout) {
        self.link.masters(layout.masters().iter().map(|master| master.id));
        self.layout.send_replace(Arc::new(layout));
    }

    /// Somebody was sent elsewhere.
    pub(super) fn doubt_layout(&self) {
        self.outdated.notify_one();
    }

    /// Resolves when somebody was sent elsewhere.
    pub(super) async fn layout_doubted(&self) {
        self.outdated.notified().await;
    }

    /// Waits for a new layout, at most for so long.
    pub(super) async fn new_layout(&self, longest: Duration) {
        let mut layouts = self.layout.subscribe();
        // Fails only if the sender is gone, which this value holds.
        let _ = timeout(longest, layouts.changed()).await;
    }

    /// Who serves the keys with this tag.
    pub(super) fn master(&self, tag: &str) -> Result<Arc<Master>, CallError> {
        let layout = self.layout.borrow();
        layout
            .of_tag(tag)
            .cloned()
            .ok_or_else(|| CallError::Unavailable(self.link.why_not()))
    }

    /// The connections to the master of this tag, if they are there.
    pub(super) fn unit(&self, tag: &str) -> Result<Arc<Unit>, CallError> {
        self.master(tag)?
            .unit()
            .ok_or_else(|| CallError::Unavailable(self.link.why_not()))
    }

    /// Which of the connections serves this tag, if scripts may use the keys of several tags.
    pub(super) fn lane(&self, tag: &str) -> Result<Option<usize>, CallError> {
        if self.is_cluster {
            return Ok(None);
        }
        Ok(Some(self.unit(tag)?.lane_of(tag)))
    }

    /// Runs a script over the connection of `tag`.
    pub(super) async fn run(
        &self,
        script: Script,
        tag: &str,
        keys: Vec<String>,
        arguments: Vec<Value>,
    ) -> Result<Value, CallError> {
        let keys: Vec<Key> = keys.into_iter().map(Key::from).collect();
        let scripts = &self.scripts;
        self.call(script.name(), tag, |client| {
            // Cheap to clone: keys and arguments are shared bytes.
            let (keys, arguments) = (keys.clone(), arguments.clone());
            async move {
                let digest = scripts.digest(script);
                match client.evalsha(digest, keys.clone(), arguments.clone()).await {
                    Err(error) if error.details().starts_with("NOSCRIPT") => {
                        // Seldom: no call has room for it from the start.
                        let again = async {
                            scripts.load(&client, script).await?;
                            client.evalsha(scripts.digest(script), keys, arguments).await
                        };
                        Box::pin(again).await
                    }
                    answer => answer,
                }
            }
        })
        .await
    }

    /// For what a client waits for: fails after [`PATIENCE`]. The call may take effect all the same.
    pub(super) async fn soon<T>(
        &self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        if let Ok(answer) = timeout(PATIENCE, call).await {
            return answer;
        }
        self.metrics.count(Trouble::Timeout);
        Err(CallError::Unavailable("Redis did not answer in time".to_owned()))
    }

    /// Makes one call over the connection of `tag`, unless there is none or too much is under way.
    pub(super) async fn call<T, F: Future<Output = FredResult<T>>>(
        &self,
        name: &'static str,
        tag: &str,
        call: impl Fn(Client) -> F,
    ) -> Result<T, CallError> {
        self.unit(tag)?;
        let Ok(_permit) = self.under_way.try_acquire() else {
            self.metrics.count(Trouble::Overflow);
            return Err(CallError::Unavailable(format!(
                "more than {UNDER_WAY} commands wait for Redis"
            )));
        };
        let started = Instant::now();
        let mut pause = Duration::from_millis(5);
        loop {
            let answer = match self.unit(tag) {
                Ok(unit) => tokio::select! {
                    biased;
                    answer = call(unit.lane(tag).clone()) => answer,
                    () = unit.lost().cancelled() => return Err(CallError::Unavailable(LOST.to_owned())),
                },
                // Whom we were sent to may have to be connected to first.
                Err(_) if started.elapsed() < DETOURS => {
                    self.new_layout(pause).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match answer.as_ref().map_err(Cause::of) {
                Err(Cause::Moved) if started.elapsed() < DETOURS => self.doubt_layout(),
                Err(Cause::Moving) if started.elapsed() < DETOURS => {}
                _ => {
                    self.metrics.observe(name, started);
                    return answer.map_err(|error| self.explain(&error));
                }
            }
            self.new_layout(pause).await;
            pause = (pause * 2).min(DETOUR);
        }
    }

    /// An error that a script has got and gives back as it was.
    pub(super) fn explain_text(&self, error: &str) -> CallError {
        self.explain(&Error::new(ErrorKind::Unknown, error.to_owned()))
    }

    fn explain(&self, error: &Error) -> CallError {
        match Cause::of(error) {
            Cause::Timeout => {
                self.metrics.count(Trouble::Timeout);
                CallError::Unavailable("Redis did not answer in time".to_owned())
            }
            Cause::Connection => CallError::Unavailable(LOST.to_owned()),
            Cause::Moved | Cause::Moving => {
                self.metrics.count(Trouble::Answer);
                CallError::Unavailable("this part of the Cluster is being moved".to_owned())
            }
            Cause::Temporary => {
                self.metrics.count(Trouble::Answer);
                CallError::Unavailable(error.details().to_owned())
            }
            Cause::Answer => {
                self.metrics.count(Trouble::Answer);
                CallError::Internal(error.details().to_owned())
            }
        }
    }
}

pub(super) const LOST: &str = "the connection to Redis is lost";
