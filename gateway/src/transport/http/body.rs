//! Request bodies: read within a limit of bytes and time, and understood as one JSON object, or as text.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::Limits;
use tidegate_shared::json;

use super::Problem;

/// Room for what stands around `data` in a request: names and keys, at most six bytes a byte if they
/// are written as `\u` escapes, and white space.
const ENVELOPE: usize = 8 * 1024;

/// Lists and objects around `data` in the request that has the most: a batch.
const ENVELOPES: usize = 4;

/// Longest piece of a parser's message that is repeated: it can quote the request.
const QUOTE: usize = 240;

/// What a body may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    bytes: usize,
    /// Lists and objects within each other.
    depth: usize,
    /// From the end of the head to the end of the body.
    time: Duration,
}

impl BodyLimits {
    /// `data` is the largest payload that any request may carry.
    pub(crate) fn new(limits: &Limits, data: usize, time: Duration) -> Self {
        Self {
            bytes: limits.body.unwrap_or(data.saturating_add(ENVELOPE)),
            depth: limits.depth + ENVELOPES,
            time,
        }
    }
}

/// Reads and parses the body. A missing `Content-Type` counts as JSON; any other type is refused, so
/// that a form is never taken for what it is not.
pub(crate) async fn read<T: DeserializeOwned>(request: Request, limits: BodyLimits) -> Result<T, Problem> {
    check_type(request.headers())?;
    if declared_length(request.headers()).is_some_and(|length| length > limits.bytes) {
        return Err(too_large(limits.bytes));
    }
    let bytes = collect(request.into_body(), limits).await?;
    if json::depth(&bytes) > limits.depth {
        return Err(Problem::bad_request(
            "the body has too many lists and objects within each other (limits.depth)",
        ));
    }
    parse(&bytes)
}

/// Reads a body of any type as text.
pub(crate) async fn text(request: Request, limits: BodyLimits) -> Result<String, Problem> {
    if declared_length(request.headers()).is_some_and(|length| length > limits.bytes) {
        return Err(too_large(limits.bytes));
    }
    let bytes = collect(request.into_body(), limits).await?;
    String::from_utf8(bytes.into()).map_err(|_| Problem::bad_request("the body is not text in UTF-8"))
}

async fn collect(body: Body, limits: BodyLimits) -> Result<Bytes, Problem> {
    let reading = Limited::new(body, limits.bytes).collect();
    match tokio::time::timeout(limits.time, reading).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limits.bytes)),
        Ok(Err(_)) => Err(Problem::bad_request(
            "the body ended early or its encoding is broken",
        )),
        Err(_) => Err(Problem::new(
            ErrorCode::Timeout,
            format!("the body was not complete after {:?}", limits.time),
        )
        .with_status(StatusCode::REQUEST_TIMEOUT)
        .closing()),
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        ErrorCode::PayloadTooLarge,
        format!("the body has more than the {limit} bytes that a request may have"),
    )
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    Err(Problem::bad_request(
        "the body must be JSON: send `Content-Type: application/json` (with curl: `--json`, or `-H 'content-type: application/json'`)",
    )
    .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// Understands bytes as one JSON object. Errors name the field and the place.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => {
            return Err(Problem::bad_request(
                "the body is empty: a JSON object is expected",
            ));
        }
        // serde would take an array for an object's fields in order.
        Some(b'[') => {
            return Err(Problem::bad_request(
                "the body is a JSON array: a JSON object is expected",
            ));
        }
        Some(_) => {}
    }
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut source).map_err(|error| {
        let field = error.path().to_string();
        explain(&field, error.inner())
    })?;
    source.end().map_err(|error| explain(".", &error))?;
    Ok(value)
}

fn explain(field: &str, error: &serde_json::Error) -> Problem {
    let text = shortened(&error.to_string());
    Problem::bad_request(if error.is_data() {
        match field {
            "." | "?" => text,
            field if text.contains(&format!("field `{field}`")) => text,
            field => format!("`{}`: {text}", shortened(field)),
        }
    } else {
        format!("the body is not valid JSON: {text}")
    })
}

/// The place that a parser names stands at the end, so what is left out is in the middle.
fn shortened(text: &str) -> String {
    if text.len() <= QUOTE {
        return text.to_owned();
    }
    let boundary = |at: usize| (at..text.len()).find(|at| text.is_char_boundary(*at));
    let (head, tail) = (boundary(QUOTE / 2), boundary(text.len() - QUOTE / 2));
    format!(
        "{} … {}",
        &text[..head.unwrap_or_default()],
        &text[tail.unwrap_or(text.len())..]
    )
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use tidegate_shared::json::RawJson;
    use tidegate_shared::topic::Topic;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        topic: Topic,
        data: RawJson,
    }

    fn detail(body: &str) -> String {
        let problem = parse::<Sample>(body.as_bytes()).expect_err(body);
        assert_eq!(problem.code(), ErrorCode::BadRequest, "{body}");
        problem.detail().to_owned()
    }

    #[test]
    fn data_keeps_its_spelling() {
        let sample: Sample =
            parse(b" {\"topic\": \"a\", \"data\": {\"n\": 1.50, \"n\": 2e3} } ").expect("valid");
        assert_eq!(sample.topic.as_str(), "a");
        assert_eq!(sample.data.as_str(), "{\"n\": 1.50, \"n\": 2e3}");
    }

    #[test]
    fn an_error_names_the_field_and_the_place() {
        assert_eq!(
            detail(r#"{"topic": 5, "data": 1}"#),
            "`topic`: invalid type: integer `5`, expected a string at line 1 column 11"
        );
        assert_eq!(
            detail(r#"{"topic": "a"}"#),
            "missing field `data` at line 1 column 14"
        );
        assert_eq!(
            detail(r#"{"topic": "a", "dta": 1}"#),
            "unknown field `dta`, expected `topic` or `data` at line 1 column 20"
        );
        assert!(
            detail(r#"{"topic": "a b", "data": 1}"#).starts_with("`topic`: topic contains ' ' at byte 1")
        );
        assert!(detail(r#"{"topic": "a", "topic": "b"}"#).contains("duplicate field `topic`"));
    }

    #[test]
    fn what_is_no_json_object_is_refused_with_the_place() {
        assert_eq!(
            detail("{\"topic\": \"a\",\n \"data\": nope}"),
            "the body is not valid JSON: expected ident at line 2 column 11"
        );
        assert!(detail("{\"topic\":\"a\",\"data\":1").contains("line 1 column 21"));
        assert!(detail("{\"topic\":\"a\",\"data\":1} x").contains("trailing characters"));
        assert!(detail(" ").contains("empty"));
        assert!(detail("[\"a\", 1]").contains("array"));
        assert!(detail("\"a\"").contains("invalid type: string"));
    }

    #[test]
    fn a_message_never_repeats_a_whole_payload() {
        let long = "ü".repeat(10_000);
        for body in [
            format!(r#"{{"topic": "a", "data": 1, "{long}": 1}}"#),
            format!(r#""{long}""#),
            format!(r#"{{"topic": ["{long}"]}}"#),
        ] {
            let detail = detail(&body);
            assert!(detail.len() < 600, "{} bytes", detail.len());
            assert!(detail.contains("line 1 column"), "{detail}");
        }
    }

    #[test]
    fn only_json_types_and_a_missing_one_are_taken() {
        let status = |value: &str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().expect("a header"))]);
            check_type(&headers).map_err(|problem| problem.status())
        };
        assert_eq!(check_type(&HeaderMap::new()), Ok(()));
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.x+json",
        ] {
            assert_eq!(status(good), Ok(()), "{good}");
        }
        for bad in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "image/svg+json",
            "",
        ] {
            assert_eq!(status(bad), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{bad}");
        }
    }
}
