//! What carries a client's packets: polls, or a WebSocket; and the change from one to the other.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidegate_shared::code::CloseCode;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Arrival, CHUNK, Client, ClosedBy, End, Ending, FAREWELL, Out, Packet, Refused, engine};
use crate::transport::accept::ClientStream;
use crate::transport::ws::{Incoming, SendQueue, WebSocket, frame};

/// For a client to make up its mind about a WebSocket that it tries.
const PROBING: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) enum Carrier {
    Polling {
        waiting: Option<oneshot::Sender<Result<Bytes, Refused>>>,
    },
    Socket {
        socket: Box<WebSocket<ClientStream>>,
        sending: SendQueue,
    },
}

#[derive(Debug)]
pub(super) struct Probe {
    socket: WebSocket<ClientStream>,
    sending: SendQueue,
    pub(super) deadline: Instant,
    /// The client has tried it, and waits for its last poll to come back.
    is_tried: bool,
}

impl Carrier {
    pub(super) fn new(socket: Option<WebSocket<ClientStream>>) -> Self {
        match socket {
            None => Self::Polling { waiting: None },
            Some(socket) => Self::Socket {
                socket: Box::new(socket),
                sending: SendQueue::new(),
            },
        }
    }
}

impl Probe {
    pub(super) fn new(socket: WebSocket<ClientStream>) -> Self {
        Self {
            socket,
            sending: SendQueue::new(),
            deadline: Instant::now() + PROBING,
            is_tried: false,
        }
    }
}

impl Client {
    /// What comes over the WebSocket. Clears `idle` when something did.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, idle: &mut bool) -> Option<End> {
        if !self.member.session.is_ready() {
            return None;
        }
        let Carrier::Socket { socket, sending } = &mut self.carrier else {
            return None;
        };
        let Poll::Ready(incoming) = socket.poll_next(cx) else {
            return None;
        };
        *idle = false;
        match incoming {
            None => Some(End::Gone),
            Some(Err(error)) => Some(error.close_code().map_or(End::Gone, End::Server)),
            Some(Ok(Incoming::Text(text))) => match engine::packet(&text) {
                Ok(packet) => self.on_packet(packet),
                Err(_) => Some(End::Server(CloseCode::ProtocolError)),
            },
            Some(Ok(Incoming::Binary(bytes))) => self.on_packet(Packet::Binary(bytes)),
            Some(Ok(Incoming::Ping(payload))) => {
                sending.push(frame::pong(&payload));
                None
            }
            Some(Ok(Incoming::Pong(_))) => None,
            Some(Ok(Incoming::Close(reason))) => {
                self.member.ended = ClosedBy::Client(reason.map(|(code, _)| code));
                Some(End::Server(CloseCode::Normal))
            }
        }
    }

    /// A WebSocket that is tried: answers the trial, and goes over to it when the client does.
    pub(super) fn poll_probe(&mut self, cx: &mut Context<'_>) -> Option<End> {
        loop {
            let probe = self.probe.as_mut()?;
            if probe
                .socket
                .poll_write(cx, &mut probe.sending)
                .map(|done| done.is_err())
                == Poll::Ready(true)
            {
                self.probe = None;
                return None;
            }
            let Poll::Ready(incoming) = probe.socket.poll_next(cx) else {
                return None;
            };
            let packet = match incoming {
                Some(Ok(Incoming::Text(text))) => engine::packet(&text).ok(),
                Some(Ok(Incoming::Ping(payload))) => {
                    probe.sending.push(frame::pong(&payload));
                    continue;
                }
                Some(Ok(Incoming::Pong(_))) => continue,
                _ => None,
            };
            match packet {
                Some(Packet::Ping(tried)) if &tried[..] == engine::PROBE => {
                    probe.is_tried = true;
                    push(&mut probe.sending, &Out::PROBED);
                }
                Some(Packet::Upgrade) if probe.is_tried => self.go_over(),
                // It goes on polling.
                _ => self.probe = None,
            }
        }
    }

    fn go_over(&mut self) {
        let Some(probe) = self.probe.take() else { return };
        let Probe { socket, sending, .. } = *probe;
        let socket = Carrier::Socket {
            socket: Box::new(socket),
            sending,
        };
        if let Carrier::Polling {
            waiting: Some(waiting),
        } = std::mem::replace(&mut self.carrier, socket)
        {
            let mut body = BytesMut::new();
            engine::append(&mut body, &Out::NOOP);
            let _ = waiting.send(Ok(body.freeze()));
        }
    }

    /// Hands the carrier what is ready, as far as it takes it. Ready if that is the end.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.fill(cx);
        match self.carrier {
            Carrier::Polling { .. } => {
                let end = self.answer_poll(cx);
                // What was taken made room.
                self.fill(cx);
                end
            }
            Carrier::Socket { .. } => self.write_socket(cx),
        }
    }

    fn answer_poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let is_tried = self.probe.as_ref().is_some_and(|probe| probe.is_tried);
        let Carrier::Polling { waiting } = &mut self.carrier else {
            return Poll::Pending;
        };
        if let Some(answer) = waiting {
            // Whoever breaks a poll off does not know what it would have brought.
            if answer.poll_closed(cx).is_ready() {
                return Poll::Ready(End::Gone);
            }
            if self.ready.is_empty() && is_tried && self.ending.is_none() {
                self.make_ready(Out::NOOP);
            }
            if !self.ready.is_empty() && !self.answer_with(None) {
                return Poll::Ready(End::Gone);
            }
        }
        match self.ending {
            Some(code) if self.ready.is_empty() || code == CloseCode::SlowConsumer => {
                Poll::Ready(End::Server(code))
            }
            _ => Poll::Pending,
        }
    }

    /// Answers the poll that waits with what is ready, and `last` if all of that fits. `false` if nobody
    /// took it.
    fn answer_with(&mut self, last: Option<Out>) -> bool {
        let limit = self.member.node.config.limits.message;
        let Carrier::Polling { waiting } = &mut self.carrier else {
            return false;
        };
        let Some(answer) = waiting.take() else {
            return false;
        };
        let mut body = BytesMut::new();
        while let Some(packet) = self.ready.front() {
            if !body.is_empty() && body.len() + 1 + packet.size() > limit {
                break;
            }
            engine::append(&mut body, packet);
            self.ready_bytes -= packet.size();
            self.ready.pop_front();
        }
        if let Some(last) = last.filter(|_| self.ready.is_empty()) {
            engine::append(&mut body, &last);
        }
        let bytes = body.len();
        let taken = answer.send(Ok(body.freeze())).is_ok();
        self.sent(bytes);
        taken
    }

    fn write_socket(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            self.fill(cx);
            let Carrier::Socket { socket, sending } = &mut self.carrier else {
                return Poll::Pending;
            };
            while sending.bytes() < CHUNK
                && let Some(packet) = self.ready.pop_front()
            {
                self.ready_bytes -= packet.size();
                push(sending, &packet);
            }
            if sending.is_empty() {
                return match self.ending {
                    Some(code) => Poll::Ready(End::Server(code)),
                    None => Poll::Pending,
                };
            }
            let before = sending.bytes();
            let written = socket.poll_write(cx, sending);
            let bytes = before - sending.bytes();
            match written {
                Poll::Ready(Ok(())) => self.sent(bytes),
                Poll::Ready(Err(_)) => return Poll::Ready(End::Gone),
                Poll::Pending => {
                    self.count_bytes(bytes);
                    if self.ending == Some(CloseCode::SlowConsumer) {
                        return Poll::Ready(End::Server(CloseCode::SlowConsumer));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Tells the client that it is over, if it can still be told.
    pub(super) async fn finish(mut self: Box<Self>, end: End) {
        let code = match end {
            End::Gone => return,
            End::Server(code) => code,
        };
        if let ClosedBy::Nobody = self.member.ended {
            self.member.ended = ClosedBy::Server(code);
        }
        // Nothing that is published from here on is for this client.
        self.member.outbox.end(Ending::Orderly { code, goodbye: None });
        if let Carrier::Polling { .. } = self.carrier {
            // How the client takes it changes nothing.
            let _ = tokio::time::timeout(FAREWELL, self.say_goodbye()).await;
            return;
        }
        let Self {
            carrier,
            operations,
            member,
            ..
        } = *self;
        drop((operations, member));
        if let Carrier::Socket { socket, sending } = carrier {
            let farewell = frame::close(code.number(), code.name());
            let _ = Box::pin(socket.close(sending, farewell, FAREWELL)).await;
        }
    }

    async fn say_goodbye(&mut self) {
        loop {
            if let Carrier::Polling { waiting: Some(_) } = self.carrier {
                self.answer_with(Some(Out::CLOSE));
                if self.ready.is_empty() {
                    return;
                }
            }
            match self.arrivals.recv().await {
                Some(Arrival::Poll(answer)) => {
                    self.carrier = Carrier::Polling {
                        waiting: Some(answer),
                    };
                }
                Some(Arrival::Post(_, taken)) => {
                    let _ = taken.send(Err(Refused));
                }
                Some(Arrival::Broken | Arrival::Upgrade(_)) => {}
                None => return,
            }
        }
    }
}

fn push(sending: &mut SendQueue, packet: &Out) {
    sending.push(match packet {
        Out::Text(text) => frame::text(text),
        Out::Binary(bytes) => frame::binary(bytes),
    });
}
