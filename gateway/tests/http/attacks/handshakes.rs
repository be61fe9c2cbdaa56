//! Connections that are opened and never used, and requests that never end.

use std::time::Duration;

use super::Scene;
use crate::node::config;
use crate::wire::{DEADLINE, Wire, ask};

#[tokio::test]
async fn silent_connections_take_no_place_for_long() {
    let mut config = config();
    config.limits.connections = 3;
    config.limits.handshake_timeout = Duration::from_millis(300);
    let scene = Scene::open(config).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(Wire::connect(scene.node.client).await);
    }
    let request = "GET /api/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let served = async {
        while ask(scene.node.client, request).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, served)
        .await
        .expect("there is room again");
    scene
        .assert_harmless("tidegate_connections_rejected_total{reason=\"slow\"}", 2.0)
        .await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_off() {
    let mut config = config();
    config.limits.handshake_timeout = Duration::from_millis(300);
    let scene = Scene::open(config).await;
    let mut wire = Wire::connect(scene.node.client).await;
    let dripping = async {
        wire.send("GET /ws HTTP/1.1\r\nhost: x\r\n").await;
        // Ends when the server does not take it any more.
        while wire.is_taken("x: y\r\n").await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, dripping).await.expect("cut off");
    scene
        .assert_harmless("tidegate_connections_rejected_total{reason=\"slow\"}", 1.0)
        .await;
}
