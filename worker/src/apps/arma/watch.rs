//! Feeds the map with what a game server tells: where its players are, and how many.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::broker::BrokerError;
use tidegate_shared::clock::now_ms;
use tidegate_shared::iso;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::StateKey;
use tokio::sync::Mutex;

use super::places::Places;
use super::server::{GameServer, Player, ServerError};
use crate::topics::Topics;

/// Of the name of a server, in bytes.
const NAME_LIMIT: usize = 64;
/// How long after it was told last a player is on the map no more: so many looks, and at least this.
const LOOKS: u32 = 10;
const LEAST: Duration = Duration::from_secs(60);

/// A server that is watched. Workers share nothing of it: each connects when it is its turn.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    key: StateKey,
    server: Arc<Mutex<Box<dyn GameServer>>>,
    connected: Arc<std::sync::atomic::AtomicBool>,
    /// How long a player is kept who is told no more.
    ttl: Duration,
    /// After so many looks also those are kept anew who have not moved.
    refresh: u64,
}

impl Watch {
    pub(super) fn new(key: StateKey, server: Box<dyn GameServer>, period: Duration) -> Self {
        let ttl = (period * LOOKS).max(LEAST);
        let looks = ttl.as_millis() / period.as_millis().max(1);
        Self {
            key,
            server: Arc::new(Mutex::new(server)),
            connected: Arc::default(),
            ttl,
            refresh: u64::try_from(looks / 3).unwrap_or(1).max(1),
        }
    }

    /// The look of this number. What goes wrong is told, and the server is connected anew the next time.
    pub(super) async fn look(&self, places: &Places, topics: &Topics, number: u64) {
        use std::sync::atomic::Ordering::Relaxed;
        let (info, players) = {
            // One look at a time: a slow server makes the next one wait, and it has its own patience.
            let mut server = self.server.lock().await;
            let asked = ask(server.as_mut(), self.connected.load(Relaxed)).await;
            self.connected.store(asked.is_ok(), Relaxed);
            match asked {
                Ok(asked) => asked,
                Err(error) => {
                    tracing::warn!(server = %self.key, "{error}");
                    server.disconnect().await;
                    return;
                }
            }
        };
        let told = async {
            self.tell_info(places, topics, info).await?;
            let all = number.is_multiple_of(self.refresh);
            self.tell_players(places, topics, players, all).await
        };
        if let Err(error) = told.await {
            tracing::debug!(server = %self.key, "what a game server says could not be told: {error}");
        }
    }

    async fn tell_info(&self, places: &Places, topics: &Topics, info: RawJson) -> Result<(), BrokerError> {
        let known = topics.state(&places.servers).await?;
        if known.get(&self.key) != Some(&info) {
            topics.set(&places.servers, &self.key, &info, None).await?;
        }
        Ok(())
    }

    /// Who has not moved is told to nobody, unless all are.
    async fn tell_players(
        &self,
        places: &Places,
        topics: &Topics,
        players: Vec<Player>,
        all: bool,
    ) -> Result<(), BrokerError> {
        let known = topics.state(&places.positions).await?;
        let now = iso::time(now_ms());
        for player in players {
            let Some(key) = player.id().and_then(|id| StateKey::parse(&id).ok()) else {
                continue;
            };
            let kept = known.get(&key);
            if !all && kept.is_some_and(|kept| player.is_as(kept.as_str())) {
                continue;
            }
            let value = RawJson::trusted(player.into_json(&now).into());
            topics
                .set(&places.positions, &key, &value, Some(self.ttl))
                .await?;
        }
        Ok(())
    }
}

async fn ask(server: &mut dyn GameServer, is_connected: bool) -> Result<(RawJson, Vec<Player>), ServerError> {
    if !is_connected {
        server.connect().await?;
    }
    let mut info = server.info().await?;
    for text in [&mut info.name, &mut info.map] {
        if text.len() > NAME_LIMIT {
            *text = tidegate_shared::feed::cut(text, NAME_LIMIT).into_owned();
        }
    }
    let info = RawJson::of(&info).map_err(|error| ServerError::Rubbish(error.to_string()))?;
    Ok((info, server.positions().await?))
}
