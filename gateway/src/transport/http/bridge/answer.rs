//! What an application answers, as a response. What is wrong with it is said to the client and in the log:
//! it is the application's mistake.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tidegate_shared::json::RawJson;

/// Most headers of a response.
const LIMIT: usize = 64;

/// They are the connection's, not the application's.
const OURS: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    /// Absent: empty.
    #[serde(default, deserialize_with = "given")]
    body: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

/// Also if it is null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// Tells why it is none.
pub(super) fn response(data: &RawJson) -> Result<Response, &'static str> {
    let answer: Answer = serde_json::from_slice(data.as_bytes())
        .map_err(|_| "it is not of the form {status, headers, body}")?;
    // What comes before a response (1xx) is the connection's.
    let status = StatusCode::from_u16(answer.status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or("its status is not one of 200 to 599")?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, values) in answer.headers {
        let name = HeaderName::try_from(name).map_err(|_| "a header's name is not valid")?;
        if OURS.contains(&name.as_str()) {
            return Err("a header is the connection's, not the application's");
        }
        let values = match values {
            Values::One(value) => vec![value],
            Values::Many(values) => values,
        };
        for value in values {
            let value = HeaderValue::try_from(value).map_err(|_| "a header's value is not valid")?;
            headers.append(name.clone(), value);
            if headers.len() > LIMIT {
                return Err("it has more than 64 headers");
            }
        }
    }
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    let Some(body) = answer.body.filter(|_| !bodiless) else {
        return Ok(response);
    };
    let is_json = headers.get(header::CONTENT_TYPE).is_none_or(is_json);
    if is_json && !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let text = if is_json {
        String::from(Box::<str>::from(body))
    } else {
        serde_json::from_str(body.get())
            .map_err(|_| "its body is not a string, though its type is not JSON")?
    };
    *response.body_mut() = Body::from(text);
    Ok(response)
}

fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    fn of(value: &Value) -> Result<Response, &'static str> {
        response(&RawJson::of(value).expect("JSON"))
    }

    async fn text(response: Response) -> String {
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8(bytes.into()).expect("text")
    }

    #[tokio::test]
    async fn a_json_value_is_sent_as_json_and_a_string_of_another_type_as_it_is() {
        for (answer, kind, body) in [
            (
                json!({"status": 200, "body": {"a": 1}}),
                "application/json",
                "{\"a\":1}",
            ),
            (json!({"status": 200, "body": null}), "application/json", "null"),
            (json!({"status": 200, "body": "x"}), "application/json", "\"x\""),
            (
                json!({"status": 200, "body": [1], "headers": {"Content-Type": "application/x+json"}}),
                "application/x+json",
                "[1]",
            ),
            (
                json!({"status": 404, "body": "<b>\n", "headers": {"content-type": "text/html"}}),
                "text/html",
                "<b>\n",
            ),
        ] {
            let response = of(&answer).expect("a response");
            assert_eq!(json!(response.status().as_u16()), answer["status"]);
            assert_eq!(response.headers()["content-type"], kind);
            assert_eq!(text(response).await, body);
        }
    }

    #[tokio::test]
    async fn a_header_may_have_several_values_and_a_body_may_be_absent() {
        let answer = json!({"status": 302, "headers": {"set-cookie": ["a=1", "b=2"], "location": "/"}});
        let response = of(&answer).expect("a response");
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert!(!response.headers().contains_key("content-type"));
        assert_eq!(text(response).await, "");
        let nothing = of(&json!({"status": 204, "body": {}})).expect("a response");
        assert_eq!(text(nothing).await, "");
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for answer in [
            json!(null),
            json!({"body": 1}),
            json!({"status": "200"}),
            json!({"status": 99}),
            json!({"status": 101}),
            json!({"status": 600}),
            json!({"status": 200, "reason": "OK"}),
            json!({"status": 200, "headers": {"a b": "c"}}),
            json!({"status": 200, "headers": {"a": "b\r\nc: d"}}),
            json!({"status": 200, "headers": {"Transfer-Encoding": "chunked"}}),
            json!({"status": 200, "headers": {"content-length": "1"}}),
            json!({"status": 200, "headers": {"x": vec!["y"; 65]}}),
            json!({"status": 200, "headers": {"content-type": "text/html"}, "body": {}}),
        ] {
            assert!(of(&answer).is_err(), "{answer}");
        }
    }
}
