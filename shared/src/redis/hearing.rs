//! What is attached. One task owns it: it takes requests, has everything attached again after a lost
//! connection, and proves that it still hears.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::{FredResult, PubsubInterface};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::commands::{CallError, Cause, Commands};
use super::link::Part;
use super::metrics::Trouble;
use super::routes::{Route, Routes};
use super::subscriber::{BATCH, connect, subscribe, unsubscribe};
use super::unit::Unit;
use crate::broker::{BrokerError, BrokerEvent};

/// Requests that wait for the task.
const REQUESTS: usize = 4_096;
/// Silence after which the node publishes something to itself.
const SILENCE: Duration = Duration::from_secs(10);
/// How long that may take to be heard.
const ECHO: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Request {
    channel: Box<str>,
    wish: Wish,
    answer: Answer,
}

#[derive(Debug)]
enum Wish {
    Attach(Route),
    Detach { bare: bool },
}

type Answer = oneshot::Sender<Result<(), BrokerError>>;

/// The handle of the task.
#[derive(Debug, Clone)]
pub(super) struct Hearing {
    requests: mpsc::Sender<Request>,
}

impl Hearing {
    pub(super) fn start(
        address: Address,
        commands: Arc<Commands>,
        routes: Arc<Routes>,
        probe: String,
        shutdown: CancellationToken,
    ) -> Self {
        let (sender, requests) = mpsc::channel(REQUESTS);
        let task = Task {
            requests,
            commands,
            routes,
            probe,
        };
        tokio::spawn(task.run(address, shutdown));
        Self { requests: sender }
    }

    pub(super) async fn attach(&self, channel: String, route: Route) -> Result<(), BrokerError> {
        let asked = self.ask(channel, Wish::Attach(route)).await;
        asked.unwrap_or_else(|| Err(BrokerError::Unavailable("this node is shutting down".to_owned())))
    }

    pub(super) async fn detach(&self, channel: String, bare: bool) -> Result<(), BrokerError> {
        // Without an answer the connection is gone, and so is what was attached on it.
        self.ask(channel, Wish::Detach { bare }).await.unwrap_or(Ok(()))
    }

    async fn ask(&self, channel: String, wish: Wish) -> Option<Result<(), BrokerError>> {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            channel: channel.into(),
            wish,
            answer,
        };
        self.requests.send(request).await.ok()?;
        answered.await.ok()
    }
}

struct Task {
    requests: mpsc::Receiver<Request>,
    commands: Arc<Commands>,
    routes: Arc<Routes>,
    probe: String,
}

/// Attachments that Redis has not acknowledged yet: who waits, and for which asking.
type Pending = HashMap<Box<str>, (u64, Vec<Answer>)>;
/// What a command on the subscriber came to: its channel and number if it attaches.
type Outcome = (Option<(Box<str>, u64)>, FredResult<()>);

impl Task {
    async fn run(mut self, address: Address, shutdown: CancellationToken) {
        loop {
            let (unit, reader) = tokio::select! {
                () = shutdown.cancelled() => return,
                connected = connect(&address, &self.commands, &self.routes, &self.probe) => connected,
                () = refuse_all(&mut self.requests, &self.commands, &self.routes) => return,
            };
            self.commands.link.set(Part::Hearing, true);
            self.routes.ends.suspect(None);
            self.routes.outlet.send(BrokerEvent::Up);
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = unit.watch() => {}
                () = self.serve(&unit) => {}
            }
            unit.lost().cancel();
            // The reader ends with the connection; after this nothing old can follow what is new.
            reader.end().await;
            self.commands.link.set(Part::Hearing, false);
            if shutdown.is_cancelled() {
                return;
            }
            self.commands.metrics.count(Trouble::Lost);
            self.routes.outlet.send(BrokerEvent::Down);
        }
    }

    /// Takes requests until the connection turns out to be deaf or broken.
    async fn serve(&mut self, unit: &Unit) {
        let client = unit.first();
        let mut pending = Pending::new();
        let mut under_way: FuturesUnordered<BoxFuture<'static, Outcome>> = FuturesUnordered::new();
        let mut number = 0;
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut probed: Option<Instant> = None;
        loop {
            tokio::select! {
                Some(outcome) = under_way.next(), if !under_way.is_empty() => {
                    if !self.settle(&mut pending, outcome) {
                        break;
                    }
                }
                Some(request) = self.requests.recv(), if under_way.len() < BATCH => {
                    number += 1;
                    if let Some(mut command) = self.take(&mut pending, client, request, number) {
                        // Polled once, it is in the connection's queue, in the order of the requests.
                        match futures_util::poll!(&mut command) {
                            Poll::Pending => under_way.push(command),
                            Poll::Ready(outcome) => if !self.settle(&mut pending, outcome) {
                                break;
                            }
                        }
                    }
                }
                _ = tick.tick() => {
                    self.routes.outlet.flush();
                    if !self.proves_to_hear(&mut probed).await {
                        tracing::warn!("Redis is connected but nothing published is heard; connecting anew");
                        break;
                    }
                }
            }
        }
        for (channel, (_, answers)) in pending {
            self.routes.remove(&channel);
            for answer in answers {
                let _ = answer.send(Err(unavailable(&self.commands)));
            }
        }
    }

    /// The command that a request needs, if any.
    fn take(
        &self,
        pending: &mut Pending,
        client: &Client,
        request: Request,
        number: u64,
    ) -> Option<BoxFuture<'static, Outcome>> {
        let Request {
            channel,
            wish,
            answer,
        } = request;
        let client = client.clone();
        match wish {
            Wish::Attach(route) => {
                if let Some((_, answers)) = pending.get_mut(&channel) {
                    answers.push(answer);
                    return None;
                }
                let bare = route.bare.is_some();
                if !self.routes.insert(&channel, route) {
                    let _ = answer.send(Ok(()));
                    return None;
                }
                pending.insert(channel.clone(), (number, vec![answer]));
                let metrics = self.commands.metrics.clone();
                Some(Box::pin(async move {
                    let started = Instant::now();
                    let outcome = subscribe(&client, &channel, bare).await;
                    metrics.observe("ssubscribe", started);
                    (Some((channel, number)), outcome)
                }))
            }
            Wish::Detach { bare } => {
                let was_there = self.routes.remove(&channel);
                // Whoever still waits for it to be attached is overtaken.
                for waiting in pending.remove(&channel).into_iter().flat_map(|(_, all)| all) {
                    let _ = waiting.send(Ok(()));
                }
                if !was_there {
                    let _ = answer.send(Ok(()));
                    return None;
                }
                Some(Box::pin(async move {
                    let outcome = unsubscribe(&client, String::from(channel), bare).await;
                    let _ = answer.send(Ok(()));
                    (None, outcome)
                }))
            }
        }
    }

    /// Tells those who wait. False if Redis did not answer: what is attached on this connection is not
    /// known any more.
    fn settle(&self, pending: &mut Pending, (attached, outcome): Outcome) -> bool {
        if !is_answer(&outcome) {
            return false;
        }
        let Some((channel, number)) = attached else {
            return true;
        };
        // Another number: it was detached and asked for again meanwhile.
        if pending
            .get(&channel)
            .is_none_or(|(current, _)| *current != number)
        {
            return true;
        }
        let Some((_, answers)) = pending.remove(&channel) else {
            return true;
        };
        if outcome.is_err() {
            self.routes.remove(&channel);
        }
        for answer in answers {
            let _ = answer.send(match &outcome {
                Ok(()) => Ok(()),
                Err(error) => Err(BrokerError::Internal(error.details().to_owned())),
            });
        }
        true
    }

    /// After some silence the node publishes to itself. False if that did not come back.
    async fn proves_to_hear(&self, probed: &mut Option<Instant>) -> bool {
        if self.routes.silence() < SILENCE {
            *probed = None;
            return true;
        }
        if let Some(since) = probed {
            return since.elapsed() < ECHO;
        }
        let probe = self.probe.clone();
        let sent = self
            .commands
            .call("spublish", &self.probe, async move |client| {
                client.spublish::<(), _, _>(probe, "?").await
            })
            .await;
        // If it can't be sent, the other connections are in trouble, and say so themselves.
        if sent.is_ok() {
            *probed = Some(Instant::now());
        }
        true
    }
}

/// While there is no connection: attaching fails at once, detaching is remembered.
async fn refuse_all(requests: &mut mpsc::Receiver<Request>, commands: &Commands, routes: &Routes) {
    while let Some(request) = requests.recv().await {
        let answer = match request.wish {
            Wish::Attach(_) => Err(unavailable(commands)),
            Wish::Detach { .. } => {
                routes.remove(&request.channel);
                Ok(())
            }
        };
        let _ = request.answer.send(answer);
    }
}

/// Redis itself answered, be it with an error.
fn is_answer(outcome: &FredResult<()>) -> bool {
    let answered = |error| matches!(Cause::of(error), Cause::Answer | Cause::Temporary);
    outcome.as_ref().err().is_none_or(answered)
}

fn unavailable(commands: &Commands) -> BrokerError {
    CallError::Unavailable(commands.link.why_not()).into()
}
