//! One connection: a socket, what was read of an unfinished frame, and where its topic is. Never waits.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

use crate::audit::Audit;
use crate::frame::{self, Frame};

/// Clients of one source address: fewer than there are ports to connect from.
const PER_ADDRESS: usize = 20_000;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) stage: Stage,
    pub(crate) audit: Audit,
    /// What was read and is no whole frame yet. Empty, and without memory, most of the time.
    rest: Vec<u8>,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Upgrading,
    Subscribing,
    Following,
    /// Does not read any more.
    Stalled,
    Gone,
}

impl Client {
    /// Connects, and sends the request for the upgrade. The kernel connects on loopback at once.
    pub(crate) fn connect(target: SocketAddr, path: &str, number: usize) -> Result<Self> {
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
        if let IpAddr::V4(address) = target.ip()
            && address.is_loopback()
        {
            let last = u8::try_from(1 + number / PER_ADDRESS).context("too many clients")?;
            socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into())?;
        }
        socket
            .connect(&target.into())
            .with_context(|| format!("{target} does not take connections"))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let mut client = Self {
            stream: TcpStream::from_std(socket.into()),
            stage: Stage::Upgrading,
            audit: Audit::default(),
            rest: Vec::new(),
            unsent: Vec::new(),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        client.send(request.as_bytes())?;
        Ok(client)
    }

    /// Sends it, or keeps it for when the socket takes it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.unsent.extend_from_slice(bytes);
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => bail!("the socket takes nothing"),
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        // An idle client holds no memory for what it once sent.
        self.unsent = Vec::new();
        Ok(())
    }

    /// Reads what is there and hands on each text message. The answer to the upgrade counts as an empty one.
    pub(crate) fn read(
        &mut self,
        scratch: &mut [u8],
        mut message: impl FnMut(&mut Self, &[u8]) -> Result<()>,
    ) -> Result<()> {
        loop {
            let length = match self.stream.read(scratch) {
                Ok(0) => {
                    self.stage = Stage::Gone;
                    return Ok(());
                }
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => {
                    self.stage = Stage::Gone;
                    return Ok(());
                }
            };
            if self.rest.is_empty() {
                let used = self.take(&scratch[..length], &mut message)?;
                if used < length {
                    self.rest.extend_from_slice(&scratch[used..length]);
                }
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(&scratch[..length]);
                let used = self.take(&whole, &mut message)?;
                if used < whole.len() {
                    self.rest.extend_from_slice(&whole[used..]);
                }
            }
            if matches!(self.stage, Stage::Gone | Stage::Stalled) {
                return Ok(());
            }
        }
    }

    /// Gives how many bytes were whole.
    fn take(
        &mut self,
        bytes: &[u8],
        message: &mut impl FnMut(&mut Self, &[u8]) -> Result<()>,
    ) -> Result<usize> {
        let mut used = 0;
        if self.stage == Stage::Upgrading {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
                return Ok(0);
            };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                let head = String::from_utf8_lossy(&bytes[..end]);
                bail!("no upgrade: {}", head.lines().next().unwrap_or_default());
            }
            used = end + 4;
            self.stage = Stage::Subscribing;
            message(self, b"")?;
        }
        while let Some(one) = Frame::first(&bytes[used..]) {
            let payload = &bytes[used + one.start..used + one.end];
            used += one.end;
            match one.opcode {
                frame::TEXT => message(self, payload)?,
                frame::PING => self.send(&frame::masked(frame::PONG, payload))?,
                frame::CLOSE => self.stage = Stage::Gone,
                _ => {}
            }
        }
        Ok(used)
    }
}
