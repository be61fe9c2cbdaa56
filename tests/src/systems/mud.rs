//! Rooms: all in a room hear the same in the same order, each message once, and nobody hears another room.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Link, Play, SETTLE, Said, at, text, until};

const ROOMS: [&str; 2] = ["hall", "cellar"];
const PLAYERS: u64 = 3;

pub(super) struct Mud {
    players: Vec<(&'static str, Link)>,
    pub(super) play: Play,
}

impl Mud {
    pub(super) fn start(port: u16) -> Self {
        let players: Vec<(&'static str, Link)> = ROOMS
            .into_iter()
            .flat_map(|room| (0..PLAYERS).map(move |number| (room, number)))
            .map(|(room, number)| {
                let url = format!("ws://127.0.0.1:{port}/ws/game/{room}/");
                (room, Link::start(&format!("{room} {number}"), url, vec![]))
            })
            .collect();
        let sayers: Vec<_> = players.iter().map(|(room, one)| (*room, one.sayer())).collect();
        let play = Play::start(async move {
            for number in 0_u64.. {
                for (room, say) in &sayers {
                    let _ = say.try_send(json!({"action": "say", "room": room, "n": number}));
                }
                sleep(Duration::from_millis(150)).await;
            }
        });
        Self { players, play }
    }

    pub(super) async fn check(&self) -> Result<String> {
        let mut heard = 0;
        for (room, player) in &self.players {
            for connection in player.connections() {
                let mut times: BTreeMap<String, usize> = BTreeMap::new();
                for event in connection {
                    if let Said::Heard(value) = event.said {
                        if text(&value, "type") != "update" {
                            continue;
                        }
                        ensure!(text(&value, "data.room") == *room, "{}: {value}", player.name);
                        heard += 1;
                        *times.entry(value["data"].to_string()).or_default() += 1;
                    }
                }
                // Each of the players of a room says the same number once.
                let most = usize::try_from(PLAYERS)?;
                ensure!(
                    times.values().all(|times| *times <= most),
                    "{}: heard twice",
                    player.name
                );
            }
        }
        self.same_order().await?;
        Ok(format!(
            "MUD: {heard} updates heard, each once, in one order, in their room only"
        ))
    }

    /// What is said now is heard by all in the same order.
    async fn same_order(&self) -> Result<()> {
        for number in 0..20 {
            for (room, player) in &self.players {
                player.say(json!({"action": "last", "room": room, "by": player.name, "n": number}));
            }
            sleep(Duration::from_millis(20)).await;
        }
        let last = |link: &Link| -> Vec<Value> {
            let log = link.log().into_iter();
            let heard = log.filter_map(|event| match event.said {
                Said::Heard(value) if *at(&value, "data.action") == "last" => Some(value["data"].clone()),
                _ => None,
            });
            heard.collect()
        };
        until(SETTLE, "all in a room to have heard the same", async || {
            for room in ROOMS {
                let mut logs = self
                    .players
                    .iter()
                    .filter(|(one, _)| *one == room)
                    .map(|(_, one)| last(one));
                let first = logs.next().unwrap_or_default();
                ensure!(first.len() == 60, "{room}: {} heard", first.len());
                ensure!(logs.all(|log| log == first), "{room}: different orders");
            }
            Ok(Some(()))
        })
        .await
    }
}
