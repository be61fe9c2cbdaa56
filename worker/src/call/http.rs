//! Requests over HTTP as calls: what an endpoint of the dialect `http` asks an application's method `APP.http`,
//! and what it takes for an answer.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_shared::name::UserId;

/// A request, as the input of a method.
///
/// ```
/// use serde_json::json;
/// use tidegate_worker::{CallContext, CallFailure, HttpAnswer, HttpRequest};
///
/// async fn http(request: HttpRequest, _: CallContext) -> Result<HttpAnswer, CallFailure> {
///     Ok(match (request.method.as_str(), request.parts().as_slice()) {
///         ("GET", ["api", "queue", "status", sign]) => HttpAnswer::json(200, &json!({ "callsign": sign })),
///         _ => HttpAnswer::json(404, &json!({ "detail": "Not Found" })),
///     })
/// }
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
pub struct HttpRequest {
    /// `GET` for a request of `HEAD`, too.
    pub method: String,
    /// Without percents, and without the query. Between slashes is what stood there.
    pub path: String,
    /// Of a name that comes twice the last value.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// `authorization`, `content-type` and `cookie`, as far as they were sent.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Who sends it, if the gateway knows: by a token, or a name and a password.
    #[serde(default)]
    pub user: Option<UserId>,
    #[serde(default)]
    pub body: String,
}

impl HttpRequest {
    /// What stands between the path's slashes, without empty parts.
    pub fn parts(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }

    /// The body read as JSON; an empty one as null.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        let body = self.body.trim();
        serde_json::from_str(if body.is_empty() { "null" } else { body })
    }

    /// The fields of a form (`application/x-www-form-urlencoded`).
    pub fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes())
            .into_owned()
            .collect()
    }

    /// The value of this cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.headers.get("cookie")?.split(';');
        let (_, value) = pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(one, _)| *one == name)?;
        Some(value.trim_matches('"'))
    }

    /// The token of `Authorization: Bearer`.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.headers.get("authorization")?.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }
}

/// A response, as the output of a method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HttpAnswer {
    status: u16,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
}

impl HttpAnswer {
    /// Without a body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: BTreeMap::new(),
            body: None,
        }
    }

    /// With a JSON document. What cannot be written as JSON is `null`.
    pub fn json<T: Serialize + ?Sized>(status: u16, body: &T) -> Self {
        Self {
            body: Some(serde_json::to_value(body).unwrap_or_default()),
            ..Self::empty(status)
        }
    }

    /// With text of this type, as `text/html; charset=utf-8`.
    pub fn text(status: u16, kind: &str, body: impl Into<String>) -> Self {
        Self {
            body: Some(Value::String(body.into())),
            ..Self::empty(status).header("content-type", kind)
        }
    }

    /// With one more header; a name may have several values.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        let values = self.headers.entry(name.to_ascii_lowercase()).or_default();
        values.push(value.into());
        self
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    pub fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_read_as_the_gateway_writes_it() {
        let request: HttpRequest = serde_json::from_value(json!({
            "method": "POST", "path": "/auth//token/", "query": {}, "body": "username=a%20b&password=x%2By",
            "headers": {"authorization": "bearer  t ", "cookie": "a=1; token=\"q\""}, "user": "ann",
        }))
        .expect("a request");
        assert_eq!(request.parts(), ["auth", "token"]);
        assert_eq!(request.form()["username"], "a b");
        assert_eq!(request.form()["password"], "x+y");
        assert_eq!(
            (request.bearer(), request.cookie("token")),
            (Some("t"), Some("q"))
        );
        assert_eq!(request.cookie("b"), None);
        assert!(request.json::<Value>().is_err());
        assert_eq!(HttpRequest::default().json::<Value>().ok(), Some(Value::Null));
    }

    #[test]
    fn an_answer_is_written_as_the_gateway_reads_it() {
        let answer = HttpAnswer::text(200, "text/html", "<p>")
            .header("Set-Cookie", "a=1")
            .header("set-cookie", "b=2");
        let written = serde_json::to_value(&answer).expect("JSON");
        assert_eq!(
            written,
            json!({
                "status": 200,
                "headers": {"content-type": ["text/html"], "set-cookie": ["a=1", "b=2"]},
                "body": "<p>",
            })
        );
        let empty = serde_json::to_value(HttpAnswer::empty(204)).expect("JSON");
        assert_eq!(empty, json!({"status": 204}));
        let null = serde_json::to_value(HttpAnswer::json(200, &())).expect("JSON");
        assert_eq!(null, json!({"status": 200, "body": null}));
    }
}
