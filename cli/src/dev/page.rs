//! The page that `tidegate dev` serves at `/`. The same file works behind any server that also passes
//! `/ws` on to a gateway.

use std::path::Path;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};

const PAGE: &str = include_str!("page.html");
/// Filled in here; where the file is served as it is, the endpoint is `ws` beside the page, and the HTTP API
/// is not asked: it has keys there.
const BLANKS: &str = "data-endpoint=\"ws\" data-source=\"\" data-api=\"\"";

/// The page has no outside assets, and is not to be shown inside of another one.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn router(endpoint: &str, source: &Path) -> Router {
    Router::new().route("/", served(filled(endpoint, &source.to_string_lossy())))
}

/// A page that is whole in itself.
pub(super) fn served(page: String) -> MethodRouter {
    let answer = move || {
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        let page = page.clone();
        async move { (headers, page).into_response() }
    };
    get(answer)
}

fn filled(endpoint: &str, source: &str) -> String {
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;")
    };
    let blanks = format!(
        "data-endpoint=\"{}\" data-source=\"{}\" data-api=\"/api\"",
        escaped(endpoint),
        escaped(source)
    );
    PAGE.replacen(BLANKS, &blanks, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_from_outside() {
        for reference in [" src=", "http://", "https://", "@import", "url("] {
            assert!(!PAGE.contains(reference), "{reference}");
        }
    }

    #[test]
    fn the_current_directory_is_filled_in_as_text() {
        let page = filled("/live", "/srv/\"><script>&");
        assert!(page.contains(
            "data-endpoint=\"/live\" data-source=\"/srv/&quot;>&lt;script>&amp;\" data-api=\"/api\""
        ));
        assert_eq!(PAGE.matches(BLANKS).count(), 1);
    }

    #[test]
    fn every_element_that_the_head_comment_promises_is_there() {
        let (head, body) = PAGE.split_once("-->").expect("a head comment");
        let promised: Vec<&str> = head
            .split_whitespace()
            .filter_map(|word| word.strip_prefix('#'))
            .collect();
        assert!(promised.len() > 10, "{promised:?}");
        for id in promised {
            assert!(body.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
}
