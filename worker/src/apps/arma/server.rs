//! A game server as the map sees it, however it is asked: what it is, and where its players are.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// Most players that one server is asked for.
pub(super) const PLAYERS: usize = 1_024;
/// Longest name or id of a player, in bytes.
const NAME_LIMIT: usize = 64;

/// How a game server is asked. An implementation keeps its connection, if it has any; it is asked again after
/// it failed, and connected anew then.
pub(super) trait GameServer: Send + std::fmt::Debug {
    fn connect(&mut self) -> Answer<'_, ()>;

    /// After [`GameServer::connect`].
    fn info(&mut self) -> Answer<'_, ServerInfo>;

    /// Of the players that are on the server now, at most [`PLAYERS`].
    fn positions(&mut self) -> Answer<'_, Vec<Player>>;

    /// Nothing is asked any more.
    fn disconnect(&mut self) -> BoxFuture<'_, ()>;
}

pub(super) type Answer<'a, T> = BoxFuture<'a, Result<T, ServerError>>;

#[derive(Debug, Error)]
pub(super) enum ServerError {
    #[error("the game server cannot be reached: {0}")]
    Away(String),
    #[error("what the game server answered is not understood: {0}")]
    Rubbish(String),
    #[error("the game server is not connected")]
    NotConnected,
}

impl ServerError {
    /// An error unless it is connected.
    pub(super) fn unless(connected: bool) -> Result<(), Self> {
        connected.then_some(()).ok_or(Self::NotConnected)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ServerInfo {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) map: String,
    #[serde(default)]
    pub(super) player_count: u32,
    #[serde(default)]
    pub(super) max_players: u32,
}

/// A player's position, with whatever else is told of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Player {
    user_id: Value,
    x: f64,
    y: f64,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Player {
    pub(super) fn new(id: u64, username: &str, x: f64, y: f64, team: &str) -> Self {
        let mut more = Map::new();
        more.insert("username".into(), username.into());
        more.insert("team".into(), team.into());
        let user_id = id.into();
        Self { user_id, x, y, more }
    }

    /// Under which it is kept; `None` for who is nobody, or nowhere.
    pub(super) fn id(&self) -> Option<String> {
        let id = match &self.user_id {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.as_f64() != Some(0.0) => number.to_string(),
            _ => return None,
        };
        let fits = (1..=NAME_LIMIT).contains(&id.len());
        (fits && self.x.is_finite() && self.y.is_finite()).then_some(id)
    }

    /// As clients of the map say it, in their order, as of this time where the server says none.
    pub(super) fn into_json(self, time: &str) -> String {
        #[derive(Serialize)]
        struct Said {
            user_id: Value,
            #[serde(skip_serializing_if = "Option::is_none")]
            username: Option<Value>,
            x: f64,
            y: f64,
            #[serde(skip_serializing_if = "Option::is_none")]
            team: Option<Value>,
            timestamp: Value,
            #[serde(flatten)]
            more: Map<String, Value>,
        }
        let mut more = self.more;
        let said = Said {
            user_id: self.user_id,
            username: more.remove("username"),
            x: self.x,
            y: self.y,
            team: more.remove("team"),
            timestamp: more.remove("timestamp").unwrap_or_else(|| time.into()),
            more,
        };
        // Numbers that are finite, and JSON values: it cannot fail.
        serde_json::to_string(&said).unwrap_or_default()
    }

    /// Whether it is where it was, whatever the time.
    pub(super) fn is_as(&self, kept: &str) -> bool {
        let Ok(mut kept) = serde_json::from_str::<Self>(kept) else {
            return false;
        };
        let mut own = self.clone();
        for one in [&mut kept, &mut own] {
            one.more.remove("timestamp");
        }
        own == kept
    }
}

/// How long a server may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_is_said_as_clients_of_the_map_say_it() {
        let said = Player::new(7, "Ann", 450.0, 320.5, "blue").into_json("2026-01-01T12:00:00");
        assert_eq!(
            said,
            r#"{"user_id":7,"username":"Ann","x":450.0,"y":320.5,"team":"blue","timestamp":"2026-01-01T12:00:00"}"#
        );
        let said: Player =
            serde_json::from_str(r#"{"user_id":"a","x":1,"y":2,"z":3,"timestamp":"t"}"#).expect("a player");
        assert_eq!(
            said.into_json("now"),
            r#"{"user_id":"a","x":1.0,"y":2.0,"timestamp":"t","z":3}"#
        );
    }

    #[test]
    fn who_is_nobody_or_nowhere_is_left_out() {
        for text in [
            r#"{"user_id":0,"x":1,"y":2}"#,
            r#"{"user_id":"","x":1,"y":2}"#,
            r#"{"user_id":null,"x":1,"y":2}"#,
            r#"{"user_id":[1],"x":1,"y":2}"#,
        ] {
            let player: Player = serde_json::from_str(text).expect("a player");
            assert_eq!(player.id(), None, "{text}");
        }
        assert_eq!(Player::new(1, "a", f64::NAN, 0.0, "").id(), None);
        assert_eq!(Player::new(1, "a", 0.0, 0.0, "").id().as_deref(), Some("1"));
    }

    #[test]
    fn a_player_who_has_not_moved_is_as_before_whatever_the_time() {
        let kept = Player::new(7, "Ann", 1.0, 2.0, "blue").into_json("then");
        assert!(Player::new(7, "Ann", 1.0, 2.0, "blue").is_as(&kept));
        assert!(!Player::new(7, "Ann", 1.5, 2.0, "blue").is_as(&kept));
        assert!(!Player::new(7, "Ann", 1.0, 2.0, "blue").is_as("rubbish"));
    }
}
