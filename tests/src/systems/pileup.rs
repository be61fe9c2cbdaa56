//! The queue of callsigns: never too long, nobody twice, positions without holes, and the same for all.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{ENVIRONMENT, Link, Play, SETTLE, Said, at, text, until};

const CALLSIGNS: [&str; 8] = [
    "W1AW", "KC1ABC", "N0CALL", "K2XYZ", "G4ABC", "JA1ZZZ", "DL5YY", "F6BB",
];
const LONGEST: u64 = 4;

pub(super) struct Pileup {
    clients: Vec<Link>,
    pub(super) play: Play,
}

fn request(id: u64, operation: &str, data: &Value) -> Value {
    json!({"type": "request", "id": id, "operation": operation, "data": data})
}

impl Pileup {
    pub(super) fn start(port: u16, seed: u64) -> Self {
        let [(_, username), (_, password)] = ENVIRONMENT;
        let url = || format!("ws://127.0.0.1:{port}/ws/connect");
        let login = json!({"type": "auth", "id": 0, "data": {"username": username, "password": password}});
        let active = request(1, "admin.set_system_status", &json!({"active": true}));
        let mut clients = vec![Link::start("operator", url(), vec![login, active])];
        clients.extend((0..3).map(|number| Link::start(&format!("station {number}"), url(), vec![])));
        let sayers: Vec<_> = clients.iter().map(Link::sayer).collect();
        let mut chance = StdRng::seed_from_u64(seed ^ 2);
        let play = Play::start(async move {
            for number in 2.. {
                let (who, message) = if number % 5 == 4 {
                    (0, request(number, "admin.next_qso", &json!({})))
                } else {
                    let callsign = CALLSIGNS.choose(&mut chance).copied().unwrap_or_default();
                    let who = chance.random_range(1..sayers.len());
                    (
                        who,
                        request(number, "queue.register", &json!({"callsign": callsign})),
                    )
                };
                let _ = sayers[who].try_send(message);
                sleep(Duration::from_millis(120)).await;
            }
        });
        Self { clients, play }
    }

    pub(super) async fn check(&self) -> Result<String> {
        let (mut updates, mut registered) = (0, 0);
        for client in &self.clients {
            for event in client.log() {
                let Said::Heard(value) = event.said else { continue };
                if text(&value, "event") == "queue_update" {
                    updates += 1;
                    checked(&value["data"]).with_context(|| format!("{}: {value}", client.name))?;
                }
                if text(&value, "operation") == "queue.register" && value["success"] == true {
                    registered += 1;
                }
            }
        }
        ensure!(registered > 0, "nobody was registered");
        let length = until(SETTLE, "all to be told the same queue", async || {
            let mut lists = Vec::new();
            for client in &self.clients {
                client.say(request(9_999_999, "queue.list", &json!({})));
                sleep(Duration::from_millis(300)).await;
                let log = client.log();
                let answer = log.iter().rev().find_map(|event| match &event.said {
                    Said::Heard(value) if value["id"] == 9_999_999 => Some(at(value, "data.queue").clone()),
                    _ => None,
                });
                lists.push(answer.with_context(|| format!("{} was not answered", client.name))?);
            }
            ensure!(lists.windows(2).all(|two| two[0] == two[1]), "{lists:?}");
            Ok(lists.first().and_then(Value::as_array).map(Vec::len))
        })
        .await?;
        Ok(format!(
            "queue: {registered} registered, {updates} updates without a hole or a double, all have the same {length} at the end"
        ))
    }
}

fn checked(data: &Value) -> Result<()> {
    let queue = data["queue"].as_array().context("a queue")?;
    ensure!(data["total"] == queue.len(), "the total");
    ensure!(u64::try_from(queue.len())? <= LONGEST, "too long");
    let names: BTreeSet<&str> = queue.iter().map(|one| text(one, "callsign")).collect();
    ensure!(names.len() == queue.len(), "somebody is in it twice");
    ensure!(
        queue
            .iter()
            .zip(1_u64..)
            .all(|(one, place)| one["position"] == place),
        "the positions"
    );
    Ok(())
}
