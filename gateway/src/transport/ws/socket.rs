//! One client's WebSocket after the handshake: messages out of a byte stream, frames into it.
//!
//! Relies on its owner for everything with a meaning: answering pings, limits on what waits to be
//! sent, deadlines. Holds no buffer between messages.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;
use tidegate_shared::code::CloseCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;

use super::decode::Decoder;
use super::message::Incoming;
use super::queue::SendQueue;
use super::scratch;
use super::violation::Violation;

/// The server's end of a WebSocket over any byte stream.
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) stream: S,
    decoder: Decoder,
    /// Came in one read with a message that was handed out, and was not looked at yet.
    rest: BytesMut,
    pub(super) reading: Reading,
}

/// How far the client's side has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Open,
    /// The client sent its close frame.
    Closed,
    /// Nothing more can be read as frames, or at all.
    Broken,
    /// The client shut its side down.
    Ended,
}

/// Why a connection cannot go on.
#[derive(Debug, Error)]
pub enum WsError {
    /// Still connected: to be answered with [`WsError::close_code`].
    #[error("the client broke the protocol: {0}")]
    Violation(#[from] Violation),
    #[error("the client is gone: {0}")]
    Gone(#[from] io::Error),
}

impl WsError {
    /// The code of the close frame to send; `None` if nobody is there to get it.
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Violation(violation) => Some(violation.close_code()),
            Self::Gone(_) => None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// `leftover` is what was read from `stream` past the handshake. A message of more than `limit`
    /// bytes, its fragments together, is a violation.
    pub fn new(stream: S, leftover: Bytes, limit: usize) -> Self {
        Self {
            stream,
            decoder: Decoder::new(limit),
            rest: leftover.into(),
            reading: Reading::Open,
        }
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// Whether compression was agreed on.
    #[must_use]
    pub fn inflating(mut self, agreed: bool) -> Self {
        self.decoder = self.decoder.inflating(agreed);
        self
    }

    /// The next message or control frame. `None` after the client's close frame, after an error, and
    /// when the client shuts its side down without a close frame.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Incoming, WsError>>> {
        if self.reading != Reading::Open {
            return Poll::Ready(None);
        }
        if !self.rest.is_empty() {
            // Nothing is read here, so nothing else would make a flood of small frames yield.
            let progress = ready!(coop::poll_proceed(cx));
            progress.made_progress();
            if let Some(message) = self.decode_rest() {
                return Poll::Ready(Some(message));
            }
        }
        let read = scratch::borrow(|scratch| self.read_into(scratch, cx));
        if let Poll::Ready(Some(Err(WsError::Gone(_)))) = &read {
            self.reading = Reading::Broken;
        }
        read
    }

    /// Writes the queue's frames. Resolves when it is empty; what was written is gone from it.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, queue: &mut SendQueue) -> Poll<io::Result<()>> {
        queue.poll_write(&mut self.stream, cx)
    }

    /// [`WebSocket::poll_next`] as a future. Dropping it loses nothing.
    pub async fn next(&mut self) -> Option<Result<Incoming, WsError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`WebSocket::poll_write`] as a future. Dropping it leaves in the queue what was not written.
    pub async fn flush(&mut self, queue: &mut SendQueue) -> io::Result<()> {
        poll_fn(|cx| self.poll_write(cx, queue)).await
    }

    /// Bytes on the heap: 0 between messages.
    pub fn held(&self) -> usize {
        self.decoder.held() + self.rest.capacity()
    }

    fn decode_rest(&mut self) -> Option<Result<Incoming, WsError>> {
        let decoded = self.decoder.decode(&mut self.rest);
        match decoded {
            Ok(decoded) => {
                self.rest.advance(decoded.used);
                if self.rest.is_empty() {
                    self.rest = BytesMut::new();
                }
                decoded.message.map(|message| Ok(self.hand_out(message)))
            }
            Err(violation) => Some(self.fail(violation)),
        }
    }

    fn read_into(
        &mut self,
        scratch: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Incoming, WsError>>> {
        loop {
            let mut buffer = ReadBuf::new(scratch);
            if let Err(error) = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                return Poll::Ready(Some(Err(error.into())));
            }
            let input = buffer.filled_mut();
            if input.is_empty() {
                self.reading = Reading::Ended;
                return Poll::Ready(None);
            }
            match self.decoder.decode(input) {
                Ok(decoded) => {
                    if let Some(message) = decoded.message {
                        self.rest = BytesMut::from(&input[decoded.used..]);
                        return Poll::Ready(Some(Ok(self.hand_out(message))));
                    }
                }
                Err(violation) => return Poll::Ready(Some(self.fail(violation))),
            }
        }
    }

    fn hand_out(&mut self, message: Incoming) -> Incoming {
        if matches!(message, Incoming::Close(_)) {
            self.reading = Reading::Closed;
            self.rest = BytesMut::new();
        }
        message
    }

    fn fail(&mut self, violation: Violation) -> Result<Incoming, WsError> {
        self.reading = Reading::Broken;
        self.rest = BytesMut::new();
        self.decoder.clear();
        Err(violation.into())
    }
}

#[cfg(test)]
mod tests;
