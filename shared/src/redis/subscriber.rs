//! The connection to a master that publications are heard on, with everything attached that is to be heard there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fred::interfaces::FredResult;
use futures_util::future::try_join_all;

use super::cause::Cause;
use super::ear::Post;
use super::line::Line;
use super::link::Part;
use super::metrics::Trouble;
use super::probe::Probe;
use super::reports::Reports;
use super::unit::Pace;

/// Channels attached at once, after a lost connection as well as on request.
pub(super) const BATCH: usize = 512;

/// A connection on which everything is heard that its master serves, as of a layout.
pub(super) struct Subscriber {
    pub(super) line: Line,
    pub(super) attached: Attached,
}

/// What is known of the subscriptions on a connection.
pub(super) struct Attached {
    pub(super) probe: Option<Probe>,
    pub(super) heard: Arc<Heard>,
    /// Of the layout that they were made under.
    pub(super) epoch: u64,
}

/// When something was last heard.
#[derive(Debug)]
pub(super) struct Heard {
    started: Instant,
    /// Milliseconds after `started`.
    last: AtomicU64,
}

impl Heard {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// How long nothing was heard.
    pub(super) fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last)
    }

    fn now(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }
}

impl Subscriber {
    /// Connects when commands are connected, and attaches everything again.
    pub(super) async fn connect(post: &Post) -> Self {
        let mut pace = Pace::default();
        let mut reports = Reports::new("subscription to Redis");
        let server = &post.master.endpoint.server;
        loop {
            post.master.connected().await;
            match Self::attach_all(post).await {
                Ok(connected) => {
                    reports.connected(server);
                    return connected;
                }
                Err(error) => {
                    post.commands.metrics.count(Trouble::Connect);
                    if Cause::of(&error) == Cause::Moved {
                        post.commands.doubt_layout();
                    }
                    post.commands.link.set(post.master.id, Part::Hearing, false);
                    reports.broken(server, error.details());
                }
            }
            pace.pause().await;
        }
    }

    async fn attach_all(post: &Post) -> FredResult<Self> {
        let (master, routes) = (post.master.id, &post.routes);
        let heard = Arc::new(Heard::new());
        let (hearing, listening) = (routes.clone(), heard.clone());
        let line = Line::connect(&post.master.endpoint, move |channel, message| {
            listening.now();
            hearing.deliver(master, channel, message);
        })
        .await?;
        let mouthpiece = &line.mouthpiece;
        let layout = post.commands.layout();
        let probe = Probe::pick(&post.keys, &post.node, &layout, master);
        if let Some(probe) = &probe {
            mouthpiece.subscribe(&probe.channel, false).await?;
        }
        let channels = routes.of(master, &layout, true);
        let mut done = Vec::with_capacity(channels.len());
        for batch in channels.chunks(BATCH) {
            let batch: Vec<(&str, bool)> = batch
                .iter()
                .filter_map(|channel| Some((&**channel, routes.claim(channel, master)?)))
                .collect();
            try_join_all(
                batch
                    .iter()
                    .map(|(channel, bare)| mouthpiece.subscribe(channel, *bare)),
            )
            .await?;
            done.extend(batch);
        }
        // Detached meanwhile, when there was nobody to tell Redis.
        for (channel, bare) in done {
            if !routes.contains(channel) {
                mouthpiece.unsubscribe(channel, bare).await?;
            }
        }
        heard.now();
        Ok(Self {
            line,
            attached: Attached {
                probe,
                heard,
                epoch: layout.epoch(),
            },
        })
    }
}
