//! A game server that tells of itself at a URL: `{"map", "player_count", "players": [{"user_id", "username",
//! "x", "y", "team"}]}`.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;

use super::server::{Answer, GameServer, PATIENCE, PLAYERS, Player, ServerError, ServerInfo};
use crate::webhook::HttpClient;

/// Of an answer, in bytes.
const LIMIT: usize = 512 * 1024;

#[derive(Debug)]
pub(super) struct Polled {
    url: String,
    client: HttpClient,
    /// What was read last, until it is asked for.
    read: Option<Document>,
    connected: bool,
}

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(flatten)]
    info: Info,
    /// One that is not understood is left out.
    #[serde(default, alias = "positions")]
    players: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Info {
    #[serde(default)]
    name: String,
    #[serde(default)]
    map: String,
    #[serde(default)]
    player_count: Option<u32>,
    #[serde(default)]
    max_players: u32,
}

impl Polled {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            // Whoever runs the worker has named it.
            client: HttpClient::new(true).time(PATIENCE).size(LIMIT),
            read: None,
            connected: false,
        }
    }

    async fn read(&mut self) -> Result<&Document, ServerError> {
        let answer = self.client.get(&self.url).await;
        let answer = answer.map_err(|error| ServerError::Away(error.to_string()))?;
        let read = serde_json::from_slice(&answer);
        let document: Document = read.map_err(|error| ServerError::Rubbish(error.to_string()))?;
        Ok(self.read.insert(document))
    }

    fn players(document: &Document) -> Vec<Player> {
        let understood = document
            .players
            .iter()
            .filter_map(|one| Player::deserialize(one).ok());
        understood.take(PLAYERS).collect()
    }
}

impl GameServer for Polled {
    fn connect(&mut self) -> Answer<'_, ()> {
        async {
            self.read().await?;
            self.connected = true;
            Ok(())
        }
        .boxed()
    }

    fn info(&mut self) -> Answer<'_, ServerInfo> {
        async {
            ServerError::unless(self.connected)?;
            // Both answers come from one document: it is read once for them.
            let document = self.read().await?;
            let info = &document.info;
            let counted = u32::try_from(document.players.len()).unwrap_or(u32::MAX);
            Ok(ServerInfo {
                name: info.name.clone(),
                map: info.map.clone(),
                player_count: info.player_count.unwrap_or(counted),
                max_players: info.max_players,
            })
        }
        .boxed()
    }

    fn positions(&mut self) -> Answer<'_, Vec<Player>> {
        async {
            ServerError::unless(self.connected)?;
            if let Some(document) = self.read.take() {
                return Ok(Self::players(&document));
            }
            Ok(Self::players(self.read().await?))
        }
        .boxed()
    }

    fn disconnect(&mut self) -> BoxFuture<'_, ()> {
        self.connected = false;
        self.read = None;
        async {}.boxed()
    }
}
