//! Users follow the jobs they have submitted, on every node and in every session, without asking.
//!
//! Whoever takes a user's job tells all nodes where it begins. That may be lost, so the list of each user's
//! jobs that have not ended is what counts: it is looked at for who comes, after every loss of the backend,
//! and every half minute or so for all. Never tells anyone of a job but the user that its record names.

mod upkeep;

use std::sync::Arc;

use hashbrown::HashSet;
use parking_lot::Mutex;
use tidegate_shared::control::News;
use tidegate_shared::job::{JobDraft, JobError, JobRecord, Submitted};
use tidegate_shared::name::UserId;
use tidegate_shared::position::Since;
use tidegate_shared::topic::Topic;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::control::{Place, Who};
use crate::node::Node;
use crate::outbox::{Follow, Order, Outbox};

/// Jobs that wait to be told to all nodes. What does not fit is found in its user's list.
const WAITING: usize = 1_024;

/// What a node knows that others, or its own sessions, are to hear of.
#[derive(Debug)]
pub(crate) struct Following {
    news: mpsc::Sender<News>,
    /// Users whose list is to be looked at now. Bounded by the users that are connected.
    wanted: Mutex<HashSet<UserId>>,
    some_wanted: Notify,
}

impl Following {
    /// The other end is for [`start`].
    pub(crate) fn new() -> (Self, mpsc::Receiver<News>) {
        let (news, told) = mpsc::channel(WAITING);
        let following = Self {
            news,
            wanted: Mutex::default(),
            some_wanted: Notify::new(),
        };
        (following, told)
    }

    /// A session of this user has come.
    pub(crate) fn arrived(&self, user: &UserId) {
        self.wanted.lock().insert(user.clone());
        self.some_wanted.notify_one();
    }

    async fn notified(&self) {
        self.some_wanted.notified().await;
    }

    fn tell(&self, news: News) {
        if self.news.try_send(news).is_err() {
            tracing::debug!("more jobs than all nodes can be told of; they are found in their users' lists");
        }
    }
}

/// Does all this until `stop`.
pub(crate) fn start(node: &Arc<Node>, told: mpsc::Receiver<News>, stop: &CancellationToken) {
    tokio::spawn(upkeep::tell(Arc::downgrade(node), told, stop.clone()));
    tokio::spawn(upkeep::look(Arc::downgrade(node), stop.clone()));
}

impl Node {
    /// Submits a job, and lets its user's sessions follow it.
    pub(crate) async fn submit(&self, draft: JobDraft) -> Result<Submitted, JobError> {
        let submitted = self.backend.jobs.submit(draft).await?;
        let record = &submitted.record;
        if let Some(user) = &record.user
            && !record.state.is_terminal()
        {
            let place = submitted.position;
            let begin = Since {
                epoch: place.epoch,
                offset: place.offset.saturating_sub(1),
                tag: None,
            };
            self.following.tell(News {
                user: user.clone(),
                job: record.id.clone(),
                // With the entry of its submission, unless that was long ago.
                since: (!submitted.duplicate).then(|| Place::from(begin)),
                anew: false,
            });
        }
        Ok(submitted)
    }

    /// A dead letter has been queued again.
    pub(crate) fn redriven(&self, record: &JobRecord) {
        if let Some(user) = &record.user {
            self.following.tell(News {
                user: user.clone(),
                job: record.id.clone(),
                since: None,
                anew: true,
            });
        }
    }

    /// Another node, or this one, has a user's job.
    pub(crate) fn hear_of(&self, news: &News) {
        let follow = Follow {
            topic: Topic::of_job(&news.job),
            since: news.since.as_ref().map(Since::from),
            anew: news.anew,
        };
        for outbox in self.followers(&news.user) {
            // If it has too much to do, it gets the job by the list.
            outbox.order(Order::Follow(follow.clone()));
        }
    }

    /// The user's connections. An event stream follows what its address says, and nothing else.
    fn followers(&self, user: &UserId) -> impl Iterator<Item = Arc<Outbox>> {
        let all = self.find(&Who::User(user.clone())).into_iter();
        all.filter(|outbox| outbox.format().dialect().takes_orders())
    }
}
