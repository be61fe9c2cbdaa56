//! What a client has asked for and what it may ask for next: a state machine without sockets, clocks or
//! tasks. Commands, outcomes and times go in, [`Effect`]s come out.
//!
//! Commands on one topic take effect in the order they were sent: each topic with a command under way
//! has a lane, in which the next ones wait. Commands on different topics, and jobs, overtake each other.

mod age;
mod auth;
mod bearer;
mod begin;
mod call;
mod effect;
mod follows;
mod greeting;
mod heartbeat;
mod introduction;
mod lane;
mod limit;
mod order;
mod rate;
mod refuse;
mod rubbish;
mod submit;
#[cfg(test)]
mod tests;
mod unsubscribe;

pub(crate) use effect::{Effect, Operation, Outcome, Ticket, Work};
pub(crate) use limit::{history_limit, members_limit};
pub(crate) use refuse::presence as check_presence;
pub(crate) use rubbish::INVALID;

use std::sync::Arc;

use hashbrown::HashSet;
use tidegate_shared::config::Config;
use tidegate_shared::name::UserId;
use tidegate_shared::topic::Topic;
use tidegate_shared::trace::TraceContext;
use tokio::time::Instant;

use crate::dialect::{Command, Manner, Reply, Request};
use crate::identity::Identity;
use age::Age;
use bearer::Bearer;
use follows::Follows;
use greeting::Greeting;
use heartbeat::Heartbeat;
use lane::{Lanes, Waiting};
use rate::Rate;
use unsubscribe::ends_subscription;

/// Commands of one connection that run or wait. When it is reached nothing more is read from it.
pub(crate) const COMMANDS: u16 = 64;
/// What metrics call what the server does by itself.
pub(crate) const BY_API: &str = "by_api";

#[derive(Debug)]
pub(crate) struct Session {
    config: Arc<Config>,
    subscriptions: HashSet<Topic>,
    follows: Follows,
    /// Subscriptions that are being made.
    joining: u16,
    lanes: Lanes,
    /// Commands that run or wait.
    commands: u16,
    rubbish: u8,
    rate: Option<Box<Rate>>,
    /// Subscribes that do not count as commands: who comes back has as many to send as it had subscriptions.
    free_subscribes: u8,
    greeting: Greeting,
    heartbeat: Heartbeat,
    age: Age,
    /// `None`: anonymous.
    bearer: Option<Box<Bearer>>,
    /// When a client that has not said who it is must have. `None`: it need not, or has.
    stranger_until: Option<Box<Instant>>,
    /// A password is being checked. What comes after it waits: it may be allowed to the user alone.
    logging_in: bool,
    /// May do everything.
    trusted: bool,
    /// What its commands belong to, if the handshake has said so.
    trace: Option<Box<TraceContext>>,
}

impl Session {
    /// `jitter` from 0 to 1 spreads the pings of many sessions over the interval.
    pub(crate) fn new(config: Arc<Config>, now: Instant, jitter: f64) -> Self {
        let heartbeat = Heartbeat::new(config.limits.ping, now, jitter);
        let age = Age::new(&config, now, jitter);
        let free_subscribes = u8::try_from(config.limits.subscriptions_per_connection).unwrap_or(u8::MAX);
        Self {
            config,
            subscriptions: HashSet::new(),
            follows: Follows::default(),
            joining: 0,
            lanes: Lanes::default(),
            commands: 0,
            rubbish: 0,
            rate: None,
            free_subscribes,
            greeting: Greeting::default(),
            heartbeat,
            age,
            bearer: None,
            stranger_until: None,
            logging_in: false,
            trusted: false,
            trace: None,
        }
    }

    pub(crate) fn belongs_to(&mut self, trace: TraceContext) {
        self.trace = Some(Box::new(trace));
    }

    /// What a command belongs to.
    fn trace(&self, manner: Manner) -> Option<TraceContext> {
        manner.trace.or(self.trace.as_deref().copied())
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
        self.commands < COMMANDS && !self.logging_in && self.greeting.is_over()
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
        let bearer = self.bearer.as_ref().and_then(|bearer| bearer.deadline());
        let stranger = self.stranger_until.as_deref().copied();
        let all = [self.age.deadline(), bearer, stranger];
        all.into_iter().flatten().min()
    }

    /// [`Session::on_tick`] for a client that is not asked whether it is there.
    pub(crate) fn on_age(&mut self, now: Instant) -> Vec<Effect> {
        self.settle_rate(now);
        let bearer = self.bearer.as_mut().and_then(|bearer| bearer.on_tick(now));
        let late = self.late_introduction(now);
        self.age
            .on_tick(now)
            .into_iter()
            .chain(bearer)
            .chain(late)
            .collect()
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

    /// A command that came from the client itself, unless it sends too many.
    pub(crate) fn on_request(&mut self, request: Request, now: Instant) -> Vec<Effect> {
        if self.takes_free_one(&request) {
            return self.on_command(request);
        }
        let action = request.command.name();
        let refused = self.over_rate(now, action, request.id.as_ref());
        refused.unwrap_or_else(|| self.on_command(request))
    }

    pub(crate) fn on_command(&mut self, request: Request) -> Vec<Effect> {
        self.rubbish = 0;
        let mut effects = Vec::new();
        self.take_in(request, &mut effects);
        effects
    }

    fn take_in(&mut self, request: Request, effects: &mut Vec<Effect>) {
        let Request { id, command, manner } = request;
        match command {
            Command::Ping => effects.push(Effect::reply("ping", id, Reply::Pong)),
            Command::Auth { token } => effects.push(Effect::Verify { id, token }),
            Command::Login { user, password } => self.login(id, user, password, effects),
            Command::Choose { name, chosen } => {
                effects.push(Effect::Choose { name, chosen });
                effects.push(Effect::reply("choose", id, Reply::Chosen));
            }
            Command::Submit(job) => self.submit(id, *job, manner, effects),
            Command::Call(call) => self.call(id, call, manner, effects),
            Command::Cancel { job } => self.cancel(id, job, effects),
            Command::Subscribe { ref topic, .. }
            | Command::Unsubscribe { ref topic }
            | Command::Publish { ref topic, .. }
            | Command::Set { ref topic, .. }
            | Command::Remove { ref topic, .. }
            | Command::Presence { ref topic, .. }
            | Command::History { ref topic, .. } => {
                let topic = topic.clone();
                self.commands += 1;
                self.enter(topic, Waiting::Command { id, command, manner }, effects);
            }
        }
    }

    /// An operation has ended.
    pub(crate) fn on_done(&mut self, ticket: Ticket, outcome: Outcome) -> Vec<Effect> {
        let mut effects = self.finish(ticket, outcome);
        self.release_calls(&mut effects);
        self.greet_on(&mut effects);
        effects
    }

    fn finish(&mut self, ticket: Ticket, outcome: Outcome) -> Vec<Effect> {
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
                        if let Some(topic) = &topic {
                            self.follows.give_back(topic);
                        }
                        effects.push(Effect::reply(action, id, submitted));
                        effects.extend(
                            topic
                                .clone()
                                .map(|topic| Effect::Tell(Some(topic), refuse::not_followed(&failure))),
                        );
                    }
                }
            }
            Outcome::Verified { verified, ends } => effects.extend(self.verified_late(id, verified, ends)),
            Outcome::LoggedIn(result) => effects.extend(self.logged_in(id, result)),
            Outcome::Job { joined } => {
                if let Some(topic) = &topic {
                    self.job_joined(topic, joined);
                }
                effects.push(Effect::Answered { action });
            }
            Outcome::Submitted { job, result, follow } => {
                self.submitted(id, &job, result, follow, &mut effects);
                return effects;
            }
        }
        self.commands -= 1;
        if let Some(topic) = topic {
            self.next(&topic, &mut effects);
        }
        self.follow_waiting(&mut effects);
        effects
    }

    /// Begins a command, or lets it wait for those on the same topic.
    fn enter(&mut self, topic: Topic, waiting: Waiting, effects: &mut Vec<Effect>) {
        let orderly = self.is_orderly(&topic, &waiting);
        let Some(waiting) = self.lanes.enter(&topic, waiting, orderly) else {
            return;
        };
        if self.begin(&topic, waiting, effects) {
            self.lanes.occupy(topic, orderly);
        }
    }

    /// Whether the backend keeps the order of several of these, even if none waits for the one before.
    fn is_orderly(&self, topic: &Topic, waiting: &Waiting) -> bool {
        let publishes = |command: &Command| matches!(command, Command::Publish { .. });
        matches!(waiting, Waiting::Command { command, .. } if publishes(command))
            && self.config.namespaces.of(topic).publishes_in_order()
    }

    /// An operation on a topic has ended: begins what waits there, until something takes time.
    fn next(&mut self, topic: &Topic, effects: &mut Vec<Effect>) {
        self.lanes.leave(topic);
        while let Some((waiting, orderly)) = self.lanes.next(topic) {
            if self.begin(topic, waiting, effects) {
                self.lanes.occupy(topic.clone(), orderly);
            }
        }
        self.lanes.tidy(topic);
    }

    /// Whether it takes time: then an operation has been started.
    fn begin(&mut self, topic: &Topic, waiting: Waiting, effects: &mut Vec<Effect>) -> bool {
        let (id, action, begun) = match waiting {
            Waiting::Command { id, command, manner } => {
                let action = command.name();
                (id, action, self.begin_command(topic, command, manner))
            }
            Waiting::Order(order) => (None, BY_API, self.begin_order(order)),
            Waiting::Follow { id, submitted, since } => {
                (id, "submit", self.begin_follow(topic, submitted, since))
            }
            Waiting::Job { since } => (None, BY_API, self.begin_job(topic, since)),
        };
        match begun {
            Begun::Takes(work) => {
                // One that the server made gives way to the client's own.
                if let Work::Part { .. } | Work::Join { .. } | Work::Follow { .. } = &work {
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

    pub(crate) fn user(&self) -> Option<&UserId> {
        self.who().map(|identity| &identity.user)
    }

    /// `None`: anonymous.
    fn who(&self) -> Option<&Identity> {
        self.bearer.as_ref().map(|bearer| bearer.identity())
    }

    /// From now on nobody is asked whether this client may: the server itself wants it so.
    pub(crate) fn trust(&mut self) {
        self.trusted = true;
    }
}

/// How a command starts.
enum Begun {
    Answered(Reply),
    Takes(Work),
    /// It is so already.
    Nothing,
}
