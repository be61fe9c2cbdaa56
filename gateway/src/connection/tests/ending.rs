//! How connections end, and what is left of them.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use tidegate_shared::embedded::Store;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

use super::harness::{PATIENCE, alone, config, start};

#[tokio::test]
async fn the_tenth_message_in_a_row_that_is_no_command_closes_with_3501() {
    let node = alone();
    let mut client = node.client().await;
    for _ in 0..9 {
        client.send_text("rubbish").await;
        assert_eq!(client.next().await["code"], 103);
    }
    client.ask(json!({"id": 1, "action": "ping"})).await;
    for _ in 0..10 {
        client.send_text("{}").await;
        assert_eq!(client.next().await["code"], 103);
    }
    assert_eq!(client.closed().await, 3501);
}

#[tokio::test]
async fn a_close_frame_is_answered_with_its_code() {
    let node = alone();
    let mut client = node.client().await;
    client.close(4321).await;
    assert_eq!(client.closed().await, 4321);
}

#[tokio::test]
async fn a_connection_that_ends_leaves_nothing_behind() {
    let node = alone();
    let mut client = node.client().await;
    for topic in ["a", "b"] {
        client
            .ask(json!({"id": 1, "action": "subscribe", "topic": topic}))
            .await;
    }
    client
        .ask(json!({"id": 2, "action": "unsubscribe", "topic": "b"}))
        .await;
    assert_eq!(node.metric("tidegate_subscriptions", None), 1);
    assert_eq!(node.metric("tidegate_connections", None), 1);
    drop(client);
    tokio::time::timeout(PATIENCE, node.node.emptied())
        .await
        .expect("it is noticed");
    for gauge in [
        "tidegate_subscriptions",
        "tidegate_connections",
        "tidegate_outbox_bytes",
    ] {
        assert_eq!(node.metric(gauge, None), 0, "{gauge}");
    }
    assert_eq!(node.metric("tidegate_connections_closed_total", Some("1006")), 1);
}

#[tokio::test]
async fn a_shutdown_says_goodbye_and_closes_with_1012() {
    let node = alone();
    let mut client = node.client().await;
    node.shutdown.cancel();
    let goodbye = client.next().await;
    assert_eq!(goodbye["type"], "goaway", "{goodbye}");
    assert!(goodbye["reconnect_after_ms"].is_u64(), "{goodbye}");
    assert_eq!(client.closed().await, 1012);
    tokio::time::timeout(PATIENCE, node.node.emptied())
        .await
        .expect("all are gone");
    let mut late = node.newcomer().await;
    assert_eq!(late.closed().await, 1012);
}

#[tokio::test]
async fn a_reader_that_stalls_is_closed_and_nobody_else_loses_anything() {
    const PUBLICATIONS: u64 = 400;
    let config = config(|config| config.limits.outbox = 256 * 1024);
    let store = Store::new(config.namespaces.clone());
    let node = start(&config, &store);
    let mut stalled = node.client().await;
    stalled
        .ask(json!({"id": 1, "action": "subscribe", "topic": "t"}))
        .await;
    let mut reader = node.client().await;
    reader
        .ask(json!({"id": 1, "action": "subscribe", "topic": "t"}))
        .await;
    let mut writer = node.client().await;
    let data = "x".repeat(32 * 1024);
    for offset in 1..=PUBLICATIONS {
        writer
            .ask(json!({"id": offset, "action": "publish", "topic": "t", "data": data}))
            .await;
        assert_eq!(reader.next().await["offset"], offset);
    }
    assert!(node.metric("tidegate_messages_dropped_total", Some("slow_consumer")) > 0);
    let mut expected = 1;
    let code = loop {
        match stalled.message().await {
            Message::Text(text) => {
                let message: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                assert_eq!(message["offset"], expected, "no hole in what it got");
                expected += 1;
            }
            Message::Close(reason) => break reason.map(|reason| u16::from(reason.code)),
            _ => {}
        }
    };
    assert_eq!(code, Some(3001));
    assert!(expected <= PUBLICATIONS, "it was cut off");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_dropped() {
    let node = alone();
    let mut stream = node.stream().await;
    let mut ended = Vec::new();
    let read = stream.read_to_end(&mut ended);
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .expect("the node gives up")
        .ok();
    assert!(ended.ends_with(&[0x89, 0]), "the last frame is a ping");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_pings_stays() {
    let config = config(|config| config.connection.max_age = Duration::ZERO);
    let node = start(&config, &Store::new(config.namespaces.clone()));
    let mut client = node.client().await;
    let mut pings = 0;
    let hour = tokio::time::timeout(Duration::from_secs(3_600), async {
        while let Some(Ok(message)) = client.socket.next().await {
            pings += u32::from(message.is_ping());
        }
    });
    assert!(hour.await.is_err(), "the connection lasts");
    assert!((140..=145).contains(&pings), "one every 25 s: {pings}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_its_age_is_sent_away_with_3003() {
    let config = config(|config| config.connection.max_age = Duration::from_secs(100));
    let node = start(&config, &Store::new(config.namespaces.clone()));
    let began = tokio::time::Instant::now();
    let mut client = node.client().await;
    let mut said_goodbye = false;
    let code = loop {
        match client.socket.next().await.expect("open").expect("a frame") {
            Message::Text(text) => said_goodbye |= text.contains("\"goaway\""),
            Message::Close(reason) => break reason.map(|reason| u16::from(reason.code)),
            _ => {}
        }
    };
    assert_eq!(code, Some(3003));
    assert!(said_goodbye);
    let age = began.elapsed().as_secs();
    assert!((80..=121).contains(&age), "after {age} s");
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_which_nothing_goes_but_pings_is_closed_with_3002() {
    let config = config(|config| {
        config.connection.max_age = Duration::ZERO;
        config.limits.idle_timeout = Duration::from_secs(300);
    });
    let node = start(&config, &Store::new(config.namespaces.clone()));
    let began = tokio::time::Instant::now();
    let mut client = node.client().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    client.ask(json!({"id": 1, "action": "ping"})).await;
    let code = loop {
        let message = client.socket.next().await.expect("open").expect("a frame");
        if let Message::Close(reason) = message {
            break reason.map(|reason| u16::from(reason.code));
        }
    };
    assert_eq!(code, Some(3002));
    let after = began.elapsed().as_secs();
    assert!((315..=330).contains(&after), "after {after} s");
}
