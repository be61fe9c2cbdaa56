//! Telling all nodes of jobs, and looking at users' lists.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tidegate_shared::broker::Link;
use tidegate_shared::name::UserId;
use tidegate_shared::topic::Topic;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::News;
use crate::node::Node;
use crate::outbox::Order;

/// Jobs in one message to all nodes.
const TOLD: usize = 64;
/// Users whose lists are asked for at once.
const AT_ONCE: usize = 32;
/// How often every user's list is looked at, and how much earlier or later.
const EVERY: Duration = Duration::from_secs(30);
const JITTER: f64 = 0.3;
/// Lists looked at in a second, at most, when nobody waits for it.
const PACE: f64 = 500.0;
/// Nodes that lost the backend together look again within this time.
const SPREAD: Duration = Duration::from_secs(2);
/// Before the backend is asked again that could not be reached.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells all nodes what this one hears of.
pub(super) async fn tell(node: Weak<Node>, mut told: mpsc::Receiver<News>, stop: CancellationToken) {
    let mut news = Vec::with_capacity(TOLD);
    loop {
        let received = stop.run_until_cancelled(told.recv_many(&mut news, TOLD)).await;
        let Some(node) = node.upgrade().filter(|_| received.is_some_and(|count| count > 0)) else {
            return;
        };
        if let Err(error) = node.tell_of(std::mem::take(&mut news)).await {
            tracing::debug!(%error, "all nodes could not be told of jobs; they find them in their users' lists");
        }
    }
}

/// Looks at the lists of users: of those that come at once, of all now and then.
pub(super) async fn look(node: Weak<Node>, stop: CancellationToken) {
    let Some(mut link) = node.upgrade().map(|node| node.backend.broker.link()) else {
        return;
    };
    let mut rest: Vec<UserId> = Vec::new();
    let mut next = Instant::now() + EVERY;
    loop {
        {
            let Some(node) = node.upgrade() else { return };
            let wanted: Vec<UserId> = node.following.wanted.lock().drain().collect();
            let failed = node.look_at(wanted).await;
            let is_up = failed.is_empty();
            node.following.wanted.lock().extend(failed);
            if !is_up {
                drop(node);
                let pause = tokio::time::sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>()));
                if stop.run_until_cancelled(pause).await.is_none() {
                    return;
                }
                continue;
            }
            // A few of the others; those that fail get their turn with the next round.
            let few = rest.split_off(rest.len().saturating_sub(AT_ONCE));
            node.look_at(few).await;
        }
        let wanted = async {
            match node.upgrade() {
                Some(node) => node.following.notified().await,
                None => std::future::pending().await,
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let pause = Duration::from_secs_f64(AT_ONCE as f64 / PACE);
        tokio::select! {
            () = stop.cancelled() => return,
            () = wanted => {}
            () = tokio::time::sleep(pause), if !rest.is_empty() => {}
            () = tokio::time::sleep_until(next), if rest.is_empty() => {
                next = Instant::now() + EVERY.mul_f64(1.0 - JITTER + 2.0 * JITTER * rand::random::<f64>());
                let Some(node) = node.upgrade() else { return };
                rest = node.users();
            }
            changed = link.changed() => {
                if changed.is_err() {
                    return;
                }
                if *link.borrow_and_update() == Link::Up {
                    next = Instant::now() + SPREAD.mul_f64(rand::random());
                    rest.clear();
                }
            }
        }
    }
}

impl Node {
    /// Orders the sessions of these users to follow the jobs they have. Gives those that could not be
    /// looked for.
    async fn look_at(&self, users: Vec<UserId>) -> Vec<UserId> {
        let looks = users.into_iter().map(|user| self.look_for(user));
        let looks: Vec<_> = looks.collect();
        let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
        let mut failed = Vec::new();
        while let Some(one) = looks.next().await {
            failed.extend(one.err());
        }
        failed
    }

    async fn look_for(&self, user: UserId) -> Result<(), UserId> {
        if self.followers(&user).next().is_none() {
            return Ok(());
        }
        let read_at = Instant::now();
        let records = match self.backend.desk.of_user(&user).await {
            Ok(records) => records,
            Err(error) => {
                tracing::debug!(%error, "a user's jobs could not be listed");
                return Err(user);
            }
        };
        let own = records
            .iter()
            .filter(|record| record.user.as_ref() == Some(&user));
        let jobs: Arc<[Topic]> = own.map(|record| Topic::of_job(&record.id)).collect();
        for outbox in self.followers(&user) {
            outbox.order(Order::Listed {
                jobs: jobs.clone(),
                read_at,
            });
        }
        Ok(())
    }
}
