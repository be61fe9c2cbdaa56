//! Pages of the systems that are served, at `/try/NAME`: the files that lie in `examples/`. Each speaks the
//! protocol of its system's own clients, to the endpoint of the configuration that does.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use tidegate_shared::config::{Config, Endpoint};

use super::page::POLICY;

/// Filled in here; where the file is served as it is, it takes the endpoint that is built in.
const BLANK: &str = "data-endpoint=\"\"";

/// Name, dialect and page.
const PAGES: [(&str, &str, &str); 5] = [
    ("arma", "sync", include_str!("../../../examples/arma/page.html")),
    ("ark", "feed", include_str!("../../../examples/ark/page.html")),
    (
        "bedrock",
        "tasks",
        include_str!("../../../examples/bedrock/page.html"),
    ),
    ("mud", "rooms", include_str!("../../../examples/mud/page.html")),
    (
        "pileup",
        "rpc",
        include_str!("../../../examples/pileup/page.html"),
    ),
];

pub(super) fn router(config: &Config) -> Router {
    PAGES.iter().fold(Router::new(), |router, (name, dialect, page)| {
        let fits = |one: &&Endpoint| {
            let of_app = one.app.is_empty() || one.app == *name;
            one.dialect.as_str() == *dialect && of_app && !one.path.contains('{')
        };
        let endpoint = config.endpoints.iter().find(fits).map(place);
        let page = filled(page, &endpoint.unwrap_or_default());
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
        router.route(&format!("/try/{name}"), get(answer))
    })
}

/// Its path, after the port if that is another one than the page's. Paths have nothing in them that would end
/// an attribute.
fn place(endpoint: &Endpoint) -> String {
    let port = endpoint.listen.map(|address| format!(":{}", address.port()));
    port.unwrap_or_default() + &endpoint.path
}

fn filled(page: &str, endpoint: &str) -> String {
    page.replacen(BLANK, &format!("data-endpoint=\"{endpoint}\""), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_stands_alone_and_is_linked() {
        let first = include_str!("page.html");
        for (name, _, page) in PAGES {
            assert!(first.contains(&format!("href=\"/try/{name}\"")), "{name}");
            assert_eq!(page.matches(BLANK).count(), 1, "{name}");
            for reference in [" src=", "https://", "@import", "url(", "innerHTML"] {
                assert!(!page.contains(reference), "{name}: {reference}");
            }
        }
    }

    #[test]
    fn a_page_is_told_where_its_endpoint_is() {
        let of = |path: &str, listen: Option<&str>| Endpoint {
            listen: listen.map(|address| address.parse().expect("an address")),
            ..Config::default()
                .endpoints
                .into_iter()
                .find(|one| one.path == path)
                .expect("built in")
        };
        assert_eq!(place(&of("/arma/ws", None)), "/arma/ws");
        assert_eq!(place(&of("/arma/ws", Some("0.0.0.0:8765"))), ":8765/arma/ws");
        let page = filled(PAGES[0].2, "/live");
        assert!(page.contains("<body data-endpoint=\"/live\">"));
    }
}
