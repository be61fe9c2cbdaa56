//! The limit of the machine: a server with one thread that upgrades connections, remembers their topics, and writes each
//! publication, made into a frame once, to all of them. No log, no Redis, no checks: nothing can do less and be followed.
//! It keeps nothing for a socket that is full; such a client is closed.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use base64::Engine;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use sha1::{Digest, Sha1};
use socket2::{Domain, Protocol, Socket, Type};

use crate::audit::number;
use crate::frame::{self, Frame};

const LISTENER: Token = Token(usize::MAX);
const SCRATCH: usize = 64 * 1024;
/// Connections that wait to be taken: a burst of them is not turned away.
const BACKLOG: i32 = 4096;
/// Most publications that share one write.
const BATCH: usize = 32;
/// RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

struct Limit {
    poll: Poll,
    /// By their number; None once they are gone.
    clients: Vec<Option<Peer>>,
    names: HashMap<Vec<u8>, usize>,
    topics: Vec<Topic>,
    /// Topics that have something to be written.
    waiting: Vec<usize>,
    most: usize,
}

struct Peer {
    stream: TcpStream,
    upgraded: bool,
    rest: Vec<u8>,
}

#[derive(Default)]
struct Topic {
    followers: Vec<usize>,
    offset: u64,
    /// Frames to be written.
    ready: Vec<u8>,
    frames: usize,
}

/// Until the time is up, so that it is not forgotten.
pub(crate) fn serve(listen: SocketAddr, batched: bool, seconds: u64) -> Result<()> {
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into()).with_context(|| listen.to_string())?;
    socket.listen(BACKLOG)?;
    let mut listener = TcpListener::from_std(socket.into());
    let mut limit = Limit {
        poll: Poll::new()?,
        clients: Vec::new(),
        names: HashMap::new(),
        topics: Vec::new(),
        waiting: Vec::new(),
        most: if batched { BATCH } else { 1 },
    };
    limit
        .poll
        .registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    println!(
        "the limit listens on {}, process {}",
        listener.local_addr()?,
        std::process::id()
    );
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut events = Events::with_capacity(4096);
    let mut scratch = vec![0; SCRATCH];
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        match limit.poll.poll(&mut events, Some(left)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                limit.accept(&listener)?;
            } else {
                limit.read(event.token().0, &mut scratch);
            }
        }
    }
    Ok(())
}

impl Limit {
    fn accept(&mut self, listener: &TcpListener) -> Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            self.poll
                .registry()
                .register(&mut stream, Token(self.clients.len()), Interest::READABLE)?;
            let peer = Peer {
                stream,
                upgraded: false,
                rest: Vec::new(),
            };
            self.clients.push(Some(peer));
        }
    }

    fn read(&mut self, number: usize, scratch: &mut [u8]) {
        loop {
            let Some(peer) = self.peer(number) else {
                return;
            };
            match peer.stream.read(scratch) {
                Ok(length) if length > 0 => peer.rest.extend_from_slice(&scratch[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                _ => return self.forget(number),
            }
        }
        let Some(peer) = self.peer(number) else {
            return;
        };
        let mut bytes = std::mem::take(&mut peer.rest);
        let mut used = 0;
        if !peer.upgraded {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
                peer.rest = bytes;
                return;
            };
            let Some(answer) = upgrade(&bytes[..end]) else {
                return self.forget(number);
            };
            peer.upgraded = true;
            used = end + 4;
            let welcome = frame::unmasked(frame::TEXT, b"{\"type\":\"welcome\"}");
            if peer
                .stream
                .write_all(&[answer.as_bytes(), &welcome].concat())
                .is_err()
            {
                return self.forget(number);
            }
        }
        while let Some(one) = Frame::first(&bytes[used..]) {
            let (start, end) = (used + one.start, used + one.end);
            if let Some(mask) = one.mask.filter(|mask| *mask != [0; 4]) {
                for (at, byte) in bytes[start..end].iter_mut().enumerate() {
                    *byte ^= mask[at % 4];
                }
            }
            self.command(number, &bytes[start..end]);
            used = end;
        }
        bytes.drain(..used);
        if let Some(peer) = self.peer(number) {
            peer.rest = if bytes.is_empty() { Vec::new() } else { bytes };
        }
        self.flush();
    }

    fn command(&mut self, number: usize, text: &[u8]) {
        let Some(topic) = field(text, b"\"topic\":\"") else {
            return;
        };
        let topic = if let Some(topic) = self.names.get(topic) {
            *topic
        } else {
            self.names.insert(topic.to_vec(), self.topics.len());
            self.topics.push(Topic::default());
            self.topics.len() - 1
        };
        let entry = &mut self.topics[topic];
        if text.starts_with(b"{\"action\":\"subscribe\"") {
            entry.followers.push(number);
            let id = number_of(text);
            let answer = format!(
                "{{\"type\":\"subscribed\",\"id\":{id},\"offset\":{}}}",
                entry.offset
            );
            let frame = frame::unmasked(frame::TEXT, answer.as_bytes());
            let written = self
                .peer(number)
                .is_some_and(|peer| peer.stream.write_all(&frame).is_ok());
            if !written {
                self.forget(number);
            }
        } else if text.starts_with(b"{\"action\":\"publish\"") {
            let Some(at) = text.windows(7).position(|window| window == b"\"data\":") else {
                return;
            };
            let data = &text[at + 7..text.len().saturating_sub(1)];
            entry.offset += 1;
            let head = format!("{{\"type\":\"message\",\"offset\":{},\"data\":", entry.offset);
            let message = [head.as_bytes(), data, b"}"].concat();
            entry.ready.extend(frame::unmasked(frame::TEXT, &message));
            entry.frames += 1;
            if entry.frames == 1 {
                self.waiting.push(topic);
            }
            if entry.frames >= self.most {
                self.write(topic);
            }
        }
    }

    /// What waits for more to share its write is not made to wait for another read.
    fn flush(&mut self) {
        for topic in std::mem::take(&mut self.waiting) {
            self.write(topic);
        }
    }

    fn write(&mut self, topic: usize) {
        let entry = &mut self.topics[topic];
        if entry.frames == 0 {
            return;
        }
        let frames = std::mem::take(&mut entry.ready);
        entry.frames = 0;
        let mut gone = Vec::new();
        for number in &entry.followers {
            if let Some(Some(peer)) = self.clients.get_mut(*number) {
                let whole = matches!(peer.stream.write(&frames), Ok(length) if length == frames.len());
                if !whole {
                    gone.push(*number);
                }
            }
        }
        for number in gone {
            self.forget(number);
        }
    }

    fn peer(&mut self, number: usize) -> Option<&mut Peer> {
        self.clients.get_mut(number)?.as_mut()
    }

    fn forget(&mut self, number: usize) {
        if let Some(mut peer) = self.clients.get_mut(number).and_then(Option::take) {
            // A socket that is not there any more needs no leave.
            let _ = self.poll.registry().deregister(&mut peer.stream);
            for topic in &mut self.topics {
                topic.followers.retain(|one| *one != number);
            }
        }
    }
}

fn number_of(text: &[u8]) -> u64 {
    number(text, b"\"id\":").unwrap_or_default()
}

/// The text after a key, up to the quote.
fn field<'t>(text: &'t [u8], key: &[u8]) -> Option<&'t [u8]> {
    let at = text.windows(key.len()).position(|window| window == key)? + key.len();
    let end = text[at..].iter().position(|byte| *byte == b'"')?;
    Some(&text[at..at + end])
}

fn upgrade(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key")
            .then(|| value.trim())
    })?;
    let digest = Sha1::digest(format!("{key}{GUID}"));
    let accept = base64::engine::general_purpose::STANDARD.encode(digest);
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_is_that_of_the_rfc() {
        let answer =
            upgrade(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").expect("a key");
        assert!(
            answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "RFC 6455, section 1.3: {answer}"
        );
    }
}
