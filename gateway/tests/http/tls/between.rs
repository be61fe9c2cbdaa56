//! Requests that a node hands on to another whose client port has TLS, too.

use serde_json::Value;
use tidegate_gateway::Options;
use tidegate_shared::config::{Peers, Tls};
use tidegate_shared::embedded::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Authority;
use crate::node::{self, Node};

/// What certificates are for: no node has such an address.
const NAME: &str = "live.example.com";

/// Nodes of one fleet, each with its own files.
fn fleet(files: [&Tls; 2], peers: &Peers) -> [Node; 2] {
    let store = Store::new(node::config().namespaces);
    files.map(|files| {
        let mut config = node::config();
        config.gateway.tls = Some(files.clone());
        config.gateway.peers = peers.clone();
        Node::start_on(store.open(), config, Options::default())
    })
}

/// Status and body.
async fn ask(client: &TlsConnector, node: &Node, method: &str, query: &str, body: &str) -> (u16, String) {
    let tcp = TcpStream::connect(node.client).await.expect("it listens");
    let name = ServerName::try_from(NAME).expect("a name");
    let mut stream = client.connect(name, tcp).await.expect("believed");
    let request = format!(
        "{method} /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\
         content-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// What the second node answers for a client of the first.
async fn handed_on(client: &TlsConnector, nodes: &[Node; 2]) -> (u16, String) {
    let (status, opened) = ask(client, &nodes[0], "GET", "", "").await;
    assert_eq!(status, 200, "{opened}");
    let json = opened.trim_start_matches(|one: char| one != '{');
    let end = json.rfind('}').expect("an object") + 1;
    let opened: Value = serde_json::from_str(&json[..end]).expect("an open packet");
    let query = format!("&sid={}", opened["sid"].as_str().expect("a name"));
    ask(client, &nodes[1], "POST", &query, "40").await
}

#[tokio::test]
async fn a_node_that_shows_the_same_certificate_is_believed_whatever_its_address_is() {
    let authority = Authority::new();
    let files = authority.sign_for(&[NAME], authority.folder.path());
    let nodes = fleet([&files, &files], &Peers::default());
    let (status, answer) = handed_on(&authority.client(None), &nodes).await;
    assert!(status == 200 && answer.contains("ok"), "{status} {answer}");
}

#[tokio::test]
async fn a_node_with_another_certificate_is_believed_by_authority_and_name_alone() {
    let (authority, strangers) = (Authority::new(), Authority::new());
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let [one, other] = [&folders[0], &folders[1]].map(|folder| Tls {
        // Nodes show each other what they show clients.
        client_ca: Some(authority.path("ca.pem")),
        ..authority.sign_for(&[NAME], folder.path())
    });
    let known = Peers {
        ca: Some(authority.path("ca.pem")),
        name: Some(NAME.to_owned()),
    };
    let client = authority.client(Some(&one));
    let (status, answer) = handed_on(&client, &fleet([&one, &other], &known)).await;
    assert!(status == 200 && answer.contains("ok"), "{status} {answer}");
    let of_strangers = Peers {
        ca: Some(strangers.path("ca.pem")),
        ..known.clone()
    };
    let by_address = Peers { name: None, ..known };
    for peers in [of_strangers, by_address] {
        let (status, answer) = handed_on(&client, &fleet([&one, &other], &peers)).await;
        assert!(
            status == 400 && answer.contains("Session ID unknown"),
            "{status} {answer}"
        );
    }
}
