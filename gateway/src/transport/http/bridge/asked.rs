//! A request as the application is told of it.

use std::collections::BTreeMap;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tidegate_shared::name::UserId;

use super::HEADERS;
use crate::transport::http::Problem;

/// Most parameters of a query.
const PARAMETERS: usize = 64;

/// All but its body.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<&'static str, String>,
}

/// As it is written.
#[derive(Debug, Serialize)]
pub(super) struct Whole<'a> {
    #[serde(flatten)]
    asked: &'a Asked,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a UserId>,
    body: &'a str,
}

impl Asked {
    /// Names and values without percents. Of a parameter that comes twice the last one counts.
    pub(super) fn of(request: &Request) -> Result<Self, Problem> {
        // The answer is that of GET, of which the head alone is sent.
        let method = match request.method() {
            &Method::HEAD => &Method::GET,
            method => method,
        };
        Ok(Self {
            method: method.as_str().to_owned(),
            path: path(request.uri())?,
            query: query(request.uri())?,
            headers: headers(request.headers()),
        })
    }

    pub(super) fn with<'a>(&'a self, user: Option<&'a UserId>, body: &'a str) -> Whole<'a> {
        Whole {
            asked: self,
            user,
            body,
        }
    }
}

fn path(uri: &Uri) -> Result<String, Problem> {
    let text = plain(uri.path(), "path")?;
    let slashes = |text: &str| text.bytes().filter(|b| *b == b'/').count();
    if slashes(&text) != slashes(uri.path()) || text.chars().any(char::is_control) {
        return Err(Problem::bad_request(
            "a part of the path has a slash or a control character in it",
        ));
    }
    Ok(text)
}

fn query(uri: &Uri) -> Result<BTreeMap<String, String>, Problem> {
    let mut all = BTreeMap::new();
    let pairs = uri.query().unwrap_or_default().split('&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let of = |text: &str| plain(&text.replace('+', " "), "query");
        all.insert(of(name)?, of(value)?);
        if all.len() > PARAMETERS {
            let detail = format!("the query has more than {PARAMETERS} parameters");
            return Err(Problem::bad_request(detail));
        }
    }
    Ok(all)
}

fn plain(text: &str, what: &str) -> Result<String, Problem> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Problem::bad_request(format!("the {what} is not text in UTF-8")))
}

/// HTTP/2 splits cookies.
fn headers(all: &HeaderMap) -> BTreeMap<&'static str, String> {
    let mut kept = BTreeMap::new();
    for name in &HEADERS {
        let values: Vec<&str> = all
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let value = match (values.as_slice(), name) {
            ([], _) => continue,
            (values, name) if *name == header::COOKIE => values.join("; "),
            ([first, ..], _) => (*first).to_owned(),
        };
        kept.insert(known(name), value);
    }
    kept
}

fn known(name: &HeaderName) -> &'static str {
    match name {
        name if *name == header::AUTHORIZATION => "authorization",
        name if *name == header::COOKIE => "cookie",
        _ => "content-type",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde_json::{Value, json};

    use super::*;

    fn told(uri: &str, headers: &[(&str, &str)]) -> Option<Value> {
        let mut request = axum::http::Request::builder().uri(uri).method("POST");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let asked = Asked::of(&request.body(Body::empty()).expect("a request")).ok()?;
        let user = UserId::parse("ann").expect("valid");
        serde_json::to_value(asked.with(Some(&user), "{}")).ok()
    }

    #[test]
    fn an_application_is_told_what_it_needs_and_nothing_else() {
        let headers = [
            ("authorization", "Basic x"),
            ("cookie", "a=b"),
            ("cookie", "c=d"),
            ("content-type", "text/plain"),
            ("x-api-key", "secret"),
            ("host", "here"),
        ];
        assert_eq!(
            told("/api/queue/%C3%BC%20?a=1&b=x+%2B&a=2&c", &headers),
            Some(json!({
                "method": "POST",
                "path": "/api/queue/ü ",
                "query": {"a": "2", "b": "x +", "c": ""},
                "headers": {"authorization": "Basic x", "cookie": "a=b; c=d", "content-type": "text/plain"},
                "user": "ann",
                "body": "{}",
            }))
        );
    }

    #[test]
    fn what_means_two_things_or_is_no_text_is_refused() {
        let many: Vec<String> = (0..=PARAMETERS).map(|one| format!("p{one}=1")).collect();
        for uri in [
            "/a%2Fb",
            "/a%00",
            "/a%FF",
            "/a?b=%FF",
            &format!("/a?{}", many.join("&")),
        ] {
            assert_eq!(told(uri, &[]), None, "{uri}");
        }
    }
}
