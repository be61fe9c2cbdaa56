//! The jobs of the session's user: followed without being asked, and left when they have ended.
//!
//! What tells of them may be late, or never come; a list of all that have not ended makes up for it. Jobs
//! that the client looks after by itself are left to it: it has submitted or unsubscribed them.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};
use tidegate_shared::job::SHELF_LIMIT;
use tidegate_shared::position::Since;
use tidegate_shared::topic::Topic;
use tokio::time::Instant;

use super::lane::Waiting;
use super::{Begun, Effect, Session, Work};
use crate::dialect::Reply;
use crate::outbox::Follow;

/// Most jobs followed so at a time, beside the client's own subscriptions; and most that wait for it.
const FOLLOWED: usize = SHELF_LIMIT;
/// Subscriptions that are made at once.
const AT_ONCE: usize = 8;
/// Most jobs that are remembered as not to be followed.
const ASIDE: usize = 4_096;

/// Takes no memory while the user has no jobs.
#[derive(Debug, Default)]
pub(super) struct Follows {
    jobs: Option<Box<Jobs>>,
}

#[derive(Debug, Default)]
struct Jobs {
    /// Among the session's subscriptions.
    followed: HashSet<Topic>,
    joining: usize,
    waiting: VecDeque<Follow>,
    /// Not to be followed, although they are the user's.
    aside: HashMap<Topic, Aside>,
    /// When the newest list that came was asked for.
    read_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aside {
    /// The client looks after it. With how many lists in a row that did not have it: the first may have
    /// been read before the job was submitted.
    ByClient { unlisted: u8 },
    /// It had ended by then.
    Over(Instant),
}

impl Follows {
    pub(super) fn has(&self, topic: &Topic) -> bool {
        self.jobs
            .as_ref()
            .is_some_and(|jobs| jobs.followed.contains(topic))
    }

    /// Among the session's subscriptions.
    pub(super) fn len(&self) -> usize {
        self.jobs.as_ref().map_or(0, |jobs| jobs.followed.len())
    }

    /// The subscription has ended, or is the client's own from now on.
    pub(super) fn remove(&mut self, topic: &Topic) {
        if let Some(jobs) = &mut self.jobs {
            jobs.followed.remove(topic);
        }
    }

    fn aside(&mut self, topic: &Topic, aside: Aside) {
        let jobs = self.jobs.get_or_insert_default();
        if jobs.aside.len() < ASIDE || jobs.aside.contains_key(topic) {
            jobs.aside.insert(topic.clone(), aside);
        }
    }

    /// What was put aside is the server's concern again.
    pub(super) fn give_back(&mut self, topic: &Topic) {
        if let Some(jobs) = &mut self.jobs {
            jobs.aside.remove(topic);
        }
    }
}

impl Jobs {
    fn want(&mut self, job: Follow) {
        if self.waiting.len() < FOLLOWED && self.waiting.iter().all(|one| one.topic != job.topic) {
            self.waiting.push_back(job);
        }
    }

    /// Forgets what need not be remembered beyond this list.
    fn tidy(&mut self, listed: &HashSet<&Topic>, read_at: Instant) {
        self.aside.retain(|topic, aside| match aside {
            // The list is newer: the job is gone, or lives again.
            Aside::Over(at) => *at >= read_at,
            Aside::ByClient { unlisted } => {
                *unlisted = if listed.contains(topic) { 0 } else { *unlisted + 1 };
                *unlisted < 2
            }
        });
        if self.aside.is_empty() {
            self.aside = HashMap::new();
        }
    }
}

impl Session {
    pub(super) fn follow_one(&mut self, job: Follow, effects: &mut Vec<Effect>) {
        if self.user().is_none() {
            return;
        }
        if job.anew {
            self.follows.give_back(&job.topic);
        }
        self.follows.jobs.get_or_insert_default().want(job);
        self.follow_waiting(effects);
    }

    pub(super) fn follow_listed(&mut self, listed: &[Topic], read_at: Instant, effects: &mut Vec<Effect>) {
        if self.user().is_none() || (listed.is_empty() && self.follows.jobs.is_none()) {
            return;
        }
        let jobs = self.follows.jobs.get_or_insert_default();
        if jobs.read_at.is_some_and(|newest| newest >= read_at) {
            return;
        }
        jobs.read_at = Some(read_at);
        jobs.tidy(&listed.iter().collect(), read_at);
        for topic in listed {
            if !self.subscriptions.contains(topic) && !jobs.aside.contains_key(topic) {
                jobs.want(Follow {
                    topic: topic.clone(),
                    since: None,
                    anew: false,
                });
            }
        }
        self.follow_waiting(effects);
    }

    /// Begins with what waits, as far as there is room.
    pub(super) fn follow_waiting(&mut self, effects: &mut Vec<Effect>) {
        while let Some(job) = self.follows.jobs.as_deref_mut().and_then(Jobs::next) {
            self.commands += 1;
            self.enter(job.topic, Waiting::Job { since: job.since }, effects);
        }
        if self.follows.jobs.as_deref().is_some_and(Jobs::is_idle) {
            self.follows.jobs = None;
        }
    }

    pub(super) fn begin_job(&mut self, topic: &Topic, since: Option<Since>) -> Begun {
        let Some(jobs) = &mut self.follows.jobs else {
            return Begun::Nothing;
        };
        if self.subscriptions.contains(topic) || jobs.aside.contains_key(topic) {
            jobs.joining = jobs.joining.saturating_sub(1);
            return Begun::Nothing;
        }
        let topic = topic.clone();
        Begun::Takes(Work::Job { topic, since })
    }

    /// [`Work::Job`] is done. What failed is tried again with the next list, if the job is still there.
    pub(super) fn job_joined(&mut self, topic: &Topic, joined: bool) {
        let jobs = self.follows.jobs.get_or_insert_default();
        jobs.joining = jobs.joining.saturating_sub(1);
        if joined {
            jobs.followed.insert(topic.clone());
            self.subscriptions.insert(topic.clone());
        }
    }

    /// The client has been told of the end of the job.
    pub(super) fn begin_ended(&mut self, topic: Topic, at: Instant) -> Begun {
        if !self.follows.has(&topic) {
            return Begun::Nothing;
        }
        self.follows.aside(&topic, Aside::Over(at));
        Begun::Answered(Reply::Announced(Box::new(Reply::Unsubscribed { topic })))
    }

    /// The client looks after this topic by itself; if it is a job's it is not followed unasked.
    pub(super) fn leave_to_client(&mut self, topic: &Topic) {
        if self.user().is_some() && topic.namespace() == "job" {
            self.follows.aside(topic, Aside::ByClient { unlisted: 0 });
        }
    }
}

impl Jobs {
    fn next(&mut self) -> Option<Follow> {
        if self.joining >= AT_ONCE || self.followed.len() + self.joining >= FOLLOWED {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.joining += 1;
        Some(job)
    }

    fn is_idle(&self) -> bool {
        self.joining == 0 && self.followed.is_empty() && self.waiting.is_empty() && self.aside.is_empty()
    }
}
