//! An accepted connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::slots::Slot;
use super::writer::Writer;
use crate::transport::ws::Upgradable;

/// What a client's TLS connection holds back that the network does not take yet. More stays where it can still be
/// dropped.
const HELD_BACK: usize = 16 * 1024;

/// A client's stream. Counts as a connection as long as it exists, whoever holds it: HTTP first, after an upgrade
/// the WebSocket.
#[derive(Debug)]
pub struct ClientStream {
    carrier: Carrier,
    /// Absent once the stream is handed over.
    kept: Option<Box<Kept>>,
    _slot: Slot,
}

/// What is not sent yet, of the answer to a handshake.
#[derive(Debug)]
struct Kept {
    has_begun: Arc<AtomicBool>,
    bytes: Vec<u8>,
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
            kept: None,
            _slot: slot,
        }
    }

    /// Keeps back what is written from when this is true.
    pub(super) fn keeping_back(mut self, has_begun: Arc<AtomicBool>) -> Self {
        let bytes = Vec::new();
        self.kept = Some(Box::new(Kept { has_begun, bytes }));
        self
    }

    /// After the handshake.
    pub(super) async fn secure(tcp: TcpStream, slot: Slot, config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut stream = Box::new(TlsAcceptor::from(config).accept(tcp).await?);
        stream.get_mut().1.set_buffer_limit(Some(HELD_BACK));
        Ok(Self {
            carrier: Carrier::Tls(stream),
            kept: None,
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

    /// Where what is written goes if it is kept back.
    fn back(&mut self) -> Option<&mut Vec<u8>> {
        let kept = self.kept.as_mut()?;
        kept.has_begun.load(Ordering::Relaxed).then_some(&mut kept.bytes)
    }
}

impl Upgradable for ClientStream {
    fn take_answer(&mut self) -> Bytes {
        self.kept.take().map_or_else(Bytes::new, |kept| kept.bytes.into())
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
        if let Some(kept) = self.back() {
            kept.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
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
        if let Some(kept) = self.back() {
            let before = kept.len();
            for slice in slices {
                kept.extend_from_slice(slice);
            }
            return Poll::Ready(Ok(kept.len() - before));
        }
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
