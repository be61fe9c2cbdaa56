//! A client that goes through nginx, comes back when it was told to, and says where it was.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use rand::Rng;
use serde_json::json;
use tokio::time::sleep;

use super::super::book::Book;
use super::super::nodes::Doors;
use super::super::told::told;
use super::register::Register;
use crate::client::{Client, Received};

/// The first pause of one who was told nothing, which doubles with every try, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

#[derive(Debug)]
pub(super) struct Guest {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) doors: Doors,
    pub(super) book: Arc<Book>,
    pub(super) register: Arc<Register>,
}

/// How a connection ended.
struct Farewell {
    /// What `goaway` said.
    reconnect_after: Option<Duration>,
    code: Option<u16>,
}

impl Guest {
    /// Comes after this time, and follows its topic for ever.
    pub(super) async fn follow(self, comes: Duration) {
        let mut pause = comes;
        let mut tries = 0;
        loop {
            sleep(pause).await;
            pause = random_pause(tries);
            tries += 1;
            self.register.knocks();
            let Ok(client) = Client::connect(&self.doors.url()).await else {
                self.register.turned_away();
                continue;
            };
            tries = 0;
            match self.listen(client).await {
                Ok(farewell) => {
                    let is_told = farewell.reconnect_after.is_some();
                    self.register.cut(self.number, is_told, farewell.code);
                    pause = farewell.reconnect_after.unwrap_or(pause);
                }
                Err(error) => self.book.wrong(&self.name, &self.topic, &format!("{error:#}")),
            }
        }
    }

    async fn listen(&self, mut client: Client) -> Result<Farewell> {
        let mut command = json!({ "action": "subscribe", "id": 1, "topic": self.topic });
        if let Some(held) = self.book.position(&self.name, &self.topic) {
            command["since"] = json!({ "epoch": held.epoch, "offset": held.offset, "tag": held.tag });
        }
        let mut reconnect_after = None;
        // If it cannot be sent, the reason is what comes next.
        let _ = client.send(&command).await;
        loop {
            let frame = match client.next().await? {
                Received::Frame(frame) => frame,
                Received::Closed(close) => {
                    return Ok(Farewell {
                        reconnect_after,
                        code: close.map(|(code, _)| code),
                    });
                }
            };
            match frame["type"].as_str() {
                Some("goaway") => {
                    reconnect_after = frame["reconnect_after_ms"].as_u64().map(Duration::from_millis);
                }
                Some("error") => bail!("{frame}"),
                kind => {
                    let Some(told) = told(&frame) else {
                        bail!("not understood: {frame}");
                    };
                    self.book.told(&self.name, &self.topic, &told);
                    if kind == Some("subscribed") {
                        self.register.follows(self.number);
                    }
                }
            }
        }
    }
}

/// Between a half and all of a pause that grows.
fn random_pause(tries: u32) -> Duration {
    let most = PAUSE.0.saturating_mul(1 << tries.min(8)).min(PAUSE.1);
    most.mul_f64(rand::rng().random_range(0.5..1.0))
}
