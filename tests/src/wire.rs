//! A WebSocket client that shows what is on the wire: each message as it was spelled, whether it was
//! compressed, and nothing of its own in between.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flate2::{Decompress, FlushDecompress};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::raw::{frame, opcode};
use crate::wait::within;

const SOON: Duration = Duration::from_secs(20);
const PONG: u8 = 10;
/// The first byte of a frame that is a whole message, and the bit of one that is compressed.
const FINAL: u8 = 0x80;
const COMPRESSED: u8 = 0x40;

#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
    /// Messages that came while something else was waited for.
    waiting: VecDeque<Said>,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Text(String),
    Closed(u16),
}

impl Wire {
    /// Connects to a port of this machine. `Err` of the status within if the handshake is refused.
    pub async fn connect(port: u16, path: &str, compress: bool) -> Result<Result<Self, u16>> {
        let mut wire = Self {
            stream: TcpStream::connect(("127.0.0.1", port)).await?,
            read: Vec::new(),
            waiting: VecDeque::new(),
        };
        let offer = if compress {
            "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        } else {
            ""
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
        );
        wire.stream.write_all(request.as_bytes()).await?;
        let head = within(SOON, "the answer to a handshake", wire.head()).await?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        match status.with_context(|| format!("no status: {head}"))? {
            101 => {}
            status => return Ok(Err(status)),
        }
        // What the server does for a client on connecting is done when it listens to it.
        wire.stream.write_all(&frame(opcode::PING, b"")).await?;
        within(SOON, "a pong", async {
            loop {
                match wire.read_frame().await? {
                    (PONG, _) => return Ok(Ok(wire)),
                    one => {
                        if let Some(said) = message(one)? {
                            wire.waiting.push_back(said);
                        }
                    }
                }
            }
        })
        .await
    }

    async fn head(&mut self) -> Result<String> {
        loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.read.drain(..at + 4).collect();
                return Ok(String::from_utf8(head)?);
            }
            self.fill().await?;
        }
    }

    pub async fn send(&mut self, text: &str) -> Result<()> {
        Ok(self
            .stream
            .write_all(&frame(opcode::TEXT, text.as_bytes()))
            .await?)
    }

    /// The next message, or the end.
    pub async fn next(&mut self) -> Result<Said> {
        if let Some(said) = self.waiting.pop_front() {
            return Ok(said);
        }
        within(SOON, "a message", async {
            loop {
                if let Some(said) = message(self.read_frame().await?)? {
                    return Ok(said);
                }
            }
        })
        .await
    }

    /// Closes by the book. Nothing but the answer may come.
    pub async fn close(mut self) -> Result<()> {
        self.stream
            .write_all(&frame(opcode::CLOSE, &1000_u16.to_be_bytes()))
            .await?;
        match self.next().await? {
            Said::Closed(1000) => Ok(()),
            other => bail!("at the end something came that is not in the transcript: {other:?}"),
        }
    }

    /// The opcode and what it carries, inflated.
    async fn read_frame(&mut self) -> Result<(u8, Vec<u8>)> {
        loop {
            if let Some((first, start, length)) = frame_head(&self.read)?
                && self.read.len() >= start + length
            {
                ensure!(first & FINAL != 0, "a message came in pieces");
                let payload = self.read[start..start + length].to_vec();
                self.read.drain(..start + length);
                let payload = if first & COMPRESSED == 0 {
                    payload
                } else {
                    inflate(payload)?
                };
                return Ok((first & 0x0f, payload));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<()> {
        let count = self.stream.read_buf(&mut self.read).await?;
        ensure!(count > 0, "the connection ended without a close frame");
        Ok(())
    }
}

/// First byte, where the payload begins and how long it is.
fn frame_head(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>> {
    let &[first, second, ..] = bytes else {
        return Ok(None);
    };
    Ok(match second {
        126 if bytes.len() >= 4 => Some((first, 4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]])))),
        127 if bytes.len() >= 10 => Some((
            first,
            10,
            usize::try_from(u64::from_be_bytes(bytes[2..10].try_into()?))?,
        )),
        126 | 127 => None,
        short => Some((first, 2, usize::from(short))),
    })
}

fn message((kind, payload): (u8, Vec<u8>)) -> Result<Option<Said>> {
    Ok(match kind {
        opcode::TEXT => Some(Said::Text(String::from_utf8(payload)?)),
        opcode::CLOSE => {
            let code = payload.get(..2).context("a close frame without a code")?;
            Some(Said::Closed(u16::from_be_bytes(code.try_into()?)))
        }
        opcode::PING | PONG => None,
        other => bail!("a frame of kind {other}"),
    })
}

/// RFC 7692 §7.2.2, without what went before.
fn inflate(mut payload: Vec<u8>) -> Result<Vec<u8>> {
    payload.extend([0, 0, 0xff, 0xff]);
    let mut plain = Vec::with_capacity(1 << 20);
    Decompress::new(false).decompress_vec(&payload, &mut plain, FlushDecompress::Sync)?;
    Ok(plain)
}
