//! A client that costs little: it follows one topic over a bare connection, and looks only at the offset
//! and the time of what comes. A thousand of them fit into a test.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::latency::Latencies;
use crate::raw::{self, Raw, opcode};

/// Latencies that a reader keeps before it hands them in.
const BATCH: usize = 64;
/// Offsets that are counted at the same time.
const COUNTED: usize = 64;

/// What all readers of a topic have heard.
#[derive(Debug)]
pub struct Heard {
    readers: u64,
    began: Instant,
    /// How many have the offset, by its remainder.
    counts: [AtomicU64; COUNTED],
    level: AtomicU64,
    changed: Notify,
    latencies: Mutex<Latencies>,
}

impl Heard {
    pub fn new(readers: u64) -> Self {
        Self {
            readers,
            began: Instant::now(),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            level: AtomicU64::new(0),
            changed: Notify::new(),
            latencies: Mutex::default(),
        }
    }

    /// Microseconds, by the clock that `at` of a publication is of.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Resolves when every reader has this offset.
    pub async fn all_have(&self, offset: u64) -> Result<()> {
        while self.level.load(Ordering::Acquire) < offset {
            self.changed.notified().await;
        }
        Ok(())
    }

    pub fn take_latencies(&self) -> Latencies {
        std::mem::take(&mut *self.latencies.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One reader has come to this offset. Fewer than [`COUNTED`] are on their way at any time.
    fn have(&self, offset: u64) {
        let index = usize::try_from(offset % COUNTED as u64).unwrap_or_default();
        if self.counts[index].fetch_add(1, Ordering::AcqRel) + 1 == self.readers {
            self.counts[index].store(0, Ordering::Release);
            self.level.fetch_max(offset, Ordering::AcqRel);
            self.changed.notify_one();
        }
    }

    fn hand_in(&self, latencies: &mut Vec<u64>) {
        let mut all = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        for microseconds in latencies.drain(..) {
            all.add(Duration::from_micros(microseconds));
        }
    }
}

#[derive(Debug)]
pub struct Reader {
    stream: TcpStream,
    read: Vec<u8>,
    /// What of it has been looked at.
    at: usize,
    joined_at: u64,
}

impl Reader {
    /// Connects and subscribes.
    pub async fn start(port: u16, topic: &str) -> Result<Self> {
        let mut raw = Raw::connect(port).await?;
        let command = json!({ "action": "subscribe", "id": 1, "topic": topic });
        raw.send(&raw::frame(opcode::TEXT, command.to_string().as_bytes()))
            .await?;
        let (stream, read) = raw.into_parts();
        let mut reader = Self {
            stream,
            read,
            at: 0,
            joined_at: 0,
        };
        let subscribed = reader.frame().await?.context("the connection ended")?;
        ensure!(subscribed["type"] == "subscribed", "{subscribed}");
        reader.joined_at = subscribed["offset"].as_u64().context("an offset")?;
        Ok(reader)
    }

    /// The offset at which it joined.
    pub fn joined_at(&self) -> u64 {
        self.joined_at
    }

    /// Reads until it is stopped. Fails at the first offset that is not the next.
    pub async fn run(mut self, heard: Arc<Heard>, stop: CancellationToken) -> Result<()> {
        let mut latencies = Vec::with_capacity(BATCH);
        let mut offset = self.joined_at;
        loop {
            let Some(range) = stop.run_until_cancelled(self.payload()).await else {
                return Ok(());
            };
            let range = range?.context("the connection of one who keeps up ended")?;
            let text = std::str::from_utf8(&self.read[range])?;
            let at = number(text, text.find("\"at\":")).with_context(|| format!("no time: {text}"))?;
            let next =
                number(text, text.rfind("\"offset\":")).with_context(|| format!("no offset: {text}"))?;
            ensure!(next == offset + 1, "offset {next} after {offset}");
            offset = next;
            latencies.push(heard.now().saturating_sub(at));
            // Before it counts, so that a phase has all of its latencies.
            if latencies.len() == BATCH || self.at == self.read.len() {
                heard.hand_in(&mut latencies);
            }
            heard.have(offset);
        }
    }

    /// The next text frame; nothing if the connection has ended, or is being closed.
    pub async fn frame(&mut self) -> Result<Option<Value>> {
        match self.payload().await? {
            Some(range) => Ok(Some(serde_json::from_slice(&self.read[range])?)),
            None => Ok(None),
        }
    }

    async fn payload(&mut self) -> Result<Option<std::ops::Range<usize>>> {
        loop {
            if let Some((first, range)) = whole(&self.read, self.at) {
                self.at = range.end;
                match first & 0x0f {
                    opcode::TEXT => return Ok(Some(range)),
                    opcode::CLOSE => return Ok(None),
                    other => bail!("a frame with opcode {other}"),
                }
            }
            self.read.drain(..self.at);
            self.at = 0;
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                // A server that cuts one who does not read.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The first byte of the frame that begins at `at`, and where its payload is, if it is there as a whole.
fn whole(read: &[u8], at: usize) -> Option<(u8, std::ops::Range<usize>)> {
    let rest = read.get(at..)?;
    let &[first, second, ..] = rest else { return None };
    let (head, length) = match second & 0x7f {
        126 => (
            4,
            usize::from(u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?)),
        ),
        127 => {
            let length = u64::from_be_bytes(rest.get(2..10)?.try_into().ok()?);
            (10, usize::try_from(length).ok()?)
        }
        short => (2, usize::from(short)),
    };
    let start = at + head;
    (read.len() >= start + length).then(|| (first, start..start + length))
}

/// The number that follows the colon of a field.
fn number(text: &str, field: Option<usize>) -> Option<u64> {
    let (_, rest) = text.get(field?..)?.split_once(':')?;
    let end = rest.find(|one: char| !one.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_only_when_they_are_whole() {
        let mut read = vec![0, 0x81, 2, b'h', b'i', 0x81, 126, 1, 0];
        assert_eq!(whole(&read, 1), Some((0x81, 3..5)));
        assert_eq!(whole(&read, 5), None);
        read.extend([b'x'; 256]);
        assert_eq!(whole(&read, 5), Some((0x81, 9..265)));
        assert_eq!(whole(&read, 265), None);
    }

    #[test]
    fn numbers_are_read_from_where_their_field_is() {
        let text = "{\"data\":{\"at\":17},\"offset\":203}";
        assert_eq!(number(text, text.find("\"at\":")), Some(17));
        assert_eq!(number(text, text.rfind("\"offset\":")), Some(203));
        assert_eq!(number(text, None), None);
    }

    #[tokio::test]
    async fn everybody_must_have_an_offset() {
        let heard = Heard::new(2);
        heard.have(1);
        let waiting = tokio::time::timeout(Duration::from_millis(50), heard.all_have(1));
        assert!(waiting.await.is_err());
        heard.have(1);
        heard.all_have(1).await.expect("both have it");
    }
}
