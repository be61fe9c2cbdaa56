//! A client that follows one topic through broken connections, and fails as soon as it is lied to: an
//! offset twice, out of order, or missing without a word about it.

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::client::{Client, Received};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    epoch: Value,
    offset: u64,
    tag: Value,
}

#[derive(Debug)]
pub struct Follower {
    url: String,
    topic: String,
    client: Option<Client>,
    position: Option<Position>,
    /// What it was handed, in order.
    pub entries: Vec<Value>,
    /// The snapshot of the last subscription or reset, if there was one.
    pub snapshot: Option<Value>,
    /// Connections made after the first.
    pub reconnects: u32,
    /// Subscriptions with a position that were answered by `recovered: true`.
    pub recoveries: u32,
    /// The node of the connection.
    pub node: String,
}

/// What happens to a follower.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The next publication or job entry, a whole push.
    Entry(Value),
    /// Back on a node after the connection broke. `recovered: false` means a new beginning.
    Back { recovered: bool },
    /// These offsets will not come.
    Lagged { from: u64, to: u64 },
    /// What was seen before no longer leads to what follows.
    Reset { reason: String },
}

impl Follower {
    /// Connects and subscribes.
    pub async fn start(url: &str, topic: &str) -> Result<Self> {
        let client = Client::connect(url).await?;
        Self::with(client, url, topic).await
    }

    /// Subscribes on this connection; later ones go to the URL.
    pub async fn with(client: Client, url: &str, topic: &str) -> Result<Self> {
        let mut follower = Self {
            url: url.to_owned(),
            topic: topic.to_owned(),
            client: None,
            position: None,
            entries: Vec::new(),
            snapshot: None,
            reconnects: 0,
            recoveries: 0,
            node: String::new(),
        };
        let subscribed = follower.subscribe(client).await?;
        ensure!(subscribed.is_some(), "{topic} cannot be subscribed to now");
        Ok(follower)
    }

    /// The offset it stands at.
    pub fn offset(&self) -> u64 {
        self.position.as_ref().map_or(0, |position| position.offset)
    }

    /// The next thing that happens. Comes back by itself when the connection breaks.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            let Some(client) = &mut self.client else {
                return self.come_back().await;
            };
            match client.next().await? {
                Received::Frame(frame) => {
                    if let Some(event) = self.take(frame)? {
                        return Ok(event);
                    }
                }
                Received::Closed(_) => self.client = None,
            }
        }
    }

    /// Follows until an entry satisfies this, and gives it. Anything that is not an entry or a recovery
    /// without loss is an error.
    pub async fn until(&mut self, mut enough: impl FnMut(&Value) -> bool) -> Result<Value> {
        loop {
            match self.next().await? {
                Event::Entry(entry) if enough(&entry) => return Ok(entry),
                Event::Entry(_) | Event::Back { recovered: true } => {}
                other => bail!("{} after offset {}: {other:?}", self.topic, self.offset()),
            }
        }
    }

    async fn come_back(&mut self) -> Result<Event> {
        let recovered = loop {
            if let Ok(client) = Client::connect(&self.url).await
                && let Some(recovered) = self.subscribe(client).await?
            {
                break recovered;
            }
            // A client's pause between two tries.
            sleep(Duration::from_millis(50)).await;
        };
        self.reconnects += 1;
        self.recoveries += u32::from(recovered);
        Ok(Event::Back { recovered })
    }

    /// Whether it was recovered; nothing if the gateway could not say, or is gone.
    async fn subscribe(&mut self, mut client: Client) -> Result<Option<bool>> {
        let mut command = json!({ "action": "subscribe", "topic": self.topic });
        if let Some(Position { epoch, offset, tag }) = &self.position {
            command["since"] = json!({ "epoch": epoch, "offset": offset, "tag": tag });
        }
        let Ok(reply) = client.ask(command).await else {
            return Ok(None);
        };
        if reply["type"] == "error" && reply["temporary"] == true {
            return Ok(None);
        }
        ensure!(
            reply["type"] == "subscribed",
            "{} is answered by {reply}",
            self.topic
        );
        let recovered = reply["recovered"].as_bool();
        ensure!(
            recovered.is_some() == self.position.is_some(),
            "`recovered` goes with `since`: {reply}"
        );
        let top = position(&reply)?;
        if let (Some(true), Some(held)) = (recovered, &self.position) {
            ensure!(top.epoch == held.epoch, "recovered over another epoch: {reply}");
            ensure!(
                top.offset >= held.offset,
                "recovered from what has not been yet: {reply}"
            );
        } else {
            self.snapshot = reply.get("snapshot").cloned();
            self.position = Some(top);
        }
        client.node().clone_into(&mut self.node);
        self.client = Some(client);
        Ok(Some(recovered.unwrap_or(false)))
    }

    fn take(&mut self, frame: Value) -> Result<Option<Event>> {
        if frame["topic"] != self.topic.as_str() {
            return Ok(None);
        }
        let held = self.offset();
        match frame["type"].as_str() {
            Some("message" | "job" | "set" | "remove") => {
                let offset = number(&frame, "offset")?;
                ensure!(
                    offset == held + 1,
                    "after offset {held} of {} came {frame}",
                    self.topic
                );
                if let Some(position) = &mut self.position {
                    position.offset = offset;
                    position.tag = frame["tag"].clone();
                }
                self.entries.push(frame.clone());
                Ok(Some(Event::Entry(frame)))
            }
            Some("lagged") => {
                let (from, to) = (number(&frame, "from")?, number(&frame, "to")?);
                ensure!(
                    from == held + 1 && to >= from,
                    "a wrong range after offset {held}: {frame}"
                );
                if let Some(position) = &mut self.position {
                    position.offset = to;
                    position.tag = Value::Null;
                }
                Ok(Some(Event::Lagged { from, to }))
            }
            Some("reset") => {
                self.position = Some(position(&frame)?);
                self.snapshot = frame.get("snapshot").cloned();
                let reason = frame["reason"].as_str().unwrap_or_default().to_owned();
                Ok(Some(Event::Reset { reason }))
            }
            _ => Ok(None),
        }
    }
}

fn position(frame: &Value) -> Result<Position> {
    ensure!(
        frame["epoch"].is_string() && frame["tag"].is_string(),
        "no position in {frame}"
    );
    Ok(Position {
        epoch: frame["epoch"].clone(),
        offset: number(frame, "offset")?,
        tag: frame["tag"].clone(),
    })
}

fn number(frame: &Value, field: &str) -> Result<u64> {
    match frame[field].as_u64() {
        Some(number) => Ok(number),
        None => bail!("no {field} in {frame}"),
    }
}
