//! Whether this node should get clients: it has reached Redis, has not lost it for long, and is not
//! about to end. What `/readyz` and `/startupz` answer.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::{IntGauge, Registry};
use tidegate_shared::broker::Link;
use tokio::sync::watch;

/// A node without Redis keeps its clients and heals by itself; only when it takes longer than this are
/// new ones better off elsewhere.
const REDIS_GRACE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Health {
    state: Mutex<State>,
    draining: IntGauge,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    reached: bool,
    lost: Option<Instant>,
    draining: bool,
}

impl Health {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let draining = IntGauge::new(
            "tidegate_draining",
            "1 while the node lets go of its clients before it ends",
        )?;
        registry.register(Box::new(draining.clone()))?;
        Ok(Self {
            state: Mutex::default(),
            draining,
        })
    }

    /// Follows the link to the backend, until it turns out to be unfit for use; gives what to change.
    pub(crate) async fn follow(&self, mut link: watch::Receiver<Link>) -> String {
        loop {
            let now = link.borrow_and_update().clone();
            if let Link::Refused(why) = now {
                return why;
            }
            self.state.lock().note(&now, Instant::now());
            if link.changed().await.is_err() {
                // The backend is gone, so the process is ending: that is not for the link to say.
                return std::future::pending().await;
            }
        }
    }

    /// From now on the node ends.
    pub(crate) fn drain(&self) {
        self.state.lock().draining = true;
        self.draining.set(1);
    }

    pub(crate) fn ready(&self) -> Result<(), String> {
        self.state.lock().ready(Instant::now())
    }

    pub(crate) fn started(&self) -> Result<(), String> {
        self.state.lock().started()
    }
}

impl State {
    fn note(&mut self, link: &Link, now: Instant) {
        match link {
            Link::Up => {
                self.reached = true;
                self.lost = None;
            }
            Link::Down => {
                self.lost.get_or_insert(now);
            }
            Link::Connecting | Link::Refused(_) => {}
        }
    }

    fn started(&self) -> Result<(), String> {
        if self.reached {
            Ok(())
        } else {
            Err("Redis has not been reached since the start; the log says why".to_owned())
        }
    }

    fn ready(&self, now: Instant) -> Result<(), String> {
        if self.draining {
            return Err("draining: the node is about to end".to_owned());
        }
        self.started()?;
        match self.lost.map(|lost| now.saturating_duration_since(lost)) {
            Some(away) if away >= REDIS_GRACE => Err(format!("Redis has been away for {} s", away.as_secs())),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_from_the_first_connection_and_through_a_short_outage() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut state = State::default();
        state.note(&Link::Connecting, start);
        assert!(state.started().is_err() && state.ready(after(1)).is_err());

        state.note(&Link::Up, after(2));
        assert_eq!((state.started(), state.ready(after(2))), (Ok(()), Ok(())));

        state.note(&Link::Down, after(10));
        state.note(&Link::Down, after(30));
        assert_eq!(state.ready(after(39)), Ok(()));
        assert_eq!(
            state.ready(after(40)),
            Err("Redis has been away for 30 s".to_owned())
        );
        assert_eq!(state.started(), Ok(()));

        state.note(&Link::Up, after(50));
        assert_eq!(state.ready(after(50)), Ok(()));
        state.note(&Link::Down, after(100));
        assert_eq!(
            state.ready(after(129)),
            Ok(()),
            "each outage has a grace of its own"
        );
    }

    #[test]
    fn a_draining_node_is_not_ready_and_says_so() {
        let health = Health::register(&Registry::new()).expect("registers");
        health.state.lock().note(&Link::Up, Instant::now());
        assert_eq!(health.ready(), Ok(()));
        health.drain();
        assert!(health.ready().is_err_and(|why| why.contains("draining")));
        assert_eq!(health.draining.get(), 1);
    }

    #[tokio::test]
    async fn a_refused_backend_ends_the_following_with_its_reason() {
        let (sender, link) = watch::channel(Link::Connecting);
        let health = Health::register(&Registry::new()).expect("registers");
        let (why, ()) = tokio::join!(health.follow(link), async {
            sender.send_replace(Link::Refused("set maxmemory-policy".into()));
        });
        assert_eq!(why, "set maxmemory-policy");
    }
}
