//! What a client has asked for and what it may ask for next: a state machine without sockets, clocks or
//! tasks. Commands, outcomes and times go in, [`Effect`]s come out.
//!
//! Commands on one topic take effect in the order they were sent: each topic with a command under way
//! has a lane, in which the next ones wait. Commands on different topics, and jobs, overtake each other.

mod age;
mod auth;
mod bearer;
mod effect;
mod heartbeat;
mod lane;
mod limit;
mod refuse;
mod submit;
#[cfg(test)]
mod tests;
mod unsubscribe;

pub(crate) use effect::{Effect, Operation, Outcome, Ticket, Work};
pub(crate) use limit::{history_limit, members_limit};
pub(crate) use refuse::{inbox as check_inbox, presence as check_presence};

use std::sync::Arc;

use hashbrown::HashSet;
use tidegate_shared::broker::{Draft, From};
use tidegate_shared::code::{CloseCode, ErrorCode};
use tidegate_shared::config::Config;
use tidegate_shared::name::UserId;
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;
use tokio::time::Instant;

use crate::dialect::{Command, DecodeError, Failure, Reply, Request};
use crate::outbox::Order;
use age::Age;
use bearer::Bearer;
use heartbeat::Heartbeat;
use lane::{Lanes, Waiting};
use unsubscribe::ends_subscription;

/// Commands of one connection that run or wait. When it is reached nothing more is read from it.
pub(crate) const COMMANDS: u16 = 64;
/// Messages in a row that are no commands, before the connection is closed.
const RUBBISH: u8 = 10;
/// What metrics call what the server does by itself.
pub(crate) const BY_API: &str = "by_api";

#[derive(Debug)]
pub(crate) struct Session {
    config: Arc<Config>,
    subscriptions: HashSet<Topic>,
    /// Subscriptions that are being made.
    joining: u16,
    lanes: Lanes,
    /// Commands that run or wait.
    commands: u16,
    rubbish: u8,
    heartbeat: Heartbeat,
    age: Age,
    /// `None`: anonymous.
    bearer: Option<Box<Bearer>>,
}

impl Session {
    /// `jitter` from 0 to 1 spreads the pings of many sessions over the interval.
    pub(crate) fn new(config: Arc<Config>, now: Instant, jitter: f64) -> Self {
        let heartbeat = Heartbeat::new(config.limits.ping, now, jitter);
        let age = Age::new(&config, now, jitter);
        Self {
            config,
            subscriptions: HashSet::new(),
            joining: 0,
            lanes: Lanes::default(),
            commands: 0,
            rubbish: 0,
            heartbeat,
            age,
            bearer: None,
        }
    }

    /// The session of a client that only listens, to whatever there is: it is never idle.
    pub(crate) fn of_listener(config: Arc<Config>, now: Instant, jitter: f64) -> Self {
        let age = Age::of_listener(&config, now, jitter);
        Self {
            age,
            ..Self::new(config, now, jitter)
        }
    }

    /// Whether another command may come.
    pub(crate) fn is_ready(&self) -> bool {
        self.commands < COMMANDS
    }

    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &Topic> {
        self.subscriptions.iter()
    }

    /// When [`Session::on_tick`] is to be called next.
    pub(crate) fn deadline(&self) -> Instant {
        let heartbeat = self.heartbeat.deadline();
        self.age_deadline().map_or(heartbeat, |at| at.min(heartbeat))
    }

    pub(crate) fn on_tick(&mut self, now: Instant) -> Vec<Effect> {
        let heartbeat = self.heartbeat.on_tick(now, &self.config.limits);
        heartbeat.into_iter().chain(self.on_age(now)).collect()
    }

    /// When [`Session::on_age`] is to be called next, if ever.
    pub(crate) fn age_deadline(&self) -> Option<Instant> {
        let bearer = self.bearer.as_ref().map(|bearer| bearer.deadline());
        [self.age.deadline(), bearer].into_iter().flatten().min()
    }

    /// [`Session::on_tick`] for a client that is not asked whether it is there.
    pub(crate) fn on_age(&mut self, now: Instant) -> Vec<Effect> {
        let bearer = self.bearer.as_mut().and_then(|bearer| bearer.on_tick(now));
        self.age.on_tick(now).into_iter().chain(bearer).collect()
    }

    /// Whether [`Session::on_traffic`] is to be called.
    pub(crate) fn minds_traffic(&self) -> bool {
        self.age.minds_traffic()
    }

    /// A message has come or gone.
    pub(crate) fn on_traffic(&mut self, now: Instant) {
        self.age.on_traffic(now, &self.config);
    }

    /// The client has sent something, whatever it was: it is alive.
    pub(crate) fn on_sign_of_life(&mut self) {
        self.heartbeat.on_sign_of_life();
    }

    pub(crate) fn on_command(&mut self, request: Request) -> Vec<Effect> {
        self.rubbish = 0;
        let mut effects = Vec::new();
        let Request { id, command } = request;
        match command {
            Command::Ping => effects.push(Effect::reply("ping", id, Reply::Pong)),
            Command::Auth { token } => effects.push(Effect::Verify { id, token }),
            Command::Submit(job) => self.submit(id, *job, &mut effects),
            Command::Cancel { job } => self.cancel(id, job, &mut effects),
            Command::Subscribe { ref topic, .. }
            | Command::Unsubscribe { ref topic }
            | Command::Publish { ref topic, .. }
            | Command::Set { ref topic, .. }
            | Command::Remove { ref topic, .. }
            | Command::Presence { ref topic, .. }
            | Command::History { ref topic, .. } => {
                let topic = topic.clone();
                self.commands += 1;
                self.enter(topic, Waiting::Command { id, command }, &mut effects);
            }
        }
        effects
    }

    /// The server wants something of this session; it takes its turn among the client's commands.
    pub(crate) fn on_order(&mut self, order: Order) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.commands += 1;
        self.enter(order.topic().clone(), Waiting::Order(order), &mut effects);
        effects
    }

    /// A message that is no command.
    pub(crate) fn on_rubbish(&mut self, error: DecodeError) -> Vec<Effect> {
        let (id, failure) = match error {
            DecodeError::Rubbish { id, failure } => {
                self.rubbish = self.rubbish.saturating_add(1);
                (id, failure)
            }
            DecodeError::Unsupported { id, failure } => (id, failure),
        };
        let mut effects = vec![Effect::reply("invalid", id, Reply::Failed(failure))];
        if self.rubbish >= RUBBISH {
            effects.push(Effect::Close(CloseCode::BadRequest));
        }
        effects
    }

    /// An operation has ended.
    pub(crate) fn on_done(&mut self, ticket: Ticket, outcome: Outcome) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Ticket { id, action, topic } = ticket;
        match outcome {
            Outcome::Replied(reply) => effects.push(Effect::reply(action, id, reply)),
            Outcome::Joined(Ok(())) => {
                self.joining -= 1;
                self.subscriptions.extend(topic.clone());
                effects.push(Effect::Answered { action });
            }
            Outcome::Joined(Err(failure)) => {
                self.joining -= 1;
                effects.push(Effect::reply(action, id, Reply::Failed(failure)));
            }
            Outcome::Followed { joined, submitted } => {
                self.joining -= 1;
                match joined {
                    Ok(()) => {
                        self.subscriptions.extend(topic.clone());
                        effects.push(Effect::Answered { action });
                    }
                    Err(failure) => {
                        effects.push(Effect::reply(action, id, submitted));
                        effects.extend(
                            topic
                                .clone()
                                .map(|topic| Effect::Tell(Some(topic), refuse::not_followed(&failure))),
                        );
                    }
                }
            }
            Outcome::Submitted { result, follow } => {
                self.submitted(id, result, follow, &mut effects);
                return effects;
            }
        }
        self.commands -= 1;
        if let Some(topic) = topic {
            self.next(&topic, &mut effects);
        }
        effects
    }

    /// Begins a command, or lets it wait for those on the same topic.
    fn enter(&mut self, topic: Topic, waiting: Waiting, effects: &mut Vec<Effect>) {
        let Some(waiting) = self.lanes.enter(&topic, waiting) else {
            return;
        };
        if self.begin(&topic, waiting, effects) {
            self.lanes.occupy(topic);
        }
    }

    /// Begins what waits on a topic, until something takes time.
    fn next(&mut self, topic: &Topic, effects: &mut Vec<Effect>) {
        while let Some(waiting) = self.lanes.next(topic) {
            if self.begin(topic, waiting, effects) {
                return;
            }
        }
        self.lanes.free(topic);
    }

    /// Whether it takes time: then an operation has been started.
    fn begin(&mut self, topic: &Topic, waiting: Waiting, effects: &mut Vec<Effect>) -> bool {
        let (id, action, begun) = match waiting {
            Waiting::Command { id, command } => {
                let action = command.name();
                (id, action, self.begin_command(topic, command))
            }
            Waiting::Order(order) => (None, BY_API, self.begin_order(order)),
            Waiting::Follow { id, submitted, since } => {
                (id, "submit", self.begin_follow(topic, submitted, since))
            }
        };
        match begun {
            Begun::Takes(work) => {
                if let Work::Part { topic, .. } = &work {
                    self.end_subscription(topic, effects);
                }
                let ticket = Ticket {
                    id,
                    action,
                    topic: Some(topic.clone()),
                };
                effects.push(Effect::Start(Box::new(Operation { ticket, work })));
                true
            }
            Begun::Answered(reply) => {
                if ends_subscription(&reply) {
                    self.end_subscription(topic, effects);
                }
                self.commands -= 1;
                effects.push(Effect::reply(action, id, reply));
                false
            }
            Begun::Nothing => {
                self.commands -= 1;
                false
            }
        }
    }

    fn begin_order(&mut self, order: Order) -> Begun {
        match order {
            Order::Subscribe { topic, .. } if self.subscriptions.contains(&topic) => Begun::Nothing,
            Order::Subscribe { topic, since } => {
                if let Err(failure) = self.check_room() {
                    return Begun::Answered(Reply::Failed(failure));
                }
                self.joining += 1;
                Begun::Takes(Work::Join {
                    topic,
                    since,
                    announced: true,
                    lists: false,
                })
            }
            Order::Unsubscribe { topic } if self.subscriptions.contains(&topic) => {
                self.begin_unsubscribe(topic, true)
            }
            Order::Unsubscribe { .. } => Begun::Nothing,
        }
    }

    fn begin_command(&mut self, topic: &Topic, command: Command) -> Begun {
        let refused = refuse::command(&self.config, self.user(), topic, &command);
        if let Err(failure) = refused {
            return Begun::Answered(Reply::Failed(failure));
        }
        let topic = topic.clone();
        match command {
            Command::Subscribe { since, presence, .. } => {
                if self.subscriptions.contains(&topic) {
                    return Begun::Answered(Reply::Failed(Failure::new(
                        ErrorCode::AlreadySubscribed,
                        format!("this connection is subscribed to {topic} already"),
                    )));
                }
                if let Err(failure) = self.check_room() {
                    return Begun::Answered(Reply::Failed(failure));
                }
                self.joining += 1;
                Begun::Takes(Work::Join {
                    topic,
                    since,
                    announced: false,
                    lists: presence,
                })
            }
            Command::Unsubscribe { .. } => self.begin_unsubscribe(topic, false),
            Command::Publish { data, key, .. } => {
                let mut draft = Draft::new(Body::Message { data, event: None });
                draft.key = key;
                Begun::Takes(Work::Publish { topic, draft })
            }
            Command::Set { key, value, ttl, .. } => {
                let mut draft = Draft::new(Body::Set { key, value });
                draft.ttl = ttl;
                Begun::Takes(Work::Publish { topic, draft })
            }
            Command::Remove { key, .. } => {
                let draft = Draft::new(Body::Remove { key, expired: false });
                Begun::Takes(Work::Publish { topic, draft })
            }
            Command::Presence { limit, .. } => Begun::Takes(Work::Presence {
                topic,
                limit: members_limit(limit),
            }),
            Command::History { since, limit, .. } => Begun::Takes(Work::History {
                topic,
                from: since.map_or(From::Newest, From::After),
                limit: history_limit(limit),
            }),
            // These have no topic, so they never get here.
            Command::Ping | Command::Auth { .. } | Command::Submit(_) | Command::Cancel { .. } => {
                Begun::Answered(Reply::Pong)
            }
        }
    }

    fn user(&self) -> Option<&UserId> {
        self.bearer.as_ref().map(|bearer| bearer.user())
    }

    /// Whether there may be one more subscription.
    fn check_room(&self) -> Result<(), Failure> {
        let limit = self.config.limits.subscriptions_per_connection;
        if self.subscriptions.len() + usize::from(self.joining) < limit {
            return Ok(());
        }
        Err(Failure::new(
            ErrorCode::LimitExceeded,
            format!("a connection may have {limit} subscriptions: unsubscribe from another topic first"),
        ))
    }
}

/// How a command starts.
enum Begun {
    Answered(Reply),
    Takes(Work),
    /// It is so already.
    Nothing,
}
