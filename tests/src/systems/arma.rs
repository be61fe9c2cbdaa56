//! The live map: markers are the same everywhere, and the same as a client sees that comes later.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Event, Link, Play, SETTLE, Said, text, until};

const CLIENTS: u64 = 4;
/// Markers that a client knows before it rather takes one away.
const MANY: usize = 60;

pub(super) struct Arma {
    port: u16,
    clients: Vec<Link>,
    pub(super) play: Play,
}

fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}/arma/ws")
}

impl Arma {
    pub(super) fn start(port: u16, seed: u64) -> Self {
        let clients: Vec<Link> = (0..CLIENTS)
            .map(|number| Link::start(&format!("map {number}"), url(port), vec![]))
            .collect();
        let parts: Vec<_> = clients
            .iter()
            .map(|one| (one.sayer(), one.shared_log()))
            .collect();
        let mut chance = StdRng::seed_from_u64(seed ^ 1);
        let play = Play::start(async move {
            for number in 0_u64.. {
                let who = chance.random_range(0..parts.len());
                let (say, log) = &parts[who];
                let known = map(&log.lock());
                let removed = known
                    .keys()
                    .choose(&mut chance)
                    .filter(|_| known.len() > MANY || number % 3 == 2);
                let message = match removed {
                    Some(id) => json!({"type": "marker_remove", "marker_id": id}),
                    None => json!({"type": "marker_add", "marker": {
                        "type": "enemy", "x": number, "y": 1.5, "user_id": who + 1, "timestamp": format!("t{number}"),
                    }}),
                };
                let _ = say.try_send(message);
                sleep(Duration::from_millis(60)).await;
            }
        });
        Self { port, clients, play }
    }

    pub(super) async fn check(&self) -> Result<String> {
        let level = until(SETTLE, "all maps to be the same", async || {
            let fresh = Link::start("a new client", url(self.port), vec![]);
            sleep(Duration::from_millis(500)).await;
            let expected = map(&fresh.log());
            for client in &self.clients {
                let map = map(&client.log());
                ensure!(
                    map == expected,
                    "{} has {:?}, a new client {:?}",
                    client.name,
                    ids(&map),
                    ids(&expected)
                );
            }
            Ok(Some(expected.len()))
        })
        .await?;
        let connections: usize = self.clients.iter().map(|one| one.connections().len()).sum();
        Ok(format!(
            "map: {CLIENTS} clients over {connections} connections have the same {level} markers, and so has a new one"
        ))
    }
}

fn ids(map: &BTreeMap<String, Value>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

/// What the client's map shows.
fn map(log: &[Event]) -> BTreeMap<String, Value> {
    let mut map = BTreeMap::new();
    for event in log {
        match &event.said {
            Said::Up => map.clear(),
            Said::Down => {}
            Said::Spoke(value) => match text(value, "type") {
                "marker_add" => {
                    let mut marker = value["marker"].clone();
                    let id = format!("{}_{}", marker["user_id"], text(&marker, "timestamp"));
                    marker["id"] = json!(id);
                    map.insert(id, marker);
                }
                _ => drop(map.remove(text(value, "marker_id"))),
            },
            Said::Heard(value) => match text(value, "type") {
                "markers_sync" => {
                    let markers = value["markers"].as_array().into_iter().flatten();
                    map.extend(markers.map(|one| (text(one, "id").to_owned(), one.clone())));
                }
                "marker_added" => {
                    drop(map.insert(text(value, "marker.id").to_owned(), value["marker"].clone()));
                }
                "marker_removed" => drop(map.remove(text(value, "marker_id"))),
                _ => {}
            },
        }
    }
    map
}
