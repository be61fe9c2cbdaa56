//! Where Redis is, and how a client of it is set up. The only place that sees the password.

use std::fmt;
use std::time::Duration;

use fred::clients::Client;
use fred::types::RespVersion;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectError, TcpConfig, UnresponsiveConfig,
};
use socket2_for_fred::TcpKeepalive;
use thiserror::Error;

/// TCP connect and the first exchange.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Every command but blocking ones.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long written bytes may stay without an answer before fred closes the connection.
const UNRESPONSIVE: Duration = Duration::from_secs(6);
/// Commands that wait to be written, per connection. Above what [`super::commands`] lets in, so that
/// fred never has to refuse one of its own.
const COMMAND_QUEUE: usize = 16_384;

/// Why a Redis URL can't be used. Never contains the URL: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RedisUrlError {
    #[error("redis.url has no scheme; write it as redis://[user:password@]host[:port][/database]")]
    NoScheme,
    #[error("redis.url has the scheme {0}, which this version does not have; use redis://")]
    Scheme(String),
    #[error("redis.url can't be read ({0}); write it as redis://[user:password@]host[:port][/database]")]
    Form(String),
}

/// A checked address with its credentials.
#[derive(Clone)]
pub(super) struct Address {
    config: Config,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, RedisUrlError> {
        match url.split_once("://").ok_or(RedisUrlError::NoScheme)?.0 {
            "redis" => {}
            other => {
                let plain = other
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
                return Err(RedisUrlError::Scheme(
                    if plain { other } else { "?" }.chars().take(32).collect(),
                ));
            }
        }
        let mut config = Config::from_url_centralized(url)
            .map_err(|error| RedisUrlError::Form(error.details().to_owned()))?;
        config.version = RespVersion::RESP3;
        config.fail_fast = true;
        Ok(Self { config })
    }

    /// A client that is not connected yet. `messages` is how many publications may wait for its reader.
    ///
    /// It has no reconnect policy: with one, fred keeps commands of the lost connection and sends them
    /// on the next, calls itself connected meanwhile, and can end for good when its queue is full. Our
    /// own loop makes a new client instead, with growing, jittered pauses and without a limit.
    pub(super) fn client(&self, messages: usize) -> Client {
        let performance = PerformanceConfig {
            default_command_timeout: COMMAND_TIMEOUT,
            broadcast_channel_capacity: messages,
            ..PerformanceConfig::default()
        };
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(15))
            .with_interval(Duration::from_secs(5));
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
                keepalive: Some(keepalive),
                ..TcpConfig::default()
            },
            reconnect_errors: vec![
                ReconnectError::ClusterDown,
                ReconnectError::Loading,
                ReconnectError::MasterDown,
                ReconnectError::ReadOnly,
            ],
            ..ConnectionConfig::default()
        };
        Client::new(self.config.clone(), Some(performance), Some(connection), None)
    }
}

/// `host:port` only.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.config.server.hosts().iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}:{}", server.host, server.port)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_host_and_port_but_never_the_password() {
        let address = Address::parse("redis://me:hunter2@cache.example:6380/3").expect("valid");
        assert_eq!(address.to_string(), "cache.example:6380");
        assert_eq!(format!("{address:?}"), "cache.example:6380");
        assert_eq!(address.config.password.as_deref(), Some("hunter2"));
    }

    #[test]
    fn other_schemes_are_refused_by_name_and_nothing_of_the_url_is_shown() {
        for (url, said) in [
            ("rediss://:hunter2@h", "rediss"),
            ("redis-sentinel://:hunter2@h", "redis-sentinel"),
            ("redis-cluster://:hunter2@h", "redis-cluster"),
            ("hunter2@h", "redis://"),
            ("redis://:hunter2@h:port", "redis://"),
            ("redis://:hunter2@h/database", "redis://"),
            ("redis://", "redis://"),
        ] {
            let error = Address::parse(url).expect_err(url).to_string();
            assert!(error.contains(said), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
