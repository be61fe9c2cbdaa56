//! Paths that lead out of what is served, and to what is served elsewhere.

use super::Scene;
use crate::node::{KEY, config};
use crate::wire::{Wire, ask};

#[tokio::test]
async fn no_path_leads_to_files_or_to_the_admin_port() {
    let scene = Scene::open(config()).await;
    for path in [
        "/metrics",
        "/livez",
        "/readyz",
        "/startupz",
        "//metrics",
        "/./metrics",
        "/ws/../metrics",
        "/api/../metrics",
        "/api/%2e%2e/metrics",
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..\\..\\etc\\passwd",
        "/api/jobs/../../../etc/passwd",
        "/api/jobs/..%2f..%2fetc%2fpasswd",
        "/api/queues/..%2f..%2f/pause",
        "/api/schedules/%00",
        "/arma/ws/../../etc/passwd",
        "/etc/passwd%00.html",
    ] {
        for key in ["", "x-api-key: "] {
            let key = if key.is_empty() {
                String::new()
            } else {
                format!("{key}{KEY}\r\n")
            };
            let mut wire = Wire::connect(scene.node.client).await;
            wire.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n{key}\r\n"))
                .await;
            let Some(answer) = wire.answer().await else {
                continue;
            };
            assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
            let text = answer.text();
            assert!(
                !text.contains("root:") && !text.contains("tidegate_"),
                "{path}: {text}"
            );
        }
    }
    ask(scene.node.client, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .problem(404, 111);
    scene
        .assert_harmless("tidegate_requests_refused_total{code=\"not_found\"}", 5.0)
        .await;
}
