//! What is heard from one master. One task owns it: it takes requests, has everything attached again after a
//! lost connection, takes over what comes to its master from another, and proves that it still hears.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use fred::interfaces::FredResult;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;

use super::cause::Cause;
use super::commands::Commands;
use super::hearing::{Answer, Refusal, Request, Wish};
use super::keys::Keys;
use super::line::Mouthpiece;
use super::link::Part;
use super::master::Master;
use super::metrics::Trouble;
use super::probe::Probe;
use super::routes::{Known, Routes};
use super::subscriber::{Attached, BATCH, Subscriber};
use crate::broker::{BrokerError, BrokerEvent};

pub(super) struct Ear {
    pub(super) post: Post,
    pub(super) requests: mpsc::Receiver<Request>,
}

/// Where an ear is, and what it needs there.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) master: Arc<Master>,
    pub(super) commands: Arc<Commands>,
    pub(super) routes: Arc<Routes>,
    pub(super) keys: Keys,
    /// This node's name.
    pub(super) node: String,
}

/// A channel that Redis has not acknowledged yet.
struct Waiting {
    /// Which asking it is.
    number: u64,
    answers: Vec<Answer>,
    /// It was attached before, at another master or under another layout.
    taken_over: bool,
}

/// What a command on the subscriber came to: its channel and number if it attaches.
type Outcome = (Option<(Box<str>, u64)>, FredResult<()>);
type Command = BoxFuture<'static, Outcome>;

/// What is under way on one connection.
#[derive(Default)]
struct Work {
    pending: HashMap<Box<str>, Waiting>,
    commands: FuturesUnordered<Command>,
    /// To be taken over.
    backlog: BTreeSet<Box<str>>,
    number: u64,
}

/// The connection is deaf or broken, or what is attached on it is not known any more.
struct Broken;

impl Ear {
    pub(super) async fn run(mut self) {
        let Post {
            master,
            commands,
            routes,
            ..
        } = self.post.clone();
        loop {
            let mut subscriber = tokio::select! {
                () = master.end.cancelled() => return,
                subscriber = Subscriber::connect(&self.post) => subscriber,
                () = refuse_all(&mut self.requests, &self.post) => return,
            };
            commands.link.set(master.id, Part::Hearing, true);
            routes.begin(master.id);
            let mut work = Work::default();
            tokio::select! {
                () = master.end.cancelled() => {}
                () = subscriber.line.lost() => {}
                _ = self.serve(&mut subscriber.attached, &subscriber.line.mouthpiece, &mut work) => {}
            }
            // After this nothing old can follow what is new.
            subscriber.line.end().await;
            self.abandon(work);
            commands.link.set(master.id, Part::Hearing, false);
            routes.end(master.id);
            if master.end.is_cancelled() {
                return;
            }
            commands.metrics.count(Trouble::Lost);
        }
    }

    /// Takes requests until the connection turns out to be of no use.
    async fn serve(
        &mut self,
        attached: &mut Attached,
        redis: &Mouthpiece,
        work: &mut Work,
    ) -> Result<(), Broken> {
        let mut layouts = self.post.commands.layouts();
        layouts.mark_changed();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            let room = work.commands.len() < BATCH;
            let command = tokio::select! {
                Some(outcome) = work.commands.next(), if !work.commands.is_empty() => {
                    self.settle(work, outcome)?;
                    None
                }
                () = std::future::ready(()), if room && !work.backlog.is_empty() => {
                    work.backlog.pop_first().and_then(|channel| self.take_over(work, redis, channel))
                }
                Some(request) = self.requests.recv(), if room => self.take(work, redis, request),
                Ok(()) = layouts.changed() => {
                    layouts.borrow_and_update();
                    self.compare(attached, redis, work).await?;
                    None
                }
                _ = tick.tick() => {
                    self.post.routes.outlet.flush();
                    self.find_strays(work);
                    attached.prove(&self.post.commands).await?;
                    None
                }
            };
            // Polled once, it is in the connection's queue, in the order of the requests.
            if let Some(mut command) = command {
                match futures_util::poll!(&mut command) {
                    Poll::Pending => work.commands.push(command),
                    Poll::Ready(outcome) => self.settle(work, outcome)?,
                }
            }
        }
    }

    /// A new layout: what has come to this master is taken over. If anything happened meanwhile, a slot may
    /// have gone and come back, which ends subscriptions without a word: then everything is.
    async fn compare(
        &self,
        attached: &mut Attached,
        redis: &Mouthpiece,
        work: &mut Work,
    ) -> Result<(), Broken> {
        let Post { master, routes, .. } = &self.post;
        let layout = self.post.commands.layout();
        let anew = layout.epoch() != attached.epoch;
        attached.epoch = layout.epoch();
        work.backlog.extend(routes.of(master.id, &layout, anew));
        let probe = attached
            .probe
            .take()
            .filter(|probe| probe.is_of(&layout, master.id));
        let kept = probe.is_some() && !anew;
        attached.probe = probe.or_else(|| Probe::pick(&self.post.keys, &self.post.node, &layout, master.id));
        match &attached.probe {
            Some(probe) if !kept => redis.subscribe(&probe.channel, false).await.or_else(|error| {
                // It has moved on already: the next layout says where to.
                match Cause::of(&error) {
                    Cause::Moved | Cause::Moving => Ok(()),
                    _ => Err(Broken),
                }
            }),
            _ => Ok(()),
        }
    }

    /// What no master took over, because it was sent to and fro between two.
    fn find_strays(&self, work: &mut Work) {
        let layout = self.post.commands.layout();
        if layout.masters().len() > 1 {
            work.backlog
                .extend(self.post.routes.of(self.post.master.id, &layout, false));
        }
    }

    fn take_over(&self, work: &mut Work, redis: &Mouthpiece, channel: Box<str>) -> Option<Command> {
        if work.pending.contains_key(&channel) {
            return None;
        }
        let bare = self.post.routes.claim(&channel, self.post.master.id)?;
        Some(self.attach(work, redis, channel, bare, true, None))
    }

    fn attach(
        &self,
        work: &mut Work,
        redis: &Mouthpiece,
        channel: Box<str>,
        bare: bool,
        taken_over: bool,
        answer: Option<Answer>,
    ) -> Command {
        work.number += 1;
        let number = work.number;
        let waiting = Waiting {
            number,
            answers: Vec::from_iter(answer),
            taken_over,
        };
        work.pending.insert(channel.clone(), waiting);
        let (redis, metrics) = (redis.clone(), self.post.commands.metrics.clone());
        Box::pin(async move {
            let started = Instant::now();
            let outcome = redis.subscribe(&channel, bare).await;
            metrics.observe("ssubscribe", started);
            (Some((channel, number)), outcome)
        })
    }

    /// The command that a request needs, if any.
    fn take(&self, work: &mut Work, redis: &Mouthpiece, request: Request) -> Option<Command> {
        let Post { master, routes, .. } = &self.post;
        let Request {
            channel,
            wish,
            answer,
        } = request;
        match wish {
            Wish::Attach(route, slot) => {
                if let Some(waiting) = work.pending.get_mut(&channel) {
                    waiting.answers.push(answer);
                    return None;
                }
                let bare = route.bare.is_some();
                let taken_over = match routes.insert(&channel, route, slot, master.id) {
                    Known::Here => {
                        let _ = answer.send(Ok(()));
                        return None;
                    }
                    Known::Elsewhere => true,
                    Known::New => false,
                };
                Some(self.attach(work, redis, channel, bare, taken_over, Some(answer)))
            }
            Wish::Detach { bare, slot } => {
                let was_there = routes.remove(&channel);
                // Whoever still waits for it to be attached is overtaken.
                for waiting in work
                    .pending
                    .remove(&channel)
                    .into_iter()
                    .flat_map(|one| one.answers)
                {
                    let _ = waiting.send(Ok(()));
                }
                let layout = self.post.commands.layout();
                let ours = layout.of(slot).is_some_and(|owner| owner.id == master.id);
                // What has moved away is not heard here any more, and Redis would say so by an error.
                if !was_there || !(bare || ours) {
                    let _ = answer.send(Ok(()));
                    return None;
                }
                let redis = redis.clone();
                Some(Box::pin(async move {
                    let outcome = redis.unsubscribe(&channel, bare).await;
                    let _ = answer.send(Ok(()));
                    (None, outcome)
                }))
            }
        }
    }

    /// Tells those who wait.
    fn settle(&self, work: &mut Work, (attached, outcome): Outcome) -> Result<(), Broken> {
        let Post { master, routes, .. } = &self.post;
        let cause = outcome.as_ref().err().map(Cause::of);
        if matches!(cause, Some(Cause::Connection | Cause::Timeout)) {
            return Err(Broken);
        }
        let Some((channel, number)) = attached else {
            return outcome.map_err(|_| Broken);
        };
        // Another number: it was detached and asked for again meanwhile.
        if work
            .pending
            .get(&channel)
            .is_none_or(|current| current.number != number)
        {
            return Ok(());
        }
        let Some(waiting) = work.pending.remove(&channel) else {
            return Ok(());
        };
        let moved = matches!(cause, Some(Cause::Moved | Cause::Moving));
        match &outcome {
            Ok(()) if waiting.taken_over => self.tell_gap(&channel),
            Ok(()) => {}
            Err(_) if waiting.taken_over && moved => {
                routes.disown(&channel, master.id);
                self.post.commands.doubt_layout();
            }
            Err(_) if waiting.taken_over => return Err(Broken),
            Err(_) => routes.give_up(&channel, master.id),
        }
        for answer in waiting.answers {
            let _ = answer.send(match &outcome {
                Ok(()) => Ok(()),
                Err(_) if moved => Err(Refusal::Moved),
                Err(error) => Err(Refusal::Error(BrokerError::Internal(error.details().to_owned()))),
            });
        }
        Ok(())
    }

    /// Between two masters something may have been missed.
    fn tell_gap(&self, channel: &str) {
        let routes = &self.post.routes;
        if let Some(topic) = routes.topic(channel) {
            routes.ends.suspect(Some(&topic));
            routes.outlet.send(BrokerEvent::Gap { topic: Some(topic) });
        }
    }

    /// The connection is gone. What was attached before stays so, and is attached again with the next one.
    fn abandon(&self, work: Work) {
        for (channel, waiting) in work.pending {
            if !waiting.taken_over {
                self.post.routes.give_up(&channel, self.post.master.id);
            }
            for answer in waiting.answers {
                let _ = answer.send(if waiting.taken_over {
                    Ok(())
                } else {
                    Err(Refusal::unavailable(&self.post.commands))
                });
            }
        }
    }
}

impl Attached {
    async fn prove(&mut self, commands: &Commands) -> Result<(), Broken> {
        if let Some(probe) = &mut self.probe
            && !probe.proves_to_hear(commands, &self.heard).await
        {
            tracing::warn!("Redis is connected but nothing published is heard; connecting anew");
            return Err(Broken);
        }
        Ok(())
    }
}

/// While there is no connection: attaching fails at once, detaching is remembered.
async fn refuse_all(requests: &mut mpsc::Receiver<Request>, post: &Post) {
    while let Some(request) = requests.recv().await {
        let answer = match request.wish {
            Wish::Attach(..) => Err(Refusal::unavailable(&post.commands)),
            Wish::Detach { .. } => {
                post.routes.remove(&request.channel);
                Ok(())
            }
        };
        let _ = request.answer.send(answer);
    }
}
