//! One connection: a wire, what was read of an unfinished frame, and where its topic is. Never waits.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use mio::net::TcpStream;
use rustls::ClientConfig;
use socket2::{Domain, Protocol as Transport, Socket, Type};

use crate::audit::{Audit, Position};
use crate::frame::{self, Frame};
use crate::handshake;
use crate::inflate::Inflate;
use crate::protocol::{Heard, Protocol};
use crate::wire::Wire;

pub(crate) struct Client {
    pub(crate) wire: Wire,
    pub(crate) stage: Stage,
    pub(crate) audit: Audit,
    /// Where to go on after a reconnection. Only kept where a scenario has any.
    pub(crate) position: Option<Box<Position>>,
    /// The server has agreed to compress messages.
    pub(crate) deflates: bool,
    /// Was there before, and says where it was.
    pub(crate) returning: bool,
    /// Milliseconds after which the server wants it back.
    pub(crate) back_after: Option<u64>,
    /// What was read and is no whole frame yet. Empty, and without memory, most of the time.
    rest: Vec<u8>,
    /// Of protocols that are streams: what came in whole frames and is not whole.
    partial: Vec<u8>,
    /// What the socket did not take yet, and how much of it was taken since.
    unsent: Vec<u8>,
    taken: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Upgrading,
    /// Upgraded; the server has more to say before a client may subscribe.
    Greeting,
    Subscribing,
    Following,
    /// Does not read any more.
    Stalled,
    Gone,
}

/// What a socket has brought.
pub(crate) enum Event<'t> {
    Upgraded,
    Heard(Heard<'t>),
}

impl Client {
    /// Connects, from the source address with this number. The kernel connects on loopback at once.
    pub(crate) fn connect(target: SocketAddr, source: u8, tls: Option<&Arc<ClientConfig>>) -> Result<Self> {
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Transport::TCP))?;
        if let IpAddr::V4(address) = target.ip()
            && address.is_loopback()
            && source > 0
        {
            let source = Ipv4Addr::new(127, 0, 0, 1 + source);
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        socket
            .connect(&target.into())
            .with_context(|| format!("{target} does not take connections"))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        Ok(Self {
            wire: Wire::new(TcpStream::from_std(socket.into()), target, tls)?,
            stage: Stage::Upgrading,
            audit: Audit::default(),
            position: None,
            deflates: false,
            returning: false,
            back_after: None,
            rest: Vec::new(),
            partial: Vec::new(),
            unsent: Vec::new(),
            taken: 0,
        })
    }

    /// Sends it, or keeps it for when the socket takes it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.unsent.extend_from_slice(bytes);
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        match self.push() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.stage = Stage::Gone;
            }
            result => result?,
        }
        // An idle client holds no memory for what it once sent.
        self.unsent = Vec::new();
        self.taken = 0;
        Ok(())
    }

    fn push(&mut self) -> io::Result<()> {
        while self.taken < self.unsent.len() {
            match self.wire.write(&self.unsent[self.taken..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.taken += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.wire.flush()
    }

    /// Bytes that the server has not taken.
    pub(crate) fn backlog(&self) -> usize {
        self.unsent.len() - self.taken
    }

    /// Reads what is there and throws it away: answers to a publisher's requests.
    pub(crate) fn discard(&mut self, scratch: &mut [u8]) {
        loop {
            match self.wire.read(scratch) {
                Ok(0) => self.stage = Stage::Gone,
                Ok(_) => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => self.stage = Stage::Gone,
            }
            return;
        }
    }

    /// Reads what is there and hands on what it means.
    pub(crate) fn read(
        &mut self,
        scratch: &mut [u8],
        inflate: &mut Inflate,
        protocol: &dyn Protocol,
        mut event: impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<()> {
        loop {
            let length = match self.wire.read(scratch) {
                Ok(0) => {
                    self.stage = Stage::Gone;
                    return Ok(());
                }
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::InvalidData => return Err(error.into()),
                Err(_) => {
                    self.stage = Stage::Gone;
                    return Ok(());
                }
            };
            if self.rest.is_empty() {
                let used = self.take(&scratch[..length], inflate, protocol, &mut event)?;
                if used < length {
                    self.rest.extend_from_slice(&scratch[used..length]);
                }
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(&scratch[..length]);
                let used = self.take(&whole, inflate, protocol, &mut event)?;
                if used < whole.len() {
                    self.rest.extend_from_slice(&whole[used..]);
                }
            }
            // A short read has emptied the socket; what comes later is another event.
            let empty = self.wire.is_plain() && length < scratch.len();
            if empty || matches!(self.stage, Stage::Gone | Stage::Stalled) {
                return Ok(());
            }
        }
    }

    /// Gives how many bytes were whole.
    fn take(
        &mut self,
        bytes: &[u8],
        inflate: &mut Inflate,
        protocol: &dyn Protocol,
        event: &mut impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<usize> {
        let mut used = 0;
        if self.stage == Stage::Upgrading {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
                return Ok(0);
            };
            self.deflates = handshake::agreed(&bytes[..end])?;
            used = end + 4;
            self.stage = Stage::Greeting;
            event(self, Event::Upgraded)?;
        }
        while let Some(one) = Frame::first(&bytes[used..]) {
            let payload = &bytes[used + one.start..used + one.end];
            used += one.end;
            match one.opcode {
                frame::TEXT | frame::BINARY if one.compressed => {
                    ensure!(one.last, "a compressed message in several frames");
                    self.payload(inflate.message(payload)?, protocol, event)?;
                }
                frame::TEXT | frame::BINARY | frame::CONTINUATION => {
                    self.payload(payload, protocol, event)?;
                }
                frame::PING => self.send(&frame::masked(frame::PONG, payload))?,
                frame::CLOSE => self.stage = Stage::Gone,
                _ => {}
            }
        }
        Ok(used)
    }

    fn payload(
        &mut self,
        payload: &[u8],
        protocol: &dyn Protocol,
        event: &mut impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut broken = None;
        let mut hear = |client: &mut Self, bytes: &[u8]| {
            protocol.hear(bytes, &mut |heard| {
                if broken.is_none() {
                    broken = event(client, Event::Heard(heard)).err();
                }
            })
        };
        if self.partial.is_empty() {
            let used = hear(self, payload);
            if protocol.is_stream() && used < payload.len() {
                self.partial.extend_from_slice(&payload[used..]);
            }
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(payload);
            let used = hear(self, &whole);
            if used < whole.len() {
                self.partial.extend_from_slice(&whole[used..]);
            }
        }
        broken.map_or(Ok(()), Err)
    }
}
