//! The connection that publications are heard on, and the task that reads them and does nothing but
//! route them.

use std::sync::Arc;

use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface, FredResult, PubsubInterface};
use fred::types::Message;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::address::Address;
use super::commands::Commands;
use super::metrics::{RedisMetrics, Trouble};
use super::reports::Reports;
use super::routes::Routes;
use super::unit::{Pace, Unit};
use crate::broker::BrokerEvent;

/// Messages that may wait for the routing task.
const UNREAD: usize = 8_192;
/// Channels attached at once, after a lost connection as well as on request.
pub(super) const BATCH: usize = 512;

/// Connects when the commands are connected, and attaches everything again.
pub(super) async fn connect(
    address: &Address,
    commands: &Commands,
    routes: &Arc<Routes>,
    probe: &str,
) -> (Unit, Reader) {
    let mut pace = Pace::default();
    let mut reports = Reports::new("subscription to Redis");
    loop {
        commands.connected().await;
        match attach_all(address, commands, routes, probe).await {
            Ok(connected) => {
                reports.connected(address);
                return connected;
            }
            Err(error) => {
                commands.metrics.count(Trouble::Connect);
                reports.broken(address, error.details());
            }
        }
        pace.pause().await;
    }
}

async fn attach_all(
    address: &Address,
    commands: &Commands,
    routes: &Arc<Routes>,
    probe: &str,
) -> FredResult<(Unit, Reader)> {
    let unit = Unit::connect(address, 1, UNREAD).await?;
    let client = unit.first();
    let messages = client.message_rx();
    let metrics = commands.metrics.clone();
    let routing = routes.clone();
    let reader = Reader(tokio::spawn(read(messages, routing, metrics)));
    subscribe(client, probe, false).await?;
    subscribe(client, &routes.control, false).await?;
    let channels = routes.channels();
    for batch in channels.chunks(BATCH) {
        let all = batch
            .iter()
            .map(|(channel, bare)| subscribe(client, channel, *bare));
        futures_util::future::try_join_all(all).await?;
    }
    // Detached meanwhile, when there was nobody to tell Redis.
    for (channel, bare) in channels
        .into_iter()
        .filter(|(channel, _)| !routes.contains(channel))
    {
        unsubscribe(client, channel.into(), bare).await?;
    }
    routes.hear();
    Ok((unit, reader))
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
pub(super) async fn unsubscribe(client: &Client, channel: String, bare: bool) -> FredResult<()> {
    if bare {
        client.unsubscribe(channel).await?;
    } else {
        client.sunsubscribe(channel).await?;
    }
    client.ping::<()>(None).await
}

/// Routes messages until the connection is gone. Never waits for anything else.
async fn read(mut messages: Receiver<Message>, routes: Arc<Routes>, metrics: RedisMetrics) {
    loop {
        match messages.recv().await {
            Ok(message) => routes.deliver(&message.channel, message.value.into_bytes()),
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
