//! A WebSocket client that can break every rule: bytes go out as they are given.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wait::within;

const SOON: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A frame of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Text(String),
    Close(u16),
    /// Any other frame, by its opcode.
    Other(u8),
    /// The connection is at its end.
    End,
}

/// Text, binary and so on, as RFC 6455 §5.2 numbers them.
pub mod opcode {
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
}

/// A final, masked frame, as it should be.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame_with(0x80 | opcode, true, payload)
}

/// A frame with this first byte (FIN, reserved bits and opcode).
pub fn frame_with(first: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, masked, payload.len() as u64);
    if masked {
        let mask = [0x12, 0x34, 0x56, 0x78];
        bytes.extend(mask);
        bytes.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
    } else {
        bytes.extend(payload);
    }
    bytes
}

/// The head of a masked frame and nothing after it, announcing this length.
pub fn announce(opcode: u8, length: u64) -> Vec<u8> {
    let mut bytes = head(0x80 | opcode, true, length);
    bytes.extend([0; 4]);
    bytes
}

/// A head up to the mask.
fn head(first: u8, masked: bool, length: u64) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => bytes.push(bit + short),
        (_, Ok(medium)) => {
            bytes.push(bit + 126);
            bytes.extend(medium.to_be_bytes());
        }
        _ => {
            bytes.push(bit + 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

impl Raw {
    /// Connects to a gateway and upgrades. The welcome has been read.
    pub async fn connect(port: u16) -> Result<Self> {
        let mut raw = Self::plain(port).await?;
        let head = raw
            .upgrade(
                "GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )
            .await?;
        ensure!(head.starts_with("HTTP/1.1 101"), "no upgrade: {head}");
        ensure!(
            head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "the accept key of RFC 6455 §1.3: {head}"
        );
        match raw.reply().await? {
            Reply::Text(text) if text.contains("\"welcome\"") => Ok(raw),
            other => bail!("no welcome, but {other:?}"),
        }
    }

    /// Connects and sends nothing.
    pub async fn plain(port: u16) -> Result<Self> {
        Ok(Self {
            stream: TcpStream::connect(("127.0.0.1", port)).await?,
            read: Vec::new(),
        })
    }

    /// The connection, and what was read of it but not looked at.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.read)
    }

    /// Sends a request and gives the head of the answer.
    pub async fn upgrade(&mut self, request: &str) -> Result<String> {
        self.send(request.as_bytes()).await?;
        let end = within(SOON, "an HTTP answer", async {
            loop {
                if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                    return Ok(at + 4);
                }
                ensure!(self.fill().await? > 0, "the connection ended");
            }
        })
        .await?;
        let head = self.read.drain(..end).collect();
        Ok(String::from_utf8(head)?)
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Ends our side of the connection.
    pub async fn shut(&mut self) -> Result<()> {
        Ok(self.stream.shutdown().await?)
    }

    pub async fn reply(&mut self) -> Result<Reply> {
        within(SOON, "a frame or the end", self.read_frame()).await
    }

    /// Reads on until the close frame, and past it until the end of the connection.
    pub async fn close_code(&mut self) -> Result<u16> {
        let code = loop {
            match self.reply().await? {
                Reply::Close(code) => break code,
                Reply::End => bail!("the connection ended without a close frame"),
                _ => {}
            }
        };
        // By the book: answer, and the server ends the connection.
        let _ = self.send(&frame(opcode::CLOSE, &code.to_be_bytes())).await;
        while self.reply().await? != Reply::End {}
        Ok(code)
    }

    async fn read_frame(&mut self) -> Result<Reply> {
        loop {
            if let Some((reply, used)) = parse(&self.read)? {
                self.read.drain(..used);
                return Ok(reply);
            }
            if self.fill().await? == 0 {
                return Ok(Reply::End);
            }
        }
    }

    async fn fill(&mut self) -> Result<usize> {
        match self.stream.read_buf(&mut self.read).await {
            Ok(count) => Ok(count),
            // A server that closed while we still sent: the end as well.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Option<(Reply, usize)>> {
    let &[first, second, ..] = bytes else {
        return Ok(None);
    };
    ensure!(second & 0x80 == 0, "a server must not mask");
    let (start, length) = match second {
        126 if bytes.len() >= 4 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        127 if bytes.len() >= 10 => (10, usize::try_from(u64::from_be_bytes(bytes[2..10].try_into()?))?),
        126 | 127 => return Ok(None),
        short => (2, usize::from(short)),
    };
    let Some(payload) = bytes.get(start..start + length) else {
        return Ok(None);
    };
    let reply = match first & 0x0f {
        opcode::TEXT => Reply::Text(String::from_utf8(payload.to_vec()).context("text that is no UTF-8")?),
        opcode::CLOSE if length >= 2 => Reply::Close(u16::from_be_bytes([payload[0], payload[1]])),
        other => Reply::Other(other),
    };
    Ok(Some((reply, start + length)))
}
