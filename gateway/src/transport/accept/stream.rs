//! An accepted connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::slots::Slot;
use super::writer::Writer;

/// What a client's TLS connection holds back that the network does not take yet. More stays where it can still be
/// dropped.
const HELD_BACK: usize = 16 * 1024;

/// A client's stream. Counts as a connection as long as it exists, whoever holds it: HTTP first, after an upgrade
/// the WebSocket.
#[derive(Debug)]
pub struct ClientStream {
    carrier: Carrier,
    _slot: Slot,
}

#[derive(Debug)]
enum Carrier {
    Tcp(OwnedReadHalf, Writer),
    Tls(Box<TlsStream<TcpStream>>),
}

impl ClientStream {
    pub(super) fn new(tcp: TcpStream, slot: Slot) -> Self {
        let (reader, writer) = tcp.into_split();
        Self {
            carrier: Carrier::Tcp(reader, Writer::new(writer)),
            _slot: slot,
        }
    }

    /// After the handshake.
    pub(super) async fn secure(tcp: TcpStream, slot: Slot, config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut stream = Box::new(TlsAcceptor::from(config).accept(tcp).await?);
        stream.get_mut().1.set_buffer_limit(Some(HELD_BACK));
        Ok(Self {
            carrier: Carrier::Tls(stream),
            _slot: slot,
        })
    }

    /// For others who write to it, where that needs nothing but the socket.
    pub fn writer(&self) -> Option<Writer> {
        match &self.carrier {
            Carrier::Tcp(_, writer) => Some(writer.clone()),
            Carrier::Tls(_) => None,
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp(reader, _) => Pin::new(reader).poll_read(cx, buffer),
            Carrier::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.carrier {
            Carrier::Tcp(_, writer) => writer.poll_write(cx, &[IoSlice::new(bytes)]),
            Carrier::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.carrier {
            Carrier::Tcp(_, writer) => writer.poll_write(cx, slices),
            Carrier::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp(..) => Poll::Ready(Ok(())),
            Carrier::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp(_, writer) => Poll::Ready(writer.shutdown()),
            Carrier::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
