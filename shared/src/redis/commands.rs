//! The connections that commands go over. All writes of a topic or a job go over the same one, so they
//! stay in order. While they are down, every call fails at once; nothing is ever sent a second time,
//! except a script that Redis said it does not know.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{FredResult, LuaInterface};
use fred::types::{Key, Value};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::check;
use super::link::{LinkState, Part};
use super::metrics::{RedisMetrics, Trouble};
use super::reports::Reports;
use super::scripts::{Script, Scripts};
use super::unit::{Pace, Unit};
use crate::broker::BrokerError;
use crate::job::JobError;

/// Connections for commands.
const LANES: usize = 4;
/// Commands under way at once in this process; more fail.
const UNDER_WAY: usize = 8_192;
/// How long a publish waits for a Redis that is silent: clients are told within a second that it failed,
/// long before the connection is given up.
const PATIENCE: Duration = Duration::from_millis(800);

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
    unit: watch::Sender<Option<Arc<Unit>>>,
    scripts: Scripts,
    /// How many milliseconds Redis's clock is ahead of ours.
    ahead: AtomicI64,
    under_way: Semaphore,
    pub(super) link: LinkState,
    pub(super) metrics: RedisMetrics,
}

impl Commands {
    pub(super) fn new(metrics: RedisMetrics) -> Self {
        Self {
            unit: watch::Sender::new(None),
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

    /// The connections, if they are there.
    pub(super) fn unit(&self) -> Result<Arc<Unit>, CallError> {
        self.unit
            .borrow()
            .clone()
            .ok_or_else(|| CallError::Unavailable(self.link.why_not()))
    }

    /// Resolves when there are connections.
    pub(super) async fn connected(&self) {
        // Fails only if the sender is gone, which this value holds.
        let _ = self.unit.subscribe().wait_for(Option::is_some).await;
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
        self.call(script.name(), tag, async |client| {
            let digest = self.scripts.digest(script);
            // Cheap to clone: keys and arguments are shared bytes.
            match client.evalsha(digest, keys.clone(), arguments.clone()).await {
                Err(error) if error.details().starts_with("NOSCRIPT") => {
                    self.scripts.load(client, script).await?;
                    client.evalsha(self.scripts.digest(script), keys, arguments).await
                }
                answer => answer,
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
    pub(super) async fn call<T>(
        &self,
        name: &'static str,
        tag: &str,
        call: impl AsyncFnOnce(&Client) -> FredResult<T>,
    ) -> Result<T, CallError> {
        let unit = self.unit()?;
        let Ok(_permit) = self.under_way.try_acquire() else {
            self.metrics.count(Trouble::Overflow);
            return Err(CallError::Unavailable(format!(
                "more than {UNDER_WAY} commands wait for Redis"
            )));
        };
        let started = Instant::now();
        let answer = tokio::select! {
            biased;
            answer = call(unit.lane(tag)) => answer,
            () = unit.lost().cancelled() => return Err(CallError::Unavailable(LOST.to_owned())),
        };
        self.metrics.observe(name, started);
        answer.map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &Error) -> CallError {
        match Cause::of(error) {
            Cause::Timeout => {
                self.metrics.count(Trouble::Timeout);
                CallError::Unavailable("Redis did not answer in time".to_owned())
            }
            Cause::Connection => CallError::Unavailable(LOST.to_owned()),
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

    /// Makes the connections, again and again, until `shutdown`, or until the first one shows a Redis
    /// that is unfit for use.
    pub(super) async fn keep(self: Arc<Self>, address: Address, shutdown: CancellationToken) {
        let mut reports = Reports::new("connection to Redis");
        let mut reached = false;
        let mut pace = Pace::default();
        loop {
            let made = tokio::select! {
                () = shutdown.cancelled() => return,
                made = self.prepare(&address) => made,
            };
            let why = match made {
                Ok(unit) => {
                    (reached, pace) = (true, Pace::default());
                    reports.connected(&address);
                    let unit = Arc::new(unit);
                    self.unit.send_replace(Some(unit.clone()));
                    self.link.set(Part::Commands, true);
                    tokio::select! {
                        () = shutdown.cancelled() => {}
                        () = unit.watch() => {}
                    }
                    self.unit.send_replace(None);
                    self.link.set(Part::Commands, false);
                    unit.lost().cancel();
                    if shutdown.is_cancelled() {
                        return;
                    }
                    self.metrics.count(Trouble::Lost);
                    LOST.to_owned()
                }
                Err(Failed::Unfit(why)) if !reached => {
                    tracing::error!("Redis at {address} is refused: {why}");
                    self.metrics.count(Trouble::Connect);
                    self.link.refuse(why);
                    return;
                }
                Err(Failed::Unfit(why) | Failed::Unreachable(why)) => {
                    self.metrics.count(Trouble::Connect);
                    why
                }
            };
            reports.broken(&address, &why);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = pace.pause() => {}
            }
        }
    }

    async fn prepare(&self, address: &Address) -> Result<Unit, Failed> {
        let unit = match Unit::connect(address, LANES, 16).await {
            Err(error) if error.details().contains("unknown command") => {
                return Err(Failed::Unfit(check::too_old("5 or older")));
            }
            made => made?,
        };
        let client = unit.first();
        if let Some(why) = check::unfit(client).await? {
            return Err(Failed::Unfit(why));
        }
        self.ahead
            .store(check::clock_ahead(client).await?, Ordering::Relaxed);
        self.scripts.load_all(client).await?;
        Ok(unit)
    }
}

/// Where an error of fred's comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Timeout,
    /// No answer came, whatever fred calls it: most of its own errors are of the kind `Unknown`.
    Connection,
    /// Redis answered that it can't now.
    Temporary,
    /// Redis answered with an error, or with something unexpected.
    Answer,
}

impl Cause {
    pub(super) fn of(error: &Error) -> Self {
        // Redis's errors begin with a code in capitals, fred's are sentences.
        let code = error.details().split(' ').next().unwrap_or_default();
        let temporary = [
            "OOM",
            "MISCONF",
            "NOREPLICAS",
            "READONLY",
            "LOADING",
            "BUSY",
            "MASTERDOWN",
        ];
        if code.len() > 1 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return if temporary.contains(&code) {
                Self::Temporary
            } else {
                Self::Answer
            };
        }
        match error.kind() {
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Parse | ErrorKind::Protocol | ErrorKind::NotFound | ErrorKind::InvalidArgument => {
                Self::Answer
            }
            _ => Self::Connection,
        }
    }
}

const LOST: &str = "the connection to Redis is lost";

enum Failed {
    Unreachable(String),
    Unfit(String),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Unreachable(error.details().to_owned())
    }
}
