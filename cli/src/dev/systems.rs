//! Pages of the systems that are served, at `/try/NAME`: the files that lie in `examples/`. Each speaks the
//! protocol of its system's own clients, to the endpoint of the configuration that does.

use axum::Router;
use tidegate_shared::config::{Config, Endpoint};

use super::page::served;

/// Filled in here; where the file is served as it is, it takes the endpoint that is built in.
const BLANK: &str = "data-endpoint=\"\"";

/// What all pages share, and how they name it: served, each has it in itself.
const SHARED: [(&str, &str, &str, &str); 2] = [
    (
        "<link rel=\"stylesheet\" href=\"../page.css\">",
        "<style>\n",
        include_str!("../../../examples/page.css"),
        "</style>",
    ),
    (
        "<script src=\"../page.js\"></script>",
        "<script>\n",
        include_str!("../../../examples/page.js"),
        "</script>",
    ),
];

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
        let endpoint = endpoint(config, name, dialect).map(place);
        let page = filled(page, &endpoint.unwrap_or_default());
        router.route(&format!("/try/{name}"), served(page))
    })
}

/// Where a page connects to: its own server, if that has an endpoint for it. At another port it is a page of another
/// origin, which is refused unless the configuration lets it.
fn endpoint<'a>(config: &'a Config, name: &str, dialect: &str) -> Option<&'a Endpoint> {
    let fits = |one: &&Endpoint| {
        let of_app = one.app.is_empty() || one.app == name;
        one.dialect.as_str() == dialect && of_app && !one.path.contains('{')
    };
    let fitting = config.endpoints.iter().filter(fits);
    fitting.min_by_key(|one| one.listen.is_some())
}

/// Its path, after the port if that is another one than the page's. Paths have nothing in them that would end
/// an attribute.
fn place(endpoint: &Endpoint) -> String {
    let port = endpoint.listen.map(|address| format!(":{}", address.port()));
    port.unwrap_or_default() + &endpoint.path
}

fn filled(page: &str, endpoint: &str) -> String {
    let page = SHARED
        .iter()
        .fold(page.to_owned(), |page, (name, begin, text, end)| {
            page.replacen(name, &format!("{begin}{text}{end}"), 1)
        });
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
            for (shared, ..) in SHARED {
                assert_eq!(page.matches(shared).count(), 1, "{name}: {shared}");
            }
            let page = filled(page, "");
            for reference in [
                " src=",
                "<link rel=\"stylesheet\"",
                "https://",
                "@import",
                "url(",
                "innerHTML",
            ] {
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
        let mut config = Config::default();
        let of_clients = of("/arma/ws", Some("0.0.0.0:8765"));
        config.endpoints.insert(0, of_clients.clone());
        let of_pages = endpoint(&config, "arma", "sync").map(place);
        assert_eq!(of_pages.as_deref(), Some("/arma/ws"), "that of its own server");
        config.endpoints = vec![of_clients];
        let elsewhere = endpoint(&config, "arma", "sync").map(place);
        assert_eq!(elsewhere.as_deref(), Some(":8765/arma/ws"));
        let page = filled(PAGES[0].2, "/live");
        assert!(page.contains("<body data-endpoint=\"/live\">"));
    }
}
