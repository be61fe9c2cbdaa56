//! Pages of strangers, which use a visitor's browser.

use super::Scene;
use crate::node::config;
use crate::wire::ask;

const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn a_page_of_a_stranger_gets_no_websocket_and_no_event_stream() {
    let mut config = config();
    config.gateway.allowed_origins = vec!["https://*.example.com".into()];
    let scene = Scene::open(config).await;
    let own = scene.node.client;
    let mut refused = 0.0;
    for origin in [
        "origin: https://evil.example\r\n".to_owned(),
        "origin: https://example.com\r\n".to_owned(),
        "origin: http://app.example.com\r\n".to_owned(),
        "origin: https://app.example.com.evil.example\r\n".to_owned(),
        "origin: https://app.example.com@evil.example\r\n".to_owned(),
        "origin: https://evil.example#.example.com\r\n".to_owned(),
        "origin: null\r\n".to_owned(),
        "origin: \r\n".to_owned(),
        "origin: file://\r\n".to_owned(),
        format!("origin: http://{own}.evil.example\r\n"),
        "origin: https://app.example.com\r\norigin: https://evil.example\r\n".to_owned(),
    ] {
        for (path, headers) in [("/ws", UPGRADE), ("/arma/ws", UPGRADE), ("/events?topic=a", "")] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: {own}\r\n{headers}{origin}\r\n");
            ask(own, request).await.problem(403, 102);
            refused += 1.0;
        }
    }
    let allowed = format!("GET /ws HTTP/1.1\r\nhost: x\r\n{UPGRADE}origin: https://app.example.com\r\n\r\n");
    assert_eq!(ask(own, allowed).await.status, 101);
    scene
        .assert_harmless("tidegate_connections_rejected_total{reason=\"origin\"}", refused)
        .await;
}
