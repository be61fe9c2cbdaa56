//! TLS on both ports. Between nodes: `tls/between.rs`.

mod between;

use std::path::Path;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_gateway::Options;
use tidegate_shared::config::{Config, Tls};
use tidegate_shared::tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::node::{self, KEY, Node};
use crate::wire::{DEADLINE, Wire};

type Stream = TlsStream<TcpStream>;

/// An authority, and files that it has signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("signed");
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Self { issuer, folder };
        authority.write("ca.pem", &authority.issuer.pem());
        authority
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for this machine, and its key, in two files of another authority's folder or its own.
    fn sign(&self, into: &Path) -> Tls {
        self.sign_for(&["127.0.0.1", "localhost"], into)
    }

    fn sign_for(&self, names: &[&str], into: &Path) -> Tls {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names);
        let key = KeyPair::generate().expect("a key");
        let signed = params
            .expect("valid")
            .signed_by(&key, &self.issuer)
            .expect("signed");
        let tls = Tls {
            cert: into.join("tls.crt"),
            key: into.join("tls.key"),
            client_ca: None,
        };
        std::fs::write(&tls.cert, signed.pem()).expect("written");
        std::fs::write(&tls.key, key.serialize_pem()).expect("written");
        tls
    }

    fn own(&self) -> Tls {
        self.sign(self.folder.path())
    }

    /// A client that believes this authority, and shows these files.
    fn client(&self, shown: Option<&Tls>) -> TlsConnector {
        let shown = shown.map(|shown| (&*shown.cert, &*shown.key));
        let client = tls::client(Some(&self.path("ca.pem")), shown).expect("its files");
        TlsConnector::from(Arc::new(client))
    }

    async fn connect(&self, address: std::net::SocketAddr) -> std::io::Result<Stream> {
        connect(&self.client(None), address).await
    }
}

async fn connect(client: &TlsConnector, address: std::net::SocketAddr) -> std::io::Result<Stream> {
    let tcp = TcpStream::connect(address).await?;
    client.connect(ServerName::from(address.ip()), tcp).await
}

fn start(change: impl FnOnce(&mut Config)) -> Node {
    let mut config = node::config();
    change(&mut config);
    Node::start_with(config, Options::default())
}

async fn get(mut stream: Stream, path: &str) -> std::io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn websocket(stream: Stream) -> WebSocketStream<Stream> {
    let (mut socket, _) = client_async("ws://localhost/ws", stream)
        .await
        .expect("shaken hands");
    assert_eq!(next(&mut socket).await["type"], "welcome");
    socket
}

async fn next(socket: &mut WebSocketStream<Stream>) -> Value {
    loop {
        let message = tokio::time::timeout(DEADLINE, socket.next()).await;
        match message.expect("in time").expect("not ended").expect("no error") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn ask(socket: &mut WebSocketStream<Stream>, command: Value) -> Value {
    socket
        .send(Message::text(command.to_string()))
        .await
        .expect("sent");
    next(socket).await
}

#[tokio::test]
async fn clients_and_backends_are_served_over_tls_and_nobody_without() {
    let authority = Authority::new();
    let node = start(|config| config.gateway.tls = Some(authority.own()));
    let mut socket = websocket(authority.connect(node.client).await.expect("believed")).await;
    let subscribe = json!({"id": 1, "action": "subscribe", "topic": "a"});
    assert_eq!(ask(&mut socket, subscribe).await["type"], "subscribed");
    let large = "x".repeat(60_000);
    for round in 1..=20 {
        let publish = json!({"action": "publish", "topic": "a", "data": large});
        let heard = ask(&mut socket, publish).await;
        assert_eq!((&heard["offset"], &heard["data"]), (&json!(round), &json!(large)));
    }
    let info = get(
        authority.connect(node.client).await.expect("believed"),
        "/api/info",
    )
    .await;
    assert!(info.expect("an answer").starts_with("HTTP/1.1 200"));
    let mut plain = Wire::connect(node.client).await;
    plain
        .send("GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    plain.closed().await;
    let metrics = crate::wire::get(node.admin, "/metrics").await.text();
    let counted = "tidegate_connections_rejected_total{reason=\"tls\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_slow_over_tls_too() {
    let authority = Authority::new();
    let node = start(|config| {
        config.gateway.tls = Some(authority.own());
        config.limits.outbox = 128 * 1024;
    });
    let mut socket = websocket(authority.connect(node.client).await.expect("believed")).await;
    let subscribe = json!({"id": 1, "action": "subscribe", "topic": "a"});
    assert_eq!(ask(&mut socket, subscribe).await["type"], "subscribed");
    let data = "x".repeat(60_000);
    let body = json!({"topic": "a", "data": data});
    let counted = async {
        let name = "tidegate_connections_closed_total{code=\"3001\"} 1\n";
        while !crate::wire::get(node.admin, "/metrics")
            .await
            .text()
            .contains(name)
        {
            let request = format!(
                "POST /api/publish HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.to_string().len()
            );
            let mut stream = authority.connect(node.client).await.expect("believed");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.expect("an answer");
        }
    };
    tokio::time::timeout(DEADLINE, counted)
        .await
        .expect("closed in time");
}

#[tokio::test]
async fn a_new_certificate_is_seen_by_who_comes_then_and_cuts_nobody_off() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = old.own();
    let node = start(|config| config.gateway.tls = Some(files.clone()));
    let mut before = websocket(old.connect(node.client).await.expect("believed")).await;
    // A key that does not fit changes nothing, however long it lies there.
    std::fs::write(&files.key, "rubbish").expect("written");
    new.sign(old.folder.path());
    let seen = async {
        loop {
            if let Ok(stream) = new.connect(node.client).await {
                break stream;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let stream = tokio::time::timeout(DEADLINE, seen).await.expect("noticed");
    let mut after = websocket(stream).await;
    for socket in [&mut before, &mut after] {
        let ping = json!({"id": 1, "action": "ping"});
        assert_eq!(ask(socket, ping).await["type"], "pong");
    }
}

#[tokio::test]
async fn the_admin_port_may_ask_for_a_certificate() {
    let (authority, strangers) = (Authority::new(), Authority::new());
    let files = Tls {
        client_ca: Some(authority.path("ca.pem")),
        ..authority.own()
    };
    let node = start(|config| config.gateway.admin_tls = Some(files.clone()));
    let shown = authority.client(Some(&files));
    let metrics = get(connect(&shown, node.admin).await.expect("known"), "/metrics").await;
    assert!(metrics.expect("an answer").contains("tidegate_connections "));
    let unknown = strangers.own();
    for client in [authority.client(None), authority.client(Some(&unknown))] {
        // The client may think that it is through before the server has looked.
        let answer = match connect(&client, node.admin).await {
            Ok(stream) => get(stream, "/metrics").await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        assert_eq!(answer, "");
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_stop_the_start_and_are_named() {
    let authority = Authority::new();
    let mut files = authority.own();
    authority.write("empty.pem", "");
    files.cert = authority.path("empty.pem");
    let node = start(|config| config.gateway.tls = Some(files));
    let error = node.ended().await.expect_err("no certificate");
    assert!(error.is_configuration());
    assert!(error.to_string().contains("empty.pem"), "{error}");
}
