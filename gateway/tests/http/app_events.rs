//! Endpoints of the dialect `events`: what an application tells everybody, for `EventSource`.

use serde_json::json;
use tidegate_gateway::Options;
use tidegate_shared::broker::Draft;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::EventName;
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::node::{Node, config};
use crate::wire::{DEADLINE, ask};

const PATH: &str = "/api/events/stream";

/// What came over a stream, without the head and without the marks of chunks.
async fn read_until(stream: &mut TcpStream, read: &mut String, wanted: &str) {
    let reading = async {
        while !read.contains(wanted) {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.expect("read");
            assert!(count > 0, "it ended: {read}");
            read.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    };
    tokio::time::timeout(DEADLINE, reading).await.expect("in time");
}

#[tokio::test]
async fn events_come_under_their_names_and_nothing_else_does() {
    let node = Node::start();
    let mut stream = TcpStream::connect(node.client).await.expect("connects");
    let request = format!("GET {PATH} HTTP/1.1\r\nhost: {}\r\n\r\n", node.client);
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut read = String::new();
    read_until(
        &mut stream,
        &mut read,
        "event: connected\ndata: {\"message\": \"SSE connection established\"}\n\n",
    )
    .await;
    assert!(read.contains("content-type: text/event-stream"), "{read}");
    let topic = Topic::parse("pileup:events").expect("valid");
    // It says that it is connected before it listens.
    let publish = async |event: Option<&str>| {
        let body = Body::Message {
            data: RawJson::of(&json!({"split": "up\n5"})).expect("JSON"),
            event: event.map(|event| EventName::parse(event).expect("valid")),
        };
        let published = node.backend.broker.publish(&topic, Draft::new(body)).await;
        published.expect("published");
    };
    while !read.contains("event: ready\n") {
        publish(Some("ready")).await;
        let waiting = read_until(&mut stream, &mut read, "event: ready\n");
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), waiting).await;
    }
    publish(None).await;
    publish(Some("split_update")).await;
    read_until(&mut stream, &mut read, "+00:00\"}\n\n").await;
    read_until(&mut stream, &mut read, "event: split_update\ndata: {\"type\":\"split_update\",\"data\":{\"split\":\"up\\n5\"},\"timestamp\":\"").await;
    for never in ["subscribed", "retry:", "id:", "event: message"] {
        assert!(!read.contains(never), "{never} in {read}");
    }
}

#[tokio::test]
async fn who_may_not_come_to_the_endpoint_hears_nothing() {
    let mut config = config();
    for endpoint in &mut config.endpoints {
        endpoint.anonymous = false;
    }
    let node = Node::start_with(config, Options::default());
    let request = |origin: &str| format!("GET {PATH} HTTP/1.1\r\nhost: {}\r\n{origin}\r\n", node.client);
    ask(node.client, request("")).await.problem(401, 101);
    let foreign = "origin: http://elsewhere.example\r\n";
    ask(node.client, request(foreign)).await.problem(403, 102);
}
