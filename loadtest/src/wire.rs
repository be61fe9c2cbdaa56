//! A client's socket, plain or with TLS. Never waits; counts what came.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Bytes of the socket, as they were before anything was made of them.
    pub(crate) received: u64,
}

/// Trusts this authority, or this certificate. Nobody comes back with what they know of an earlier connection: each
/// takes a server as much as a client that it has not seen.
pub(crate) fn trust(authority: CertificateDer<'static>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config = builder
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

impl Wire {
    pub(crate) fn new(
        stream: TcpStream,
        server: SocketAddr,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self> {
        let secured = |config: &Arc<ClientConfig>| -> Result<_> {
            let mut tls = ClientConnection::new(config.clone(), server.ip().into())?;
            // What is sent is never more than a client's own; `write` takes no more before that is gone.
            tls.set_buffer_limit(None);
            Ok(Box::new(tls))
        };
        Ok(Self {
            stream,
            tls: tls.map(secured).transpose()?,
            received: 0,
        })
    }

    /// Whether a read that did not fill its buffer has emptied the socket. A record of TLS is smaller than that.
    pub(crate) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// Gives 0 at the end. `InvalidData` is TLS that went wrong.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = &mut self.tls else {
                let length = self.stream.read(into)?;
                self.received += length as u64;
                return Ok(length);
            };
            match tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            let length = tls.read_tls(&mut self.stream)?;
            if length == 0 {
                return Ok(0);
            }
            self.received += length as u64;
            let read = tls.process_new_packets();
            // Also after an error: the server is told why.
            match self.flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => result?,
            }
            read.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        match &mut self.tls {
            Some(tls) => tls.writer().write(bytes),
            None => self.stream.write(bytes),
        }
    }

    /// Writes what TLS has ready, until the socket takes no more.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        while tls.wants_write() {
            match tls.write_tls(&mut self.stream) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => drop(result?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::{JoinHandle, spawn};
    use std::time::Duration;

    use mio::{Events, Interest, Poll, Token};
    use rustls::{ServerConfig, ServerConnection, Stream};

    use super::*;

    const LENGTH: usize = 100_000;

    fn certificate() -> rcgen::CertifiedKey<rcgen::KeyPair> {
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate")
    }

    /// Takes one connection, reads one byte, and answers with many.
    fn serve(shown: &rcgen::CertifiedKey<rcgen::KeyPair>) -> (SocketAddr, JoinHandle<io::Result<()>>) {
        let key = shown.signing_key.serialize_der().try_into().expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![shown.cert.der().clone()], key)
            .expect("a pair");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = spawn(move || {
            let (mut socket, _) = listener.accept()?;
            let mut tls = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
            let mut stream = Stream::new(&mut tls, &mut socket);
            stream.read_exact(&mut [0])?;
            stream.write_all(&vec![b'x'; LENGTH])?;
            stream.conn.send_close_notify();
            stream.flush()
        });
        (address, server)
    }

    /// Everything until the end, and the bytes that it was.
    fn ask(address: SocketAddr, authority: CertificateDer<'static>) -> io::Result<(Vec<u8>, u64)> {
        let socket = std::net::TcpStream::connect(address)?;
        socket.set_nonblocking(true)?;
        let config = trust(authority).map_err(io::Error::other)?;
        let stream = TcpStream::from_std(socket);
        let mut wire = Wire::new(stream, address, Some(&config)).map_err(io::Error::other)?;
        let mut poll = Poll::new()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut wire.stream, Token(0), both)?;
        let (mut all, mut some) = (Vec::new(), [0; 1000]);
        assert_eq!(wire.write(b"?")?, 1);
        loop {
            match wire.flush().and_then(|()| wire.read(&mut some)) {
                Ok(0) => return Ok((all, wire.received)),
                Ok(length) => all.extend_from_slice(&some[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut events = Events::with_capacity(8);
                    poll.poll(&mut events, Some(Duration::from_secs(20)))?;
                    assert!(!events.is_empty(), "nothing came for 20 s");
                }
                Err(error) => return Err(error),
            }
        }
    }

    #[test]
    fn all_that_came_in_many_records_is_read_and_counted_as_it_was_on_the_wire() {
        let own = certificate();
        let (address, server) = serve(&own);
        let (all, received) = ask(address, own.cert.der().clone()).expect("answered");
        server.join().expect("served").expect("written");
        assert_eq!(all, vec![b'x'; LENGTH]);
        assert!(received > LENGTH as u64, "{received}");
    }

    #[test]
    fn a_server_that_is_not_the_one_to_be_trusted_is_an_error_and_no_end() {
        let (address, server) = serve(&certificate());
        let error = ask(address, certificate().cert.der().clone()).expect_err("not trusted");
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert!(server.join().expect("served").is_err());
    }
}
