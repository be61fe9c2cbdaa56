//! A server and what is needed to connect to it. Beside [`super::address`] the only place that sees the password.

use std::fmt;
use std::io;
use std::time::Duration;

use fred::clients::Client;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectError, TcpConfig, TlsConnector, UnresponsiveConfig,
};
use socket2_for_fred::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::Server;

/// TCP connect and the first exchange.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Every command but blocking ones.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long written bytes may stay without an answer before fred closes the connection.
const UNRESPONSIVE: Duration = Duration::from_secs(6);
/// Commands that wait to be written, per connection. Above what [`super::commands`] lets in, so that
/// fred never has to refuse one of its own.
const COMMAND_QUEUE: usize = 16_384;

#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) server: Server,
    pub(super) config: Config,
}

/// A connection, with TLS or without.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl Endpoint {
    /// A client that is not connected yet, for commands.
    ///
    /// It has no reconnect policy: with one, fred keeps commands of the lost connection and sends them
    /// on the next, calls itself connected meanwhile, and can end for good when its queue is full. Our
    /// own loop makes a new client instead, with growing, jittered pauses and without a limit.
    pub(super) fn client(&self) -> Client {
        let performance = PerformanceConfig {
            default_command_timeout: COMMAND_TIMEOUT,
            // Nothing is heard on it.
            broadcast_channel_capacity: 1,
            ..PerformanceConfig::default()
        };
        let connection = ConnectionConfig {
            connection_timeout: CONNECT_TIMEOUT,
            internal_command_timeout: CONNECT_TIMEOUT,
            max_command_attempts: 1,
            max_command_buffer_len: COMMAND_QUEUE,
            unresponsive: UnresponsiveConfig {
                max_timeout: Some(UNRESPONSIVE),
                interval: Duration::from_secs(2),
            },
            tcp: TcpConfig {
                nodelay: Some(true),
                keepalive: Some(keepalive()),
                ..TcpConfig::default()
            },
            reconnect_errors: vec![
                ReconnectError::Loading,
                ReconnectError::MasterDown,
                ReconnectError::ReadOnly,
            ],
            ..ConnectionConfig::default()
        };
        Client::new(self.config.clone(), Some(performance), Some(connection), None)
    }

    /// A connection on which nothing has been said yet. Takes as long as it takes.
    pub(super) async fn wire(&self) -> io::Result<Box<dyn Wire>> {
        let Server { host, port } = &self.server;
        let stream = TcpStream::connect((&**host, *port)).await?;
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_keepalive(&keepalive())?;
        let Some(TlsConnector::Rustls(tls)) = self.config.tls.as_ref().map(|tls| &tls.connector) else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }

    /// User and password, if there are any.
    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        let password = self.config.password.as_deref()?;
        Some((self.config.username.as_deref().unwrap_or("default"), password))
    }
}

fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
}

/// `host:port` only.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.server, f)
    }
}
