//! Every key and channel of this backend, in one place. Keys that a script uses together have the same
//! hash tag, and so live in one slot of a Cluster. Names can't contain braces, so no name can leave its
//! tag or run into another key.

use crate::call::CallId;
use crate::job::{JobId, JobState};
use crate::name::{IdempotencyKey, MethodGroup, QueueName, UserId};
use crate::topic::{Reserved, Topic};

/// Prefix of the literal channels of `bare` topics. Fixed: programs in other languages publish there.
const BARE: &str = "tidegate:";

#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: Box<str>,
}

/// The keys of one topic.
#[derive(Debug)]
pub(super) struct TopicKeys {
    /// What orders the writes and picks the slot.
    pub(super) tag: String,
    /// All keys of the topic begin like this; `publish.lua` builds them too.
    pub(super) base: String,
    /// The record, if this is a job's topic.
    pub(super) record: Option<String>,
}

impl TopicKeys {
    pub(super) fn log(&self) -> String {
        format!("{}:log", self.base)
    }

    /// Where the numbering is. A job has its own in its record, one key less for each job.
    pub(super) fn meta(&self) -> String {
        match &self.record {
            Some(record) => record.clone(),
            None => format!("{}:meta", self.base),
        }
    }

    /// A job's channel is named as its record: scripts need not make another name.
    pub(super) fn channel(&self) -> String {
        match &self.record {
            Some(record) => record.clone(),
            None => format!("{}:ch", self.base),
        }
    }

    /// The map of a state topic.
    pub(super) fn state(&self) -> String {
        format!("{}:state", self.base)
    }

    /// When its keys end.
    pub(super) fn ends(&self) -> String {
        format!("{}:ends", self.base)
    }

    /// Log, meta, channel, map and ends: the first keys of every script on a state topic.
    pub(super) fn of_state(&self) -> Vec<String> {
        vec![self.log(), self.meta(), self.channel(), self.state(), self.ends()]
    }

    /// The leases of the nodes whose sessions are present.
    pub(super) fn presence(&self) -> String {
        format!("{}:presence", self.base)
    }

    /// The sessions of one node; `presence.lua` builds it too.
    pub(super) fn sessions(&self, node: &str) -> String {
        format!("{}:presence:{node}", self.base)
    }

    pub(super) fn idempotency(&self, key: &IdempotencyKey) -> String {
        format!("{}:key:{key}", self.base)
    }
}

/// The keys of one slot of a queue.
#[derive(Debug)]
pub(super) struct QueueKeys {
    /// What orders the writes and picks the slot.
    pub(super) tag: String,
    base: String,
}

/// What the keys of `job.lua` end with.
const PARTS: [&str; 13] = [
    "job:",
    "all:log",
    "all:meta",
    "all:ch",
    "lease",
    "succeeded",
    "cancelled",
    "dead",
    "ready",
    "due",
    "retry",
    "wake",
    "paused",
];

impl QueueKeys {
    /// What a job's record key is without the id.
    pub(super) fn records(&self) -> String {
        format!("{}job:", self.base)
    }

    /// The first keys of every script that changes jobs, as `job.lua` lists them. A script is given as many
    /// as it uses; the keys of jobs it builds from the first.
    pub(super) fn first(&self, count: usize) -> Vec<String> {
        let parts = PARTS.iter().take(count);
        parts.map(|part| format!("{}{part}", self.base)).collect()
    }

    /// The set of jobs in a state.
    pub(super) fn shelf(&self, state: JobState) -> String {
        let part = match state {
            JobState::Running => "lease",
            JobState::Succeeded => "succeeded",
            JobState::Cancelled => "cancelled",
            JobState::Failed => "dead",
            JobState::Queued => "ready",
            JobState::Scheduled => "due",
            JobState::Retrying => "retry",
        };
        format!("{}{part}", self.base)
    }

    /// Definitions and next ticks of the queue's schedules.
    pub(super) fn schedules(&self) -> Vec<String> {
        ["schedules", "ticks"]
            .map(|part| format!("{}{part}", self.base))
            .into()
    }

    /// Queued jobs that wait for their concurrency key; scripts build it, too.
    pub(super) fn parked(&self) -> String {
        format!("{}parked", self.base)
    }

    pub(super) fn leases(&self) -> String {
        format!("{}lease", self.base)
    }

    /// What wakes those who wait for its jobs.
    pub(super) fn bell(&self) -> Bell {
        Bell {
            tag: self.tag.clone(),
            key: format!("{}wake", self.base),
        }
    }

    pub(super) fn idempotency(&self, key: &IdempotencyKey) -> String {
        format!("{}key:{key}", self.base)
    }
}

/// A list of tokens, each of which wakes one who waits, and the tag that picks its slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Bell {
    pub(super) tag: String,
    pub(super) key: String,
}

/// The keys of a group of methods.
#[derive(Debug)]
pub(super) struct CallKeys {
    pub(super) tag: String,
    base: String,
}

impl CallKeys {
    /// The calls that nobody has taken.
    pub(super) fn waiting(&self) -> String {
        format!("{}waiting", self.base)
    }

    /// Of a serial group: who runs a call.
    pub(super) fn turn(&self) -> String {
        format!("{}turn", self.base)
    }

    /// The methods that are served, by the time until which they are.
    pub(super) fn methods(&self) -> String {
        format!("{}methods", self.base)
    }

    /// The workers that serve them, by the time until which they do.
    pub(super) fn workers(&self) -> String {
        format!("{}workers", self.base)
    }

    /// What each of them serves.
    pub(super) fn services(&self) -> String {
        format!("{}services", self.base)
    }

    /// What the keys of running calls begin with; `take.lua` builds them.
    pub(super) fn all_running(&self) -> String {
        format!("{}running:", self.base)
    }

    pub(super) fn running(&self, id: CallId) -> String {
        format!("{}running:{id}", self.base)
    }

    pub(super) fn bell(&self) -> Bell {
        Bell {
            tag: self.tag.clone(),
            key: format!("{}wake", self.base),
        }
    }
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    pub(super) fn topic(&self, topic: &Topic) -> TopicKeys {
        match topic.reserved() {
            Some(Reserved::Job(id)) => {
                let queue = self.slot(id.queue(), id.shard());
                let record = format!("{}job:{id}", queue.base);
                TopicKeys {
                    tag: queue.tag,
                    base: record.clone(),
                    record: Some(record),
                }
            }
            Some(Reserved::Jobs(queue)) => {
                let queue = self.queue(&queue);
                TopicKeys {
                    base: format!("{}all", queue.base),
                    tag: queue.tag,
                    record: None,
                }
            }
            Some(Reserved::User(_) | Reserved::Nothing) | None => TopicKeys {
                tag: format!("t:{topic}"),
                base: format!("{}:{{t:{topic}}}", self.prefix),
                record: None,
            },
        }
    }

    /// A queue's only slot so far.
    pub(super) fn queue(&self, queue: &QueueName) -> QueueKeys {
        self.slot(queue.as_str(), 0)
    }

    pub(super) fn of_job(&self, id: &JobId) -> QueueKeys {
        self.slot(id.queue(), id.shard())
    }

    fn slot(&self, queue: &str, shard: u16) -> QueueKeys {
        let tag = format!("q:{queue}:{shard}");
        QueueKeys {
            base: format!("{}:{{{tag}}}:", self.prefix),
            tag,
        }
    }

    pub(super) fn calls(&self, group: &MethodGroup) -> CallKeys {
        let tag = format!("c:{group}");
        CallKeys {
            base: format!("{}:{{{tag}}}:", self.prefix),
            tag,
        }
    }

    /// What orders, and the channel on which, a node hears answers to its calls.
    pub(super) fn answers(&self, node: &str) -> (String, String) {
        let tag = format!("a:{node}");
        let channel = format!("{}:{{{tag}}}:ch", self.prefix);
        (tag, channel)
    }

    /// The literal channel of a bare topic.
    pub(super) fn bare(topic: &Topic) -> String {
        format!("{BARE}{topic}")
    }

    /// Picks the slot of the list of queues.
    pub(super) const QUEUES: &str = "queues";

    /// The names of all queues, by when they were last used.
    pub(super) fn queues(&self) -> String {
        format!("{}:{{{}}}:names", self.prefix, Self::QUEUES)
    }

    /// Picks the slot of the list of schedules.
    pub(super) const SCHEDULES: &str = "schedules";

    /// The queue of each schedule.
    pub(super) fn schedules(&self) -> String {
        format!("{}:{{{}}}:queues", self.prefix, Self::SCHEDULES)
    }

    /// What orders and where are the jobs of a user.
    pub(super) fn of_user(&self, user: &UserId) -> (String, String) {
        let tag = format!("u:{user}");
        let key = format!("{}:{{{tag}}}:jobs", self.prefix);
        (tag, key)
    }

    /// What all nodes have in common; picks the slot.
    pub(super) const NODES: &str = "nodes";

    /// The list of nodes, and when its entries end.
    pub(super) fn nodes(&self) -> Vec<String> {
        ["info", "ends"]
            .map(|part| format!("{}:{{{}}}:{part}", self.prefix, Self::NODES))
            .into()
    }

    /// The channel on which every node hears what all are told.
    pub(super) fn control(&self) -> String {
        format!("{}:{{{}}}:ch", self.prefix, Self::NODES)
    }

    /// A channel on which a node hears itself, and its tag: the number picks the slot.
    pub(super) fn probe(&self, node: &str, number: u32) -> (String, String) {
        let tag = format!("n:{node}:{number}");
        (format!("{}:{{{tag}}}:probe", self.prefix), tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> Topic {
        Topic::parse(text).expect("valid")
    }

    #[test]
    fn a_topics_keys_share_its_hash_tag() {
        let keys = Keys::new("tg").topic(&topic("chat:a"));
        assert_eq!(keys.log(), "tg:{t:chat:a}:log");
        assert_eq!(keys.meta(), "tg:{t:chat:a}:meta");
        assert_eq!(keys.channel(), "tg:{t:chat:a}:ch");
        assert_eq!(
            keys.of_state()[3..],
            ["tg:{t:chat:a}:state", "tg:{t:chat:a}:ends"]
        );
        assert_eq!(keys.sessions("n"), keys.presence() + ":n");
        assert_eq!(
            keys.idempotency(&IdempotencyKey::parse("k").expect("valid")),
            "tg:{t:chat:a}:key:k"
        );
    }

    #[test]
    fn everything_about_a_job_and_its_queue_shares_the_queues_slot() {
        let queue = QueueName::parse("mud").expect("valid");
        let id = JobId::new(&queue);
        let keys = Keys::new("tg");
        let base = format!("tg:{{q:mud:0}}:job:{id}");
        assert_eq!(
            keys.of_job(&id).first(usize::MAX),
            PARTS.map(|part| format!("tg:{{q:mud:0}}:{part}"))
        );
        assert_eq!(keys.of_job(&id).records() + id.as_str(), base);
        let of_topic = keys.topic(&Topic::of_job(&id));
        assert_eq!(of_topic.channel(), base);
        assert_eq!(
            (of_topic.log(), of_topic.record),
            (format!("{base}:log"), Some(base))
        );
        assert_eq!(
            keys.topic(&Topic::of_queue(&queue)).channel(),
            "tg:{q:mud:0}:all:ch"
        );
    }

    #[test]
    fn a_bare_topic_is_a_literal_channel_whatever_the_prefix() {
        assert_eq!(Keys::bare(&topic("news")), "tidegate:news");
    }
}
