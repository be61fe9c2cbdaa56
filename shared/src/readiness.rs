//! Whether a process should get work: it has reached its backend, has not lost it for long, and is not
//! about to end. What `/readyz` and `/startupz` answer. Liveness never looks at it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::broker::Link;

/// Short outages heal by themselves; only after a longer one is work better off elsewhere.
const GRACE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub struct Readiness(Mutex<State>);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    reached: bool,
    lost: Option<Instant>,
    draining: bool,
}

impl Readiness {
    /// Follows the link to the backend, until it turns out to be unfit for use; gives what to change.
    pub async fn follow(&self, mut link: watch::Receiver<Link>) -> String {
        loop {
            let now = link.borrow_and_update().clone();
            if let Link::Refused(why) = now {
                return why;
            }
            self.0.lock().note(&now, Instant::now());
            if link.changed().await.is_err() {
                // The backend is gone, so the process is ending: that is not for the link to say.
                return std::future::pending().await;
            }
        }
    }

    /// From now on the process ends.
    pub fn drain(&self) {
        self.0.lock().draining = true;
    }

    /// The error says why not.
    pub fn ready(&self) -> Result<(), String> {
        self.0.lock().ready(Instant::now())
    }

    /// The error says why not.
    pub fn started(&self) -> Result<(), String> {
        self.0.lock().started()
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
            return Err("draining: the process is about to end".to_owned());
        }
        self.started()?;
        match self.lost.map(|lost| now.saturating_duration_since(lost)) {
            Some(away) if away >= GRACE => Err(format!("Redis has been away for {} s", away.as_secs())),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_from_the_first_connection_on_and_through_a_short_outage() {
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
        state.note(&Link::Down, after(100));
        assert_eq!(
            state.ready(after(129)),
            Ok(()),
            "each outage has a grace of its own"
        );
        state.draining = true;
        assert!(state.ready(after(129)).is_err_and(|why| why.contains("draining")));
    }

    #[tokio::test]
    async fn a_refused_backend_ends_the_following_with_its_reason() {
        let (sender, link) = watch::channel(Link::Connecting);
        let readiness = Readiness::default();
        let (why, ()) = tokio::join!(readiness.follow(link), async {
            sender.send_replace(Link::Refused("set maxmemory-policy".into()));
        });
        assert_eq!(why, "set maxmemory-policy");
    }
}
