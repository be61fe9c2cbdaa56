//! The writing half of a client's socket without TLS: the connection's own task writes to it, and so may others.
//!
//! Keeps no order between them: that is the outbox's, whose lock they hold.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer(Arc<OwnedWriteHalf>);

impl Writer {
    pub(crate) fn new(half: OwnedWriteHalf) -> Self {
        Self(Arc::new(half))
    }

    /// Writes as much as the socket takes at once.
    pub fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            // The kernel needs less for it.
            [one] => self.0.try_write(one),
            several => self.0.try_write_vectored(several),
        }
    }

    /// Writes as much as the socket takes, as soon as it takes something. For the connection's task, which is woken.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let socket: &TcpStream = (*self.0).as_ref();
        loop {
            ready!(socket.poll_write_ready(cx))?;
            match self.try_write(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Nothing more will be written.
    pub(super) fn shutdown(&self) -> io::Result<()> {
        let socket: &TcpStream = (*self.0).as_ref();
        SockRef::from(socket).shutdown(Shutdown::Write)
    }
}
