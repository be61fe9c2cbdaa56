//! The connection to a master that publications are heard on, and the task that reads them and does nothing
//! but route them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface, FredResult, PubsubInterface};
use fred::types::Message;
use futures_util::future::try_join_all;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::cause::Cause;
use super::ear::Post;
use super::link::Part;
use super::metrics::{RedisMetrics, Trouble};
use super::probe::Probe;
use super::reports::Reports;
use super::routes::Routes;
use super::unit::{Pace, Unit};
use crate::broker::BrokerEvent;

/// Messages that may wait for the routing task.
const UNREAD: usize = 8_192;
/// Channels attached at once, after a lost connection as well as on request.
pub(super) const BATCH: usize = 512;

/// A connection on which everything is heard that its master serves, as of a layout.
pub(super) struct Subscriber {
    pub(super) unit: Unit,
    pub(super) reader: Reader,
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
        let unit = Unit::connect(&post.master.endpoint, 1, UNREAD).await?;
        let client = unit.first();
        let heard = Arc::new(Heard::new());
        let messages = client.message_rx();
        let metrics = post.commands.metrics.clone();
        let reading = read(master, messages, routes.clone(), heard.clone(), metrics);
        let reader = Reader(tokio::spawn(reading));
        let layout = post.commands.layout();
        let probe = Probe::pick(&post.keys, &post.node, &layout, master);
        if let Some(probe) = &probe {
            subscribe(client, &probe.channel, false).await?;
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
                    .map(|(channel, bare)| subscribe(client, channel, *bare)),
            )
            .await?;
            done.extend(batch);
        }
        // Detached meanwhile, when there was nobody to tell Redis.
        for (channel, bare) in done {
            if !routes.contains(channel) {
                unsubscribe(client, channel, bare).await?;
            }
        }
        heard.now();
        Ok(Self {
            unit,
            reader,
            attached: Attached {
                probe,
                heard,
                epoch: layout.epoch(),
            },
        })
    }
}

/// The routing task; it ends with the value.
pub(super) struct Reader(tokio::task::JoinHandle<()>);

impl Reader {
    /// Ends it, and resolves when it has.
    pub(super) async fn end(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Resolves when Redis has acknowledged. Redis answers SSUBSCRIBE once for each channel, but fred
/// expects one answer for each command: so a command never names two. SUBSCRIBE resolves when it is
/// written; a PING behind it on the same connection is answered when it has taken effect.
pub(super) async fn subscribe(client: &Client, channel: &str, bare: bool) -> FredResult<()> {
    if bare {
        client.subscribe(channel.to_owned()).await?;
        client.ping::<()>(None).await
    } else {
        client.ssubscribe(channel.to_owned()).await
    }
}

/// Resolves when Redis has done it, so that nothing published later is heard even if the channel is
/// subscribed to again at once. Redis's answer is not told by fred, hence the PING.
///
/// fred does not expect an error to SUNSUBSCRIBE either, which Redis gives for a slot that has moved: then
/// all answers on this connection are one off. The PING gives its text back only if they are not; every
/// error means that the connection must not be used any more.
pub(super) async fn unsubscribe(client: &Client, channel: &str, bare: bool) -> FredResult<()> {
    if bare {
        client.unsubscribe(channel.to_owned()).await?;
    } else {
        client.sunsubscribe(channel.to_owned()).await?;
    }
    let echo: Option<String> = client.ping(Some(channel.to_owned())).await?;
    if echo.as_deref() == Some(channel) {
        return Ok(());
    }
    Err(fred::error::Error::new(
        fred::error::ErrorKind::Protocol,
        "answers of Redis and questions do not fit",
    ))
}

/// Routes messages until the connection is gone. Never waits for anything else.
async fn read(
    master: u64,
    mut messages: Receiver<Message>,
    routes: Arc<Routes>,
    heard: Arc<Heard>,
    metrics: RedisMetrics,
) {
    loop {
        match messages.recv().await {
            Ok(message) => {
                heard.now();
                routes.deliver(master, &message.channel, message.value.into_bytes());
            }
            Err(RecvError::Lagged(missed)) => {
                metrics.count(Trouble::Overflow);
                tracing::warn!(missed, "publications came faster than they could be passed on");
                routes.ends.suspect(None);
                routes.outlet.send(BrokerEvent::Gap { topic: None });
            }
            Err(RecvError::Closed) => return,
        }
    }
}
