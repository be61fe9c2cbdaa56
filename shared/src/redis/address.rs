//! Where Redis is. Beside [`super::endpoint`] the only place that sees the password.

use std::fmt;

use fred::types::RespVersion;
use fred::types::config::{Config, ServerConfig, TlsConnector};
use thiserror::Error;

use super::endpoint::Endpoint;
use crate::config;
use crate::tls::{self, TlsError};

/// Where Sentinels listen, if the URL does not say.
const SENTINEL_PORT: u16 = 26_379;
const PORT: u16 = 6_379;

/// Why a Redis URL can't be used. Never contains the URL: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RedisUrlError {
    #[error("redis.url has no scheme; write it as redis://[user:password@]host[:port][/database]")]
    NoScheme,
    #[error(
        "redis.url has the scheme {0}, which this version does not have; use redis://, redis-cluster:// or \
         redis-sentinel://, or with TLS rediss://, rediss-cluster:// or rediss-sentinel://"
    )]
    Scheme(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("redis.url can't be read ({why}); write it as {form}")]
    Form { why: String, form: &'static str },
}

/// What the URL leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// One server.
    Single,
    /// The servers are some of a Cluster, which name the others.
    Cluster,
    /// The servers are Sentinels, which name the master of a service.
    Sentinel { service: Box<str> },
}

impl Kind {
    fn form(&self) -> &'static str {
        match self {
            Self::Single => "redis://[user:password@]host[:port][/database]",
            Self::Cluster => "redis-cluster://[user:password@]host[:port][,host[:port]…]",
            Self::Sentinel { .. } => {
                "redis-sentinel://[user:password@]host[:port][,host[:port]…]/service[/database]"
            }
        }
    }
}

/// A server by its address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Server {
    pub(super) host: Box<str>,
    pub(super) port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A checked URL with its credentials.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) kind: Kind,
    /// Those that the URL names, at least one.
    pub(super) servers: Vec<Server>,
    config: Config,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisUrlError::NoScheme)?;
        // TLS is `secure`'s.
        let plain = scheme.replacen("rediss", "redis", 1);
        match plain.as_str() {
            "redis" => Self::single(&format!("redis://{rest}")),
            "redis-cluster" => Self::several(rest, Kind::Cluster),
            "redis-sentinel" => Self::several(
                rest,
                Kind::Sentinel {
                    service: Box::default(),
                },
            ),
            other => {
                let plain = other
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
                Err(RedisUrlError::Scheme(
                    if plain { other } else { "?" }.chars().take(32).collect(),
                ))
            }
        }
    }

    /// What the configuration says; with TLS, its certificates are read.
    pub(super) fn of(redis: &config::Redis) -> Result<Self, RedisUrlError> {
        let mut address = Self::parse(&redis.url)?;
        if redis.url.starts_with("rediss") {
            let shown = redis.client.as_ref().map(|(cert, key)| (&**cert, &**key));
            let client = tls::client(redis.ca.as_deref(), shown)?;
            address.config.tls = Some(TlsConnector::from(client).into());
        }
        Ok(address)
    }

    fn single(url: &str) -> Result<Self, RedisUrlError> {
        let config = read(url, &Kind::Single)?;
        let hosts = config.server.hosts();
        let server = hosts
            .first()
            .ok_or_else(|| wrong("it names no host", &Kind::Single))?;
        Ok(Self {
            kind: Kind::Single,
            servers: vec![Server {
                host: (*server.host).into(),
                port: server.port,
            }],
            config,
        })
    }

    fn several(rest: &str, mut kind: Kind) -> Result<Self, RedisUrlError> {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
            None => (String::new(), authority),
        };
        let database = match &mut kind {
            Kind::Single | Kind::Cluster => {
                if !matches!(path, "" | "0") {
                    return Err(wrong("a Cluster has no databases", &kind));
                }
                ""
            }
            Kind::Sentinel { service } => {
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                *service = name.into();
                if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                    return Err(wrong("it names no service", &kind));
                }
                database
            }
        };
        let port = match kind {
            Kind::Sentinel { .. } => SENTINEL_PORT,
            Kind::Single | Kind::Cluster => PORT,
        };
        let mut servers = Vec::new();
        for host in hosts.split(',') {
            let server = server(host, port).ok_or_else(|| wrong("a host or its port is wrong", &kind))?;
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        let config = read(&format!("redis://{credentials}host/{database}"), &kind)?;
        Ok(Self {
            kind,
            servers,
            config,
        })
    }

    /// A server that holds data.
    pub(super) fn endpoint(&self, server: &Server) -> Endpoint {
        let mut config = self.config.clone();
        // For a single one it is there already, as fred read it.
        if self.kind != Kind::Single {
            config.server = ServerConfig::new_centralized(&*server.host, server.port);
        }
        Endpoint {
            server: server.clone(),
            config,
        }
    }

    /// A Sentinel, asked with the credentials or without: it has no databases, and often no password.
    pub(super) fn sentinel(&self, server: &Server, credentials: bool) -> Endpoint {
        let mut endpoint = self.endpoint(server);
        endpoint.config.database = None;
        if !credentials {
            (endpoint.config.username, endpoint.config.password) = (None, None);
        }
        endpoint
    }

    pub(super) fn has_password(&self) -> bool {
        self.config.password.is_some()
    }
}

fn read(url: &str, kind: &Kind) -> Result<Config, RedisUrlError> {
    let mut config = Config::from_url_centralized(url).map_err(|error| wrong(error.details(), kind))?;
    config.version = RespVersion::RESP3;
    config.fail_fast = true;
    Ok(config)
}

fn wrong(why: &str, kind: &Kind) -> RedisUrlError {
    RedisUrlError::Form {
        why: why.to_owned(),
        form: kind.form(),
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn server(text: &str, default: u16) -> Option<Server> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None if port.is_empty() => default,
        None => return None,
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#@".contains(c)) {
        return None;
    }
    Some(Server {
        host: host.into(),
        port,
    })
}

/// `host:port` only.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.servers.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{server}")?;
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
    fn several_servers_share_credentials_and_each_kind_has_its_default_port() {
        let cluster = Address::parse("redis-cluster://me:h%40x@a,b:7001,[::1]:7002,a").expect("valid");
        assert_eq!(cluster.to_string(), "a:6379, b:7001, ::1:7002");
        assert_eq!(cluster.kind, Kind::Cluster);
        let endpoint = cluster.endpoint(&cluster.servers[1]);
        assert_eq!(endpoint.config.password.as_deref(), Some("h@x"));
        assert_eq!(endpoint.config.server.hosts()[0].port, 7001);

        let sentinel = Address::parse("redis-sentinel://:p@a,b:7001/main/3").expect("valid");
        assert_eq!(sentinel.to_string(), "a:26379, b:7001");
        let service = "main".into();
        assert_eq!(sentinel.kind, Kind::Sentinel { service });
        assert_eq!(sentinel.endpoint(&sentinel.servers[0]).config.database, Some(3));
        let asked = sentinel.sentinel(&sentinel.servers[0], false).config;
        assert_eq!((asked.database, asked.password), (None, None));
    }

    #[test]
    fn other_schemes_are_refused_by_name_and_nothing_of_the_url_is_shown() {
        for (url, said) in [
            ("redisss://:hunter2@h", "the scheme rediss"),
            ("rediss-cluster://:hunter2@h/1", "no databases"),
            ("redis-sentinel://:hunter2@h", "service"),
            ("redis-sentinel://:hunter2@h//1", "service"),
            ("redis-sentinel://:hunter2@h:x/main", "redis-sentinel://"),
            ("redis-sentinel://:hunter2@h/main/x", "redis-sentinel://"),
            ("redis-cluster://:hunter2@h/1", "no databases"),
            ("redis-cluster://:hunter2@h,", "redis-cluster://"),
            ("redis-cluster://:hunter2@[::1", "redis-cluster://"),
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
