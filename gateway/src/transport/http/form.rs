//! Bodies as forms send them: names and values (`application/x-www-form-urlencoded`), within a limit.
//!
//! What is in them may be a password, so they are never shown.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::Problem;
use super::body::{self, BodyLimits};

const TYPE: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Some clients send an object of texts instead.
    pub(super) async fn read(request: Request, limits: BodyLimits) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()?.split(';').next());
        let kind = kind.unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            TYPE => Ok(Self::parse(&body::text(request, limits).await?)),
            JSON => {
                let fields: serde_json::Map<String, Value> = body::read(request, limits).await?;
                let texts = fields.into_iter().filter_map(|(name, value)| match value {
                    Value::String(text) => Some((name, text)),
                    _ => None,
                });
                Ok(Self(texts.collect()))
            }
            _ => Err(
                Problem::bad_request(format!("the body must be a form: send `Content-Type: {TYPE}`"))
                    .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ),
        }
    }

    fn parse(text: &str) -> Self {
        let decode = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    /// A field that has something in it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(one, value)| one == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_what_was_typed() {
        let form =
            Form::parse("grant_type=password&username=ann%40home&password=a+b%2B%26%3D%c3%a9&empty=&x");
        assert_eq!(form.get("username"), Some("ann@home"));
        assert_eq!(form.get("password"), Some("a b+&=é"));
        assert_eq!((form.get("empty"), form.get("x")), (None, None));
    }
}
