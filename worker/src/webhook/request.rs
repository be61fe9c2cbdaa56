//! The request: a URL that may be called, headers that may be sent, the body.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use serde::Serialize;
use serde_json::value::RawValue;
use tidegate_shared::job::JobRecord;
use tidegate_shared::name::UserId;
use url::{Host, Url};

use super::error::WebhookError;

/// Longest URL, in bytes.
const URL_LIMIT: usize = 8 * 1024;
/// Largest body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// Most headers that a job may name, and the longest value of one.
const HEADERS: usize = 32;
const VALUE_LIMIT: usize = 8 * 1024;
/// What says how the message is sent, where to, or by whom, is not the job's to say.
const RESERVED: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "expect",
    "idempotency-key",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const RESERVED_PREFIXES: &[&str] = &["proxy-", "tidegate-"];

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) host: Place,
    pub(super) port: u16,
    pub(super) secure: bool,
    /// For the header `Host`.
    authority: String,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Name(String),
    Address(IpAddr),
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, WebhookError> {
        let wrong = |why: &str| Err(WebhookError::Url(why.to_owned()));
        if text.len() > URL_LIMIT {
            return wrong("it is too long");
        }
        let url = Url::parse(text).map_err(|error| WebhookError::Url(error.to_string()))?;
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return wrong("it begins with neither https:// nor http://"),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("it holds a user or a password; put them into the header `authorization`");
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => Place::Name(name.to_owned()),
            Some(Host::Ipv4(address)) => Place::Address(address.into()),
            Some(Host::Ipv6(address)) => Place::Address(address.into()),
            None => return wrong("it names no host"),
        };
        let port = url.port_or_known_default().unwrap_or_default();
        if port == 0 {
            return wrong("its port is 0");
        }
        let authority = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self {
            host,
            port,
            secure,
            authority,
            path,
        })
    }
}

/// The request's body.
#[derive(Debug)]
pub(super) struct Content(Bytes);

/// What of the job is sent if it names no body.
#[derive(Serialize)]
struct Summary<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    queue: &'a str,
    attempt: u32,
    user: Option<&'a str>,
    created_at: u64,
}

impl Content {
    pub(super) fn new(body: Option<Box<RawValue>>, record: &JobRecord) -> Result<Self, WebhookError> {
        let bytes = if let Some(body) = body {
            Bytes::from(String::from(Box::<str>::from(body)))
        } else {
            let summary = Summary {
                id: record.id.as_str(),
                kind: record.kind.as_str(),
                queue: record.queue.as_str(),
                attempt: record.attempt,
                user: record.user.as_ref().map(UserId::as_str),
                created_at: record.created_at,
            };
            // Texts and numbers only: it cannot fail.
            Bytes::from(serde_json::to_vec(&summary).unwrap_or_default())
        };
        if bytes.len() > BODY_LIMIT {
            return Err(WebhookError::Body {
                size: bytes.len(),
                limit: BODY_LIMIT,
            });
        }
        Ok(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

pub(super) fn build(
    target: &Target,
    headers: &BTreeMap<String, String>,
    content: Content,
    record: &JobRecord,
    signature: Option<String>,
) -> Result<Request<Full<Bytes>>, WebhookError> {
    let mut map = HeaderMap::new();
    map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    map.insert(
        ACCEPT,
        HeaderValue::from_static("application/json, application/x-ndjson"),
    );
    map.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION"))),
    );
    own(&mut map, headers)?;
    let ours = [
        (HOST, Some(target.authority.clone())),
        (
            HeaderName::from_static("idempotency-key"),
            Some(record.id.to_string()),
        ),
        (
            HeaderName::from_static("tidegate-attempt"),
            Some(record.attempt.to_string()),
        ),
        (HeaderName::from_static("tidegate-signature"), signature),
    ];
    for (name, value) in ours {
        if let Some(value) = value {
            let value = HeaderValue::try_from(value)
                .map_err(|_| WebhookError::Url("its host cannot be written into a request".into()))?;
            map.insert(name, value);
        }
    }
    let mut request = Request::post(target.path.as_str())
        .body(Full::new(content.0))
        .map_err(|_| WebhookError::Url("its path cannot be written into a request".into()))?;
    *request.headers_mut() = map;
    Ok(request)
}

/// Asks for what is there.
pub(super) fn get(target: &Target) -> Result<Request<Full<Bytes>>, WebhookError> {
    Request::get(target.path.as_str())
        .header(HOST, &target.authority)
        .header(USER_AGENT, concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        .body(Full::default())
        .map_err(|_| WebhookError::Url("it cannot be written into a request".into()))
}

/// The job's own headers.
fn own(map: &mut HeaderMap, headers: &BTreeMap<String, String>) -> Result<(), WebhookError> {
    if headers.len() > HEADERS {
        return Err(WebhookError::Headers(headers.len(), HEADERS));
    }
    for (name, value) in headers {
        let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
        let wrong = |why| WebhookError::Header {
            name: shown.clone(),
            why,
        };
        let name = HeaderName::try_from(name.as_str()).map_err(|_| wrong("this is no header's name"))?;
        let reserved = RESERVED.contains(&name.as_str())
            || RESERVED_PREFIXES
                .iter()
                .any(|prefix| name.as_str().starts_with(prefix));
        if reserved {
            return Err(wrong("the worker writes it, or nobody"));
        }
        if value.len() > VALUE_LIMIT {
            return Err(wrong("its value is too long"));
        }
        let value = HeaderValue::from_str(value)
            .map_err(|_| wrong("its value has characters that a header cannot hold"))?;
        map.insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_seen_as_one() {
        for text in [
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
        ] {
            let target = Target::parse(text).expect(text);
            assert_eq!(target.host, Place::Address([127, 0, 0, 1].into()), "{text}");
        }
        let target = Target::parse("https://[::1]:8443/a?b=c#d").expect("a URL");
        assert_eq!(
            (target.authority.as_str(), target.path.as_str(), target.secure),
            ("[::1]:8443", "/a?b=c", true)
        );
    }

    #[test]
    fn what_cannot_or_must_not_be_called_is_refused_and_not_repeated() {
        for text in [
            "",
            "/relative",
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://",
            "http://hunter2@example.com/",
            "http://a:hunter2@example.com/",
            "http://example.com:0/",
            "http://exa mple.com/",
            &format!("http://example.com/{}", "x".repeat(URL_LIMIT)),
        ] {
            let error = Target::parse(text).expect_err(text).to_string();
            assert!(!error.contains("hunter2") && error.len() < 200, "{error}");
        }
    }

    #[test]
    fn headers_that_cannot_or_must_not_be_sent_are_refused_by_name() {
        let try_one = |name: &str, value: &str| {
            own(
                &mut HeaderMap::new(),
                &BTreeMap::from([(name.into(), value.into())]),
            )
        };
        assert!(try_one("Authorization", "Bearer x").is_ok());
        assert!(try_one("content-type", "application/cloudevents+json").is_ok());
        for (name, value) in [
            ("", "x"),
            ("a b", "x"),
            ("a\r\nb", "x"),
            ("Host", "x"),
            ("Transfer-Encoding", "chunked"),
            ("Proxy-Authorization", "x"),
            ("Tidegate-Signature", "x"),
            ("Idempotency-Key", "x"),
            ("x", "hunter2\r\nHost: b"),
            ("x", "hunter2\0"),
            ("x", &"hunter2".repeat(2_000)),
        ] {
            let error = try_one(name, value).expect_err(name).to_string();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(!error.contains(char::is_control), "{error:?}");
        }
        let many = (0..40).map(|n| (format!("x-{n}"), String::new())).collect();
        assert!(own(&mut HeaderMap::new(), &many).is_err());
    }
}
