//! Waiting for work without asking all the time. The `wake` list of a queue, or of a group of methods, is a
//! bell: it gets a token for each job or call, and one blocked BLPOP takes it. Blocking needs a connection of
//! its own, one for each bell that is waited for, made when first needed and dropped when nobody has waited
//! for a while.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ListInterface;
use fred::types::Value;
use futures_util::future::select_all;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::commands::{CallError, Commands};
use super::keys::Bell;
use super::master::Master;
use super::unit::{Pace, Unit};
use crate::job::Promoted;

/// How long Redis blocks, in seconds; a connection that says nothing for a second longer is lost. Below
/// the timeout of all commands.
const BLOCK: f64 = 3.0;
const DEADLINE: Duration = Duration::from_secs(4);
/// A bell that nobody waited for in this time gives its connection back.
const IDLE: Duration = Duration::from_secs(60);

/// Redis counts whole milliseconds, so what is due in none may still be due in a part of one.
const SHORTEST: Duration = Duration::from_millis(1);

/// What a look at a queue, or a group, tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlook {
    pub(super) promoted: Promoted,
    /// There is something to claim or take.
    pub(super) has_work: bool,
}

#[derive(Debug)]
pub(super) struct Wakers {
    bells: Mutex<HashMap<Bell, Arc<Waker>>>,
    commands: Arc<Commands>,
    shutdown: CancellationToken,
}

/// Those who wait for one bell.
#[derive(Debug)]
struct Waker {
    waiting: Mutex<VecDeque<mpsc::Sender<Token>>>,
    /// Tokens that were handed to somebody who had left meanwhile.
    strays: Mutex<usize>,
    changed: Notify,
}

/// The right to look for work. It goes back to Redis, for another worker, unless it is used.
#[derive(Debug)]
struct Token(Option<Weak<Waker>>);

impl Token {
    fn used(mut self) {
        self.0 = None;
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take().and_then(|waker| waker.upgrade()) {
            *waker.strays.lock() += 1;
            waker.changed.notify_one();
        }
    }
}

impl Wakers {
    pub(super) fn new(commands: Arc<Commands>, shutdown: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            bells: Mutex::default(),
            commands,
            shutdown,
        })
    }

    /// Somebody waited for this bell not long ago, so that a token is noticed at once.
    pub(super) fn is_listening(&self, bell: &Bell) -> bool {
        self.bells.lock().contains_key(bell)
    }

    /// Resolves when there may be work behind one of the bells, or after `timeout`. `look` is given the
    /// number of a bell, does what is due there, and says what there is.
    pub(super) async fn wait<F>(
        self: &Arc<Self>,
        bells: &[Bell],
        timeout: Duration,
        look: impl Fn(usize) -> F,
    ) -> Result<(), CallError>
    where
        F: Future<Output = Result<Outlook, CallError>>,
    {
        let ends = Instant::now() + timeout;
        loop {
            let mut due: Option<Instant> = None;
            // In a Cluster some of them may be out of reach; the others are waited for.
            let (mut units, mut trouble) = (Vec::new(), None);
            for (number, bell) in bells.iter().enumerate() {
                let unit = self.commands.unit(&bell.tag);
                // Tokens alone would not do: one may be lost with the worker that got it.
                let outlook = match look(number).await {
                    Ok(outlook) => outlook,
                    Err(error) => {
                        trouble = Some(error);
                        continue;
                    }
                };
                if outlook.has_work {
                    return Ok(());
                }
                units.extend(unit);
                let next = outlook
                    .promoted
                    .next
                    .map(|next| Instant::now() + next.max(SHORTEST));
                due = due.into_iter().chain(next).min();
            }
            if let (true, Some(error)) = (units.is_empty(), trouble) {
                return Err(error);
            }
            let (sender, mut receiver) = mpsc::channel(1);
            for bell in bells {
                self.register(bell, sender.clone());
            }
            drop(sender);
            tokio::select! {
                Some(token) = receiver.recv() => {
                    token.used();
                    return Ok(());
                }
                () = tokio::time::sleep_until(due.map_or(ends, |due| due.min(ends))) => {
                    if due.is_none_or(|due| ends <= due) {
                        return Ok(());
                    }
                }
                () = first_lost(&units) => {
                    return Err(CallError::Unavailable(self.commands.link.why_not()));
                }
            }
        }
    }

    fn register(self: &Arc<Self>, bell: &Bell, sender: mpsc::Sender<Token>) {
        let mut bells = self.bells.lock();
        let waker = bells.entry(bell.clone()).or_insert_with(|| {
            let waker = Arc::new(Waker {
                waiting: Mutex::default(),
                strays: Mutex::default(),
                changed: Notify::new(),
            });
            tokio::spawn(self.clone().serve(bell.clone(), waker.clone()));
            waker
        });
        waker.waiting.lock().push_back(sender);
        waker.changed.notify_one();
    }

    /// Takes tokens for those who wait, for as long as somebody does.
    async fn serve(self: Arc<Self>, bell: Bell, waker: Arc<Waker>) {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            // The map holds this bell's waker, and the waker's task the map: one has to let go.
            () = shutdown.cancelled() => self.bells.lock().clear(),
            () = self.pass_on(&bell, &waker) => {}
        }
    }

    async fn pass_on(&self, bell: &Bell, waker: &Arc<Waker>) {
        let mut held: Option<(Arc<Master>, Unit)> = None;
        let mut pace = Pace::default();
        loop {
            self.give_back(bell, waker).await;
            if !waker.is_waited_for() {
                let changed = tokio::time::timeout(IDLE, waker.changed.notified()).await;
                if changed.is_err() && self.retire(bell, waker) {
                    return;
                }
                continue;
            }
            // Another master may serve it by now.
            let master = self.commands.master(&bell.tag).ok();
            held = held.filter(|(at, _)| master.as_ref().is_some_and(|now| now.id == at.id));
            if let (None, Some(master)) = (&held, master) {
                let unit = Unit::connect(&master.endpoint, 1).await.ok();
                held = unit.map(|unit| (master, unit));
            }
            let Some((master, connection)) = held.take() else {
                pace.pause().await;
                continue;
            };
            let popping = connection.first().blpop::<Value, _>(bell.key.as_str(), BLOCK);
            match tokio::time::timeout(DEADLINE, popping).await {
                Ok(Ok(_)) => waker.hand_over(),
                // Redis's own timeout is told as an error of this kind.
                Ok(Err(error)) if *error.kind() == fred::error::ErrorKind::Timeout => {}
                Ok(Err(_)) | Err(_) => {
                    drop(connection);
                    self.commands.doubt_layout();
                    pace.pause().await;
                    continue;
                }
            }
            pace = Pace::default();
            held = Some((master, connection));
        }
    }

    /// Puts back what was handed to somebody who had left.
    async fn give_back(&self, bell: &Bell, waker: &Waker) {
        let strays = std::mem::take(&mut *waker.strays.lock());
        for _ in 0..strays {
            let key = bell.key.clone();
            let call = |client: Client| {
                let key = key.clone();
                async move { client.lpush::<(), _, _>(key, "1").await }
            };
            // If it fails, workers find the work when their waiting times out.
            let _ = self.commands.call("lpush", &bell.tag, call).await;
        }
    }

    /// Takes the bell out, unless somebody came meanwhile.
    fn retire(&self, bell: &Bell, waker: &Waker) -> bool {
        let mut bells = self.bells.lock();
        let idle = !waker.is_waited_for();
        if idle {
            bells.remove(bell);
        }
        idle
    }
}

/// Resolves when one of the connections is lost.
async fn first_lost(units: &[Arc<Unit>]) {
    if units.is_empty() {
        return std::future::pending().await;
    }
    select_all(units.iter().map(|unit| Box::pin(unit.lost().cancelled()))).await;
}

impl Waker {
    fn is_waited_for(&self) -> bool {
        let mut waiting = self.waiting.lock();
        waiting.retain(|sender| !sender.is_closed());
        !waiting.is_empty()
    }

    /// Wakes the one who waited longest; if nobody is left, the token is a stray.
    fn hand_over(self: &Arc<Self>) {
        let mut token = Token(Some(Arc::downgrade(self)));
        loop {
            let Some(sender) = self.waiting.lock().pop_front() else {
                return;
            };
            match sender.try_send(token) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Closed(back) | mpsc::error::TrySendError::Full(back)) => {
                    token = back;
                }
            }
        }
    }
}
