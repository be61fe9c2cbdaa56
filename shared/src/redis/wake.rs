//! Waiting for work without asking all the time. A queue's `wake` list gets a token for each job put
//! into it, and one blocked BLPOP takes it. Blocking needs a connection of its own, one for each queue
//! that is waited for, made when first needed and dropped when nobody has waited for a while.

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
use super::keys::Keys;
use super::master::Master;
use super::unit::{Pace, Unit};
use crate::job::Promoted;
use crate::name::QueueName;

/// How long Redis blocks, in seconds; a connection that says nothing for a second longer is lost. Below
/// the timeout of all commands.
const BLOCK: f64 = 3.0;
const DEADLINE: Duration = Duration::from_secs(4);
/// A queue that nobody waited for in this time gives its connection back.
const IDLE: Duration = Duration::from_secs(60);

/// Redis counts whole milliseconds, so what is due in none may still be due in a part of one.
const SHORTEST: Duration = Duration::from_millis(1);

/// What a look at a queue tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlook {
    pub(super) promoted: Promoted,
    /// Jobs can be claimed.
    pub(super) has_work: bool,
}

#[derive(Debug)]
pub(super) struct Wakers {
    queues: Mutex<HashMap<QueueName, Arc<Waker>>>,
    commands: Arc<Commands>,
    keys: Keys,
    shutdown: CancellationToken,
}

/// Those who wait for one queue.
#[derive(Debug)]
struct Waker {
    waiting: Mutex<VecDeque<mpsc::Sender<Token>>>,
    /// Tokens that were handed to somebody who had left meanwhile.
    strays: Mutex<usize>,
    changed: Notify,
}

/// The right to look for a job. It goes back to Redis, for another worker, unless it is used.
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
    pub(super) fn new(commands: Arc<Commands>, keys: Keys, shutdown: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            queues: Mutex::default(),
            commands,
            keys,
            shutdown,
        })
    }

    /// Resolves when one of the queues may have work, or after `timeout`. `look` promotes what is due in
    /// a queue.
    pub(super) async fn wait<F>(
        self: &Arc<Self>,
        queues: &[QueueName],
        timeout: Duration,
        look: impl Fn(QueueName) -> F,
    ) -> Result<(), CallError>
    where
        F: Future<Output = Result<Outlook, CallError>>,
    {
        let ends = Instant::now() + timeout;
        loop {
            let mut due: Option<Instant> = None;
            // In a Cluster some of the queues may be out of reach; the others are waited for.
            let (mut units, mut trouble) = (Vec::new(), None);
            for queue in queues {
                let unit = self.commands.unit(&self.keys.queue(queue).tag);
                // Tokens alone would not do: one may be lost with the worker that got it.
                let outlook = match look(queue.clone()).await {
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
            for queue in queues {
                self.register(queue, sender.clone());
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

    fn register(self: &Arc<Self>, queue: &QueueName, sender: mpsc::Sender<Token>) {
        let mut queues = self.queues.lock();
        let waker = queues.entry(queue.clone()).or_insert_with(|| {
            let waker = Arc::new(Waker {
                waiting: Mutex::default(),
                strays: Mutex::default(),
                changed: Notify::new(),
            });
            tokio::spawn(self.clone().serve(queue.clone(), waker.clone()));
            waker
        });
        waker.waiting.lock().push_back(sender);
        waker.changed.notify_one();
    }

    /// Takes tokens for those who wait, for as long as somebody does.
    async fn serve(self: Arc<Self>, queue: QueueName, waker: Arc<Waker>) {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            // The map holds this queue's waker, and the waker's task the map: one has to let go.
            () = shutdown.cancelled() => self.queues.lock().clear(),
            () = self.pass_on(&queue, &waker) => {}
        }
    }

    async fn pass_on(&self, queue: &QueueName, waker: &Arc<Waker>) {
        let keys = self.keys.queue(queue);
        let key = keys.wake();
        let mut held: Option<(Arc<Master>, Unit)> = None;
        let mut pace = Pace::default();
        loop {
            self.give_back(queue, waker).await;
            if !waker.is_waited_for() {
                let changed = tokio::time::timeout(IDLE, waker.changed.notified()).await;
                if changed.is_err() && self.retire(queue, waker) {
                    return;
                }
                continue;
            }
            // Another master may serve the queue by now.
            let master = self.commands.master(&keys.tag).ok();
            held = held.filter(|(at, _)| master.as_ref().is_some_and(|now| now.id == at.id));
            if let (None, Some(master)) = (&held, master) {
                let unit = Unit::connect(&master.endpoint, 1, 1).await.ok();
                held = unit.map(|unit| (master, unit));
            }
            let Some((master, connection)) = held.take() else {
                pace.pause().await;
                continue;
            };
            let popping = connection.first().blpop::<Value, _>(key.as_str(), BLOCK);
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
    async fn give_back(&self, queue: &QueueName, waker: &Waker) {
        let strays = std::mem::take(&mut *waker.strays.lock());
        let keys = self.keys.queue(queue);
        for _ in 0..strays {
            let key = keys.wake();
            let call = |client: Client| {
                let key = key.clone();
                async move { client.lpush::<(), _, _>(key, "1").await }
            };
            // If it fails, workers find the job when their waiting times out.
            let _ = self.commands.call("lpush", &keys.tag, call).await;
        }
    }

    /// Takes the queue out, unless somebody came meanwhile.
    fn retire(&self, queue: &QueueName, waker: &Waker) -> bool {
        let mut queues = self.queues.lock();
        let idle = !waker.is_waited_for();
        if idle {
            queues.remove(queue);
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
