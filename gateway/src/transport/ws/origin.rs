//! From which web pages a browser may connect (`gateway.allowed_origins`).
//!
//! A browser sends a user's cookies with every handshake, whatever page starts it; looking at the
//! `Origin` is what keeps a foreign page out. Programs send none and are not concerned.

use thiserror::Error;

/// The origins that are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins {
    any: bool,
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    scheme: String,
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Exact(String),
    /// `*` between these stands for one or more labels; the dots belong to them.
    Wild {
        before: String,
        after: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("allowed_origins: `{entry}` {reason}")]
pub struct OriginError {
    pub entry: String,
    reason: &'static str,
}

impl Origins {
    /// Each entry is `*` or `scheme://host[:port]`. A `*` in the host takes the place of whole
    /// labels: `https://*.example.com`.
    pub fn parse<I>(entries: I) -> Result<Self, OriginError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut origins = Self::default();
        for entry in entries {
            let entry = entry.as_ref().trim();
            if entry == "*" {
                origins.any = true;
            } else {
                let pattern = Pattern::parse(entry).map_err(|reason| OriginError {
                    entry: entry.to_owned(),
                    reason,
                })?;
                origins.patterns.push(pattern);
            }
        }
        Ok(origins)
    }

    /// Whether a request with this `Origin` header (or none) may connect.
    pub fn allows(&self, origin: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        self.any || self.names(origin)
    }

    /// Whether the origin is one of those that are named, all of them together not counted.
    pub fn names(&self, origin: &str) -> bool {
        // What is no URL, `null` above all, can be allowed only by `*`.
        let Some((scheme, host, port)) = split(origin) else {
            return false;
        };
        self.patterns
            .iter()
            .any(|pattern| pattern.scheme == scheme && pattern.port == port && pattern.host.matches(&host))
    }
}

impl Pattern {
    fn parse(entry: &str) -> Result<Self, &'static str> {
        let (scheme, host, port) = split(entry)
            .ok_or("is no origin; write scheme://host or scheme://host:port, without a path, or `*`")?;
        let host = match host.split_once('*') {
            None => Host::Exact(host),
            Some((before, after)) => {
                if after.contains('*') {
                    return Err("has more than one `*`");
                }
                let whole_labels = (before.is_empty() || before.ends_with('.'))
                    && (after.is_empty() || after.starts_with('.'));
                if !whole_labels {
                    return Err("has a `*` that is only a part of a label; write it between dots");
                }
                Host::Wild {
                    before: before.to_owned(),
                    after: after.to_owned(),
                }
            }
        };
        Ok(Self { scheme, host, port })
    }
}

impl Host {
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == host,
            Self::Wild { before, after } => host
                .strip_prefix(before.as_str())
                .and_then(|host| host.strip_suffix(after.as_str()))
                .is_some_and(|labels| labels.split('.').all(|label| !label.is_empty())),
        }
    }
}

/// Scheme, host and port in lower case. The port is `None` where it is the scheme's own.
fn split(origin: &str) -> Option<(String, String, Option<u16>)> {
    let (scheme, rest) = origin.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (host, port) = match rest.rsplit_once(':') {
        // A colon inside of brackets belongs to an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) || byte >= 0x80;
    let in_brackets = |byte: u8| byte.is_ascii_hexdigit() || b":.[]".contains(&byte);
    let host_fine = host
        .bytes()
        .all(|byte| if bracketed { in_brackets(byte) } else { plain(byte) });
    let scheme_fine = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if scheme.is_empty() || host.is_empty() || !host_fine || !scheme_fine {
        return None;
    }
    let port = match port {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    let usual = match scheme.as_str() {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    };
    Some((scheme, host.to_ascii_lowercase(), port.filter(|_| port != usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(entries: &[&str]) -> Origins {
        Origins::parse(entries).expect("valid")
    }

    fn check(entries: &[&str], allowed: &[&str], refused: &[&str]) {
        let origins = origins(entries);
        for origin in allowed {
            assert!(origins.allows(Some(origin)), "{entries:?} should allow {origin}");
        }
        for origin in refused {
            assert!(
                !origins.allows(Some(origin)),
                "{entries:?} should refuse {origin}"
            );
        }
    }

    #[test]
    fn no_origin_is_always_accepted_and_an_empty_list_allows_no_page() {
        assert!(origins(&[]).allows(None));
        assert!(origins(&["https://a.example"]).allows(None));
        check(&[], &[], &["https://a.example", "null", ""]);
    }

    #[test]
    fn a_star_alone_allows_everything() {
        check(
            &["*"],
            &["https://a.example", "null", "file://", "rubbish", ""],
            &[],
        );
    }

    #[test]
    fn an_entry_allows_its_origin_and_no_other() {
        check(
            &["https://app.example.com"],
            &[
                "https://app.example.com",
                "HTTPS://APP.Example.COM",
                "https://app.example.com:443",
            ],
            &[
                "http://app.example.com",
                "https://app.example.com:8443",
                "https://example.com",
                "https://evilapp.example.com",
                "https://app.example.com.evil.test",
                "https://app.example.com@evil.test",
                "https://evil.test/https://app.example.com",
                "https://evil.test#https://app.example.com",
                "https://app.example.com.",
                "https://app.example.com:",
                "https://app.example.com:443:443",
                "https://",
                "null",
                "",
            ],
        );
    }

    #[test]
    fn a_star_in_a_host_stands_for_one_or_more_labels() {
        check(
            &["https://*.example.com"],
            &[
                "https://a.example.com",
                "https://a.b.example.com",
                "https://A.EXAMPLE.com:443",
            ],
            &[
                "https://example.com",
                "https://evilexample.com",
                "https://.example.com",
                "https://a..example.com",
                "https://a.example.com.evil.test",
                "http://a.example.com",
                "https://a.example.com:444",
            ],
        );
        check(
            &["https://eu.*.example.com:8443", "http://*:8080"],
            &[
                "https://eu.1.example.com:8443",
                "http://localhost:8080",
                "http://127.0.0.1:8080",
            ],
            &[
                "https://eu.example.com:8443",
                "https://us.1.example.com:8443",
                "http://localhost",
            ],
        );
    }

    #[test]
    fn ports_schemes_and_ipv6_are_told_apart() {
        check(
            &[
                "http://localhost:8080",
                "http://[::1]:8080",
                "https://[::1]",
                "chrome-extension://abcdef",
            ],
            &[
                "http://localhost:8080",
                "http://[::1]:8080",
                "https://[::1]:443",
                "chrome-extension://abcdef",
            ],
            &[
                "http://localhost",
                "http://localhost:80801",
                "http://[::1]",
                "http://[::2]:8080",
            ],
        );
    }

    #[test]
    fn an_entry_that_is_no_origin_is_refused_with_what_to_write() {
        for entry in [
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com/path",
            "null",
            "",
            "https://a*.example.com",
            "https://*example.com",
            "https://*.*.example.com",
            "https://app.example.com:99999",
            "https://user@app.example.com",
        ] {
            let error = Origins::parse([entry]).expect_err(entry);
            assert_eq!(error.entry, entry);
            assert!(error.to_string().contains(entry));
        }
    }
}
