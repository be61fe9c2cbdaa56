//! The end of a connection by the book (RFC 6455 §7): our close frame out, the client's in, our side
//! shut down, and only then the socket closed.
//!
//! Closing with unread bytes in the socket makes the kernel send a reset, which can overtake the close
//! frame; so what still comes is read and thrown away, up to a limit and a deadline.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::queue::SendQueue;
use super::scratch;
use super::socket::{Reading, WebSocket};

/// Most bytes that are read and thrown away once nothing more can be read as messages.
const DISCARD: usize = 256 * 1024;

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Sends what waits in `queue` and then `farewell` (a close frame), and waits for the client to
    /// end its side. Messages that still come are dropped. All of it takes no longer than `deadline`,
    /// after which the connection is cut; the error then is `TimedOut`.
    ///
    /// Serves all endings: one of our own, the answer to the client's close frame, and the one after
    /// a violation.
    pub async fn close(
        mut self,
        mut queue: SendQueue,
        farewell: Bytes,
        deadline: Duration,
    ) -> io::Result<()> {
        queue.push(farewell);
        let parting = async {
            // What is thrown away once the client's frames have ended, before and after the shutdown.
            let mut discard = DISCARD;
            poll_fn(|cx| self.poll_farewell(cx, &mut queue, &mut discard)).await?;
            poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await?;
            poll_fn(|cx| self.poll_discard(cx, &mut discard)).await
        };
        tokio::time::timeout(deadline, parting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Ready once everything is written and the client has sent its close frame, or never will.
    ///
    /// Reads while it writes: a client that reads nothing before its own writes are through would
    /// wait for us as we for it.
    fn poll_farewell(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut SendQueue,
        discard: &mut usize,
    ) -> Poll<io::Result<()>> {
        let written = self.poll_write(cx, queue)?;
        while self.reading == Reading::Open {
            // An error changes `reading`; it is no reason to give up the farewell.
            if self.poll_next(cx).is_pending() {
                return Poll::Pending;
            }
        }
        if written.is_pending() {
            let _ended = self.poll_discard(cx, discard)?;
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Throws bytes away until the client's side ends or the limit is reached.
    fn poll_discard(&mut self, cx: &mut Context<'_>, limit: &mut usize) -> Poll<io::Result<()>> {
        scratch::borrow(|scratch| {
            while self.reading != Reading::Ended && *limit > 0 {
                let mut buffer = ReadBuf::new(scratch);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
                if buffer.filled().is_empty() {
                    self.reading = Reading::Ended;
                }
                *limit = limit.saturating_sub(buffer.filled().len());
            }
            Poll::Ready(Ok(()))
        })
    }
}
