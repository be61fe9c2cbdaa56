//! A game server that there is not: players who walk in circles. For trying the map out, and for as long as
//! the game's own protocol is nobody's to read.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::server::{Answer, GameServer, Player, ServerError, ServerInfo};
use tidegate_shared::clock::now_ms;

const MAP: &str = "Everon";
const CENTRE: (f64, f64) = (500.0, 500.0);
/// How long a walk around takes.
const ROUND_MS: u64 = 60_000;
/// Ids of users of the map are small numbers.
const FIRST_ID: u64 = 900_001;

#[derive(Debug)]
pub(super) struct Simulated {
    players: u32,
    connected: bool,
}

impl Simulated {
    pub(super) fn new(players: u32) -> Self {
        Self {
            players,
            connected: false,
        }
    }

    /// The same on every worker that is asked at this time.
    fn player(n: u32, time_ms: u64) -> Player {
        #[expect(clippy::cast_precision_loss, reason = "it is less than a minute")]
        let round = (time_ms % ROUND_MS) as f64 / ROUND_MS as f64;
        let angle = std::f64::consts::TAU * round + f64::from(n);
        let radius = 50.0 + 20.0 * f64::from(n);
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        let (x, y) = (
            tenth(CENTRE.0 + radius * angle.cos()),
            tenth(CENTRE.1 + radius * angle.sin()),
        );
        let team = if n.is_multiple_of(2) { "blue" } else { "red" };
        Player::new(FIRST_ID + u64::from(n), &format!("Soldier {}", n + 1), x, y, team)
    }
}

impl GameServer for Simulated {
    fn connect(&mut self) -> Answer<'_, ()> {
        self.connected = true;
        async { Ok(()) }.boxed()
    }

    fn info(&mut self) -> Answer<'_, ServerInfo> {
        let info = ServerError::unless(self.connected).map(|()| ServerInfo {
            name: "Simulated server".into(),
            map: MAP.into(),
            player_count: self.players,
            max_players: 64,
        });
        async { info }.boxed()
    }

    fn positions(&mut self) -> Answer<'_, Vec<Player>> {
        let (connected, now) = (ServerError::unless(self.connected), now_ms());
        let players = connected.map(|()| (0..self.players).map(|n| Self::player(n, now)).collect());
        async { players }.boxed()
    }

    fn disconnect(&mut self) -> BoxFuture<'_, ()> {
        self.connected = false;
        async {}.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn players_move_while_it_is_connected_and_nobody_answers_when_it_is_not() {
        let mut server = Simulated::new(2);
        assert!(server.info().await.is_err() && server.positions().await.is_err());
        server.connect().await.expect("connected");
        assert_eq!(server.info().await.expect("info").player_count, 2);
        assert_eq!(server.positions().await.expect("positions").len(), 2);
        assert_ne!(Simulated::player(0, 0), Simulated::player(0, 1_000));
        server.disconnect().await;
        assert!(server.positions().await.is_err());
    }
}
