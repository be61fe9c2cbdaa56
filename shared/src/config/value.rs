//! From a configured text to a value that can be relied on. Plain functions, the same for the file, the
//! environment and the command line. What may be a secret is never repeated in an error.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use tracing_subscriber::EnvFilter;

use super::mistake::{Wrong, echo};
use super::quantity::{number, within};
use crate::name::{self, QueueName};

/// Longest namespace name, in bytes.
const NAMESPACE_LIMIT: usize = 64;
/// Jobs at once in one worker.
pub(super) const CONCURRENCY: RangeInclusive<u64> = 1..=10_000;
/// Longest prefix of Redis keys, in bytes: it is part of every key.
const PREFIX_LIMIT: usize = 64;

pub(super) fn address(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        let port = text
            .rsplit_once(':')
            .map_or(text, |(_, port)| port)
            .parse::<u16>();
        let (all, one) = port.map_or_else(
            |_| ("0.0.0.0:8080".to_owned(), "127.0.0.1:8080".to_owned()),
            |port| (format!("0.0.0.0:{port}"), format!("127.0.0.1:{port}")),
        );
        Wrong::new(
            format!("{} is not an IP address with a port", echo(text)),
            format!("write \"{all}\" for all interfaces, \"{one}\" for this machine only"),
        )
    })
}

/// `http://host:port` or `https://host:port`, without a path. Empty: none.
pub(super) fn advertise(text: &str) -> Result<Option<String>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |what: &str| {
        Err(Wrong::new(
            format!("{} {what}", echo(text)),
            "write how other nodes reach this one, as \"http://10.0.0.7:8080\"",
        ))
    };
    let schemes = ["http://", "https://"];
    let found = schemes
        .iter()
        .find_map(|scheme| Some((scheme, text.strip_prefix(scheme)?)));
    let Some((scheme, authority)) = found else {
        return wrong("does not begin with `http://` or `https://`");
    };
    let Some((host, port)) = authority.trim_end_matches('/').rsplit_once(':') else {
        return wrong("has no port");
    };
    let is_host = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
    if !is_host || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return wrong("is not a host and a port");
    }
    Ok(Some(format!("{scheme}{host}:{port}")))
}

/// Checks form only; never repeats the URL, which may hold a password.
/// Of another server; an empty text: none.
pub(super) fn web_address(text: &str) -> Result<Option<String>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let host = host.and_then(|rest| rest.split(['/', '?', '#']).next());
    let fine = |host: &str| !host.is_empty() && !host.contains('@');
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if host.is_some_and(fine) && visible {
        return Ok(Some(text.to_owned()));
    }
    Err(Wrong::new(
        "this is not the address of a server",
        "write \"https://host/path\", or \"http://host:port/path\" within a network of your own",
    ))
}

pub(super) fn redis_url(text: &str) -> Result<String, Wrong> {
    const HELP: &str = "write \"redis://host:6379\", with user:password@ before the host and /database \
                        after the port if needed; \"redis-cluster://host:6379,host:6379\" for a Cluster, \
                        \"redis-sentinel://host:26379,host:26379/service\" for Sentinels; rediss in place of redis \
                        for TLS";
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Wrong::new("this is not a URL", HELP));
    };
    // With TLS it is written the same otherwise.
    let plain = scheme.replacen("rediss", "redis", 1);
    let scheme = plain.as_str();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let database = match scheme {
        "redis" if hosts.contains(',') => {
            return Err(Wrong::new("a single Redis has one host", HELP));
        }
        "redis" => path,
        "redis-cluster" if matches!(path, "" | "0") => "",
        "redis-cluster" => return Err(Wrong::new("a Cluster has no databases", HELP)),
        "redis-sentinel" => {
            let (service, database) = path.split_once('/').unwrap_or((path, ""));
            if service.is_empty() || service.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return Err(Wrong::new("behind the Sentinels stands no service", HELP));
            }
            database
        }
        other => {
            return Err(Wrong::new(
                format!("{} is not a scheme of Redis", echo(other)),
                HELP,
            ));
        }
    };
    if !database.is_empty() && database.parse::<u8>().is_err() {
        return Err(Wrong::new("what follows the `/` is not a database number", HELP));
    }
    for host in hosts.split(',') {
        redis_host(host).map_err(|what| Wrong::new(what, HELP))?;
    }
    Ok(text.to_owned())
}

fn redis_host(host_and_port: &str) -> Result<(), &'static str> {
    // An IPv6 address stands in brackets; its colons do not start a port.
    let (host, port) = match host_and_port.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or(("", "")),
        None => host_and_port
            .find(':')
            .map_or((host_and_port, ""), |colon| host_and_port.split_at(colon)),
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("the URL names no host");
    }
    let port_is_fine = port.is_empty()
        || port
            .strip_prefix(':')
            .and_then(|port| port.parse::<u16>().ok())
            .is_some_and(|port| port != 0);
    if port_is_fine {
        Ok(())
    } else {
        Err("the URL's port is not a number from 1 to 65535")
    }
}

pub(super) fn prefix(text: &str) -> Result<String, Wrong> {
    name::check("the prefix", text, PREFIX_LIMIT)
        .map(|()| text.to_owned())
        .map_err(|error| Wrong::new(error.to_string(), "write a short word, as \"tg\""))
}

/// `*`, or `scheme://host[:port]` as browsers send it; a `*` in the host stands for labels.
pub(super) fn origin(text: &str) -> Result<String, Wrong> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let fine = text.split_once("://").is_some_and(|(scheme, host)| {
        !scheme.is_empty()
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && !host.is_empty()
            && !host.contains(|c: char| "/?#@".contains(c) || c.is_whitespace() || c.is_control())
    });
    if fine {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Wrong::new(
        format!("{} is not an origin", echo(text)),
        "write scheme, host and, if needed, port, with nothing after it, as \"https://app.example.com\"; \
         \"https://*.example.com\" allows its subdomains, \"*\" all origins",
    ))
}

/// `sha256:` and 64 hexadecimal digits. Never repeats the text: it may be the key itself.
pub(super) fn api_key(text: &str) -> Result<[u8; 32], Wrong> {
    text.strip_prefix("sha256:").and_then(hash).ok_or_else(|| {
        Wrong::new(
            "this is not the SHA-256 of a key",
            "write \"sha256:\" and 64 hexadecimal digits, as `printf %s KEY | sha256sum` prints them",
        )
    })
}

/// A key from the environment: its hash, or the key itself.
pub(super) fn api_key_or_hash(text: &str) -> [u8; 32] {
    api_key(text).unwrap_or_else(|_| Sha256::digest(text).into())
}

fn hash(digits: &str) -> Option<[u8; 32]> {
    let digits = digits.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

pub(super) fn queue(text: &str) -> Result<QueueName, Wrong> {
    QueueName::parse(text).map_err(|error| Wrong::new(error.to_string(), "write a name as \"default\""))
}

pub(super) fn concurrency(text: &str) -> Result<usize, Wrong> {
    let number = number(text).and_then(|number| within(number, &CONCURRENCY, |n| n.to_string()))?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

/// What stands before the first colon of a topic.
pub(super) fn namespace(text: &str) -> Result<Box<str>, Wrong> {
    const HELP: &str = "write what stands before the first colon of its topics, as \"chat\" for `chat:42`";
    name::check("the name", text, NAMESPACE_LIMIT).map_err(|error| Wrong::new(error.to_string(), HELP))?;
    if text.contains(':') {
        return Err(Wrong::new(format!("{} contains a colon", echo(text)), HELP));
    }
    if matches!(text, "job" | "jobs") {
        return Err(Wrong::new(
            format!("the namespace {} belongs to the job queue", echo(text)),
            "choose another name",
        ));
    }
    Ok(text.into())
}

pub(super) fn directory(text: &str) -> Result<PathBuf, Wrong> {
    let path = PathBuf::from(text);
    if path.is_absolute() && !text.contains('\0') {
        return Ok(path);
    }
    Err(Wrong::new(
        format!("{} is not an absolute path", echo(text)),
        "write it from the root, as \"/var/lib/worlds\"",
    ))
}

/// A level, or levels for modules. A bare module name is refused: it is most often a level with a typing
/// mistake, and would turn everything off instead.
pub(super) fn log_filter(text: &str) -> Result<String, Wrong> {
    const HELP: &str = "write error, warn, info, debug, trace or off, and modules as \
                        \"info,tidegate_gateway=debug\"";
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let bare = text.split(',').map(str::trim).find(|part| {
        !part.contains(['=', '[']) && !levels.iter().any(|level| level.eq_ignore_ascii_case(part))
    });
    if let Some(part) = bare {
        return Err(Wrong::new(format!("{} is not a log level", echo(part)), HELP));
    }
    EnvFilter::builder()
        .parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| Wrong::new(format!("{} is not a log filter: {error}", echo(text)), HELP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_host_is_answered_with_the_address_that_was_meant() {
        assert!(address("[::]:8080").is_ok());
        let help = |text| address(text).map_err(|wrong| wrong.help);
        assert_eq!(
            help(":9000"),
            Err("write \"0.0.0.0:9000\" for all interfaces, \"127.0.0.1:9000\" for this machine only".into())
        );
        assert_eq!(help("9000"), help(":9000"));
        assert!(help("localhost:9000").is_err());
    }

    #[test]
    fn redis_urls_are_checked_and_never_repeated() {
        for text in [
            "redis://127.0.0.1:6379",
            "redis://cache",
            "redis://cache/3",
            "redis://:p%40ss@cache:6380/0",
            "redis://user:p@ss@[::1]:6379",
            "redis-cluster://:p@a,b:7001,[::1]:7002",
            "redis-sentinel://a:26379,b/mymaster/2",
            "rediss://user:p@cache:6380/1",
            "rediss-cluster://a,b",
            "rediss-sentinel://a/main",
        ] {
            assert_eq!(redis_url(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "cache:6379",
            "http://hunter2@cache",
            "redis://",
            "redis://hunter2@:6379",
            "redis://hunter2@cache:0",
            "redis://hunter2@cache:port",
            "redis://hunter2@cache/x",
            "redis://hunter2@[::1:6379",
            "redis://hunter2@a,b",
            "redis-cluster://hunter2@a/1",
            "redis-cluster://hunter2@a,",
            "redis-cluster://hunter2@a,b:0",
            "redis-sentinel://hunter2@a",
            "redis-sentinel://hunter2@a/main/x",
            "redisss://hunter2@a",
        ] {
            let wrong = redis_url(text).expect_err(text);
            assert!(!wrong.what.contains("hunter2"), "{wrong:?}");
        }
    }

    #[test]
    fn an_api_key_is_a_hash_and_a_bad_one_is_not_repeated() {
        let digits = "0123456789abcdefABCDEF".repeat(3);
        let key = api_key(&format!("sha256:{}", &digits[..64])).expect("64 digits");
        assert_eq!(&key[..4], [0x01, 0x23, 0x45, 0x67]);
        for text in [
            "hunter2",
            "sha256:",
            &format!("sha256:{digits}"),
            &format!("sha256:{}g", &digits[..63]),
        ] {
            let wrong = api_key(text).expect_err(text);
            assert!(!format!("{wrong:?}").contains("hunter2"));
        }
        let abc = api_key_or_hash("abc");
        assert_eq!(abc[..4], [0xba, 0x78, 0x16, 0xbf], "FIPS 180-2, appendix B.1");
    }

    #[test]
    fn a_misspelt_log_level_is_no_filter() {
        for text in [
            "info",
            "WARN",
            "info,tidegate_gateway=debug",
            "off",
            "tidegate_shared::redis=trace",
        ] {
            assert!(log_filter(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "inof",
            "info,,",
            "info,tidegate=loud",
            "debug,[x",
            "info,tidegate_worker",
        ] {
            assert!(log_filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins_have_no_path() {
        assert_eq!(
            origin("https://App.Example.com:8443").as_deref(),
            Ok("https://app.example.com:8443")
        );
        assert!(origin("*").is_ok() && origin("https://*.example.com").is_ok());
        for text in [
            "",
            "app.example.com",
            "https://",
            "https://a/",
            "https://a b",
            "https://u@a",
            "://a",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
