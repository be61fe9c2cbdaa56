//! What a topic's namespace decides: its kind, its log, how slow clients are treated, who may do what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::job::Queues;
use crate::topic::{Reserved, Topic};

/// What the snapshot of a topic is, and whether it has a log at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicKind {
    /// Messages, and no snapshot.
    Plain,
    /// A map of keys to values, changed by `set` and `remove`.
    State,
    /// A job's record. Only the namespaces `job` and `jobs` are of this kind.
    Job,
    /// A literal Redis Pub/Sub channel: no log, no positions.
    Bare,
}

/// What happens to a client that does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowPolicy {
    /// When its outbox is full it is closed.
    Close,
    /// It gets the newest of each topic, or of each key, and is told how many it did not get.
    Latest,
    /// It reads the log as fast as it can. Needs a log.
    CatchUp,
}

/// Who may do something with a topic. Binds clients only, never `/api`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Anyone,
    /// Any client that has authenticated.
    Users,
    /// The user whose name is the topic's last part.
    Owner,
    /// Who has a token with a matching pattern.
    Token,
    Nobody,
}

impl Access {
    pub const ALL: [Self; 5] = [Self::Anyone, Self::Users, Self::Owner, Self::Token, Self::Nobody];

    /// As the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Users => "users",
            Self::Owner => "owner",
            Self::Token => "token",
            Self::Nobody => "nobody",
        }
    }
}

/// Settings of one namespace; sizes are bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Namespace {
    pub name: Box<str>,
    pub kind: TopicKind,
    /// Publications kept in the log. 0: fire and forget, no positions; a state topic keeps at least one.
    pub log_size: u32,
    /// The log is dropped this long after the last publication.
    pub log_ttl: Duration,
    pub presence: bool,
    pub join_leave: bool,
    pub slow: SlowPolicy,
    /// Time to live of a state topic's keys; zero: for ever.
    pub key_ttl: Duration,
    /// Most keys of a state topic.
    pub max_keys: u32,
    /// Most bytes of all keys and values of a state topic together.
    pub max_bytes: usize,
    /// Largest `data` or `value`.
    pub max_data: usize,
    /// Of one client of one node, with a burst of twice as many; 0: any number.
    pub publishes_per_second: u32,
    pub subscribe: Access,
    pub publish: Access,
    pub set: Access,
    pub history: Access,
    pub see_presence: Access,
}

impl Namespace {
    /// The defaults of the namespace `default`, and so of every other.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            kind: TopicKind::Plain,
            log_size: 100,
            log_ttl: Duration::from_secs(300),
            presence: false,
            join_leave: false,
            slow: SlowPolicy::Close,
            key_ttl: Duration::ZERO,
            max_keys: 10_000,
            max_bytes: 8 * 1024 * 1024,
            max_data: 64 * 1024,
            publishes_per_second: 0,
            subscribe: Access::Users,
            publish: Access::Token,
            set: Access::Token,
            history: Access::Users,
            see_presence: Access::Users,
        }
    }

    /// Lets anyone do everything.
    pub fn open_to_anyone(&mut self) {
        for access in [
            &mut self.subscribe,
            &mut self.publish,
            &mut self.set,
            &mut self.history,
            &mut self.see_presence,
        ] {
            *access = Access::Anyone;
        }
    }

    /// The fixed settings of `job:` and `jobs:`. The log outlives the job by its retention, which the
    /// job queue sets when the job ends. Nobody is cut off from a job for being slow.
    fn of_jobs(name: &str) -> Self {
        Self {
            kind: TopicKind::Job,
            log_size: 1_000,
            log_ttl: Duration::from_secs(24 * 3600),
            slow: SlowPolicy::CatchUp,
            ..Self::new(name)
        }
    }

    /// Whether publications have positions.
    pub fn has_log(&self) -> bool {
        self.log_length() > 0
    }

    /// Whether messages that are published one after the other, each before the one before was answered, keep their
    /// order: see [`Broker::publish`](crate::broker::Broker::publish).
    pub fn publishes_in_order(&self) -> bool {
        self.kind == TopicKind::Plain && self.has_log()
    }

    /// How many publications the log keeps, which depends on the kind as well. A map without positions
    /// could not be followed, so a state topic has a log in any case.
    pub fn log_length(&self) -> u32 {
        match self.kind {
            TopicKind::Bare => 0,
            TopicKind::State => self.log_size.max(1),
            TopicKind::Plain | TopicKind::Job => self.log_size,
        }
    }
}

/// All namespaces. Unknown ones are treated as `default`.
#[derive(Debug, Clone)]
pub struct Namespaces {
    default: Arc<Namespace>,
    job: Arc<Namespace>,
    jobs: Arc<Namespace>,
    named: BTreeMap<Box<str>, Arc<Namespace>>,
    queues: Queues,
}

impl Namespaces {
    /// The caller has made sure that no name comes twice and that none is `job` or `jobs`.
    pub fn new(default: Namespace, others: impl IntoIterator<Item = Namespace>) -> Self {
        Self {
            default: Arc::new(default),
            job: Arc::new(Namespace::of_jobs("job")),
            jobs: Arc::new(Namespace::of_jobs("jobs")),
            named: others
                .into_iter()
                .map(|one| (one.name.clone(), Arc::new(one)))
                .collect(),
            queues: Queues::default(),
        }
    }

    /// The namespaces of the endpoints that there are without a configuration; what they do not set is as
    /// in `default`.
    pub fn built_in(default: &Namespace) -> impl Iterator<Item = Namespace> {
        let arma = Namespace {
            name: "arma".into(),
            kind: TopicKind::State,
            slow: SlowPolicy::Latest,
            ..default.clone()
        };
        // What came over while a client was away is asked for by HTTP.
        let ark = Namespace {
            name: "ark".into(),
            log_size: 1_000,
            log_ttl: Duration::from_secs(24 * 3600),
            slow: SlowPolicy::CatchUp,
            ..default.clone()
        };
        // A player that comes back soon is told what it missed, as far as its client can ask.
        let mud = Namespace {
            name: "mud".into(),
            log_size: 100,
            log_ttl: Duration::from_secs(300),
            presence: true,
            ..default.clone()
        };
        let mudworld = Namespace {
            name: "mudworld".into(),
            kind: TopicKind::State,
            log_size: 100,
            max_keys: 10_000,
            ..default.clone()
        };
        // A message of it says all there is.
        let pileup = Namespace {
            name: "pileup".into(),
            kind: TopicKind::State,
            presence: true,
            slow: SlowPolicy::CatchUp,
            ..default.clone()
        };
        // What the control plane knows: its application looks there, its clients do not.
        let ark_state = Namespace {
            name: "ark-state".into(),
            kind: TopicKind::State,
            slow: SlowPolicy::Latest,
            ..default.clone()
        };
        // Whether anybody follows what a server uses is what presence says.
        let bedrock = Namespace {
            name: "bedrock".into(),
            presence: true,
            ..default.clone()
        };
        let watched = Namespace {
            name: "bedrock-watched".into(),
            kind: TopicKind::State,
            ..default.clone()
        };
        [arma, ark, ark_state, mud, mudworld, pileup, bedrock, watched].into_iter()
    }

    /// The same, with other policies for the queues of jobs.
    #[must_use]
    pub fn with_queues(self, queues: Queues) -> Self {
        Self { queues, ..self }
    }

    /// What others take what they don't set from.
    pub fn default_namespace(&self) -> &Namespace {
        &self.default
    }

    /// Lets anyone do everything with the topics of all of them.
    pub fn open_to_anyone(&mut self) {
        for namespace in self.named.values_mut().chain([&mut self.default]) {
            Arc::make_mut(namespace).open_to_anyone();
        }
    }

    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The largest `data` that any topic takes, in bytes: nothing larger needs to be read.
    pub fn largest_data(&self) -> usize {
        let others = self.named.values().map(|one| one.max_data);
        others.fold(self.default.max_data, usize::max)
    }

    /// Whether the configuration has a namespace of this name, beside `default`.
    pub fn is_named(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    pub fn of(&self, topic: &Topic) -> &Arc<Namespace> {
        match topic.reserved() {
            Some(Reserved::Job(_)) => &self.job,
            Some(Reserved::Jobs(_)) => &self.jobs,
            Some(Reserved::Nothing | Reserved::User(_)) | None => {
                self.named.get(topic.namespace()).unwrap_or(&self.default)
            }
        }
    }
}

impl Default for Namespaces {
    fn default() -> Self {
        let default = Namespace::new(Topic::DEFAULT_NAMESPACE);
        let built_in: Vec<Namespace> = Self::built_in(&default).collect();
        Self::new(default, built_in)
    }
}
