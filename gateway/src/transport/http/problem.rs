//! Errors over HTTP: problem documents (RFC 9457) that carry the wire's error codes.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidegate_shared::broker::BrokerError;
use tidegate_shared::call::CallError;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::JobError;
use tidegate_shared::name::NameError;

/// Seconds after which a client may ask again, for errors that pass by themselves.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The answer to a request that failed. `detail` says what was wrong and what to do about it; it never
/// repeats payloads or keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: ErrorCode,
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
    closing: bool,
}

/// The document's members. `type` is `about:blank` (RFC 9457 §4.2.1), so `title` is the status's own
/// phrase; programs tell errors apart by `code`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: u16,
    name: &'static str,
    temporary: bool,
}

/// Why a part of a request failed, as the native dialect's `error` says it.
#[derive(Debug, Serialize)]
pub(crate) struct Fault {
    code: u16,
    name: &'static str,
    message: String,
    temporary: bool,
}

impl Problem {
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let header = match code {
            ErrorCode::TooManyRequests | ErrorCode::Unavailable | ErrorCode::NoWorker => {
                Some((header::RETRY_AFTER, RETRY_AFTER))
            }
            _ => None,
        };
        Self {
            code,
            status: StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            detail: detail.into(),
            header,
            closing: false,
        }
    }

    /// The same with a status that says more than the code's usual one.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// The connection ends after this answer: what else stands on it is of no use.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closing = true;
        self
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, detail)
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(
            ErrorCode::NotFound,
            "there is nothing at this path; the API is described at /api/openapi.json",
        )
    }

    /// The same inside an answer that has other parts.
    pub(crate) fn fault(&self) -> Fault {
        Fault {
            code: self.code.number(),
            name: self.code.name(),
            message: self.detail.clone(),
            temporary: self.code.is_temporary(),
        }
    }

    pub fn code(&self) -> ErrorCode {
        self.code
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code.number(),
            name: self.code.name(),
            temporary: self.code.is_temporary(),
        };
        // A struct of strings and numbers always serialises.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        response.extensions_mut().insert(self.code);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some((name, value)) = self.header {
            headers.insert(name, value);
        }
        if self.closing {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<BrokerError> for Problem {
    fn from(error: BrokerError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_problem_document_has_every_member_and_the_codes_status() {
        for &code in ErrorCode::ALL {
            let response = Problem::new(code, "what to do").into_response();
            assert_eq!(response.status().as_u16(), code.http_status(), "{code}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            let retry = response.headers().contains_key("retry-after");
            assert_eq!(retry, matches!(code.http_status(), 429 | 503), "{code}");
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(
                document,
                serde_json::json!({
                    "type": "about:blank",
                    "title": StatusCode::from_u16(code.http_status()).expect("valid").canonical_reason(),
                    "status": code.http_status(),
                    "detail": "what to do",
                    "code": code.number(),
                    "name": code.name(),
                    "temporary": code.is_temporary(),
                })
            );
        }
    }
}
