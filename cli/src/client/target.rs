//! Where the gateway is, from what the user typed.

use std::fmt;
use std::str::FromStr;

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use url::Url;

const HELP: &str = "write it as http://127.0.0.1:8080";

/// The WebSocket URL of the native endpoint, and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    url: Url,
    token: Option<Token>,
}

/// Never shown.
#[derive(Clone, PartialEq, Eq)]
struct Token(HeaderValue);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Target {
    pub(crate) fn with_token(self, token: Option<&str>) -> Result<Self, String> {
        let header = |token: &str| HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let token = token.filter(|token| !token.is_empty()).map(header).transpose();
        let token = token.map_err(|_| "the token holds characters that no token has".to_owned())?;
        Ok(Self {
            token: token.map(Token),
            ..self
        })
    }

    /// Where the HTTP API is, beside the endpoint.
    pub(crate) fn api(&self) -> Result<Url, String> {
        let mut url = self.url.clone();
        let Some(root) = url.path().strip_suffix("/ws") else {
            return Err(format!(
                "the API is not to be found by the URL of an endpoint; {HELP}"
            ));
        };
        let path = format!("{root}/api");
        url.set_path(&path);
        url.set_query(None);
        url.set_scheme("http")
            .map_err(|()| format!("this is not a URL of a gateway; {HELP}"))?;
        Ok(url)
    }

    /// What a WebSocket begins with.
    pub(crate) fn request(&self) -> Result<Request, Error> {
        let mut request = self.url.as_str().into_client_request()?;
        if let Some(Token(value)) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        Ok(request)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

impl FromStr for Target {
    type Err = String;

    /// An `http` URL is the gateway's; its endpoint is `/ws` under it. A `ws` URL is the endpoint's.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|error| format!("this is not a URL ({error}); {HELP}"))?;
        let endpoint = match url.scheme() {
            "http" => format!("{}/ws", url.path().trim_end_matches('/')),
            "ws" if url.path() == "/" => "/ws".to_owned(),
            "ws" => url.path().to_owned(),
            "https" | "wss" => {
                return Err(format!(
                    "TLS is not available in this version of the client; {HELP}"
                ));
            }
            other => return Err(format!("`{other}` is not a scheme of a gateway; {HELP}")),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("this URL names no host; {HELP}"));
        }
        url.set_path(&endpoint);
        url.set_fragment(None);
        url.set_scheme("ws")
            .map_err(|()| format!("this is not a URL of a gateway; {HELP}"))?;
        Ok(Self { url, token: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_url_leads_to_its_native_endpoint() {
        let read = |text: &str| text.parse::<Target>().map(|target| target.to_string());
        for (text, expected) in [
            ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
            ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080/ws"),
            ("http://example.com/live/", "ws://example.com/live/ws"),
            ("ws://[::1]:8080", "ws://[::1]:8080/ws"),
            ("ws://example.com/other", "ws://example.com/other"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_refused_with_an_example() {
        for text in [
            "",
            "127.0.0.1:8080",
            "localhost:8080",
            "https://example.com",
            "redis://x",
            "http://",
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(error.ends_with(HELP), "{error}");
        }
    }
}
