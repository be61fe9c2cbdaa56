//! Tokens whose keys their issuer publishes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::config::{Jwt, TokenAlgorithm};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::client::Client;
use crate::node::{self, Node};
use crate::wire::get;

const RSA: &str = include_str!("../../src/identity/test_keys/rsa.private.pem");
/// Its modulus.
const RSA_N: &str = "yMGwd_vrZ9VLo5bgMhsh4h29-rYytZpZuQTMwccfl0GSFpwevjhsue8itktYaLLxpZKfS-zmpsBhQTdYtCxtqnkKYZE-t7n8tGvYMVsUUDhnGHp2irAuVSKMRLjW2XG_-cWdEPxJOvirny85u2nZ-IFaAJ8gFGvgwyWQNkBEFenOop1GQttsLggFqJ2L3LZl_a7eWLRzfeSEqjkS_UpKELJqzILl9W9ZcU7b21MtC1wYmjlEiRWkmhGj8ETHVTVccttws63FRBDNYlQpuvmI27RNQ5Ju7E1rSxQjdkonYcpu_pfE0ah6G7EcucDCJZhbt_lLZ3KfvX8EBYGCDitG0Q";

struct Issuer {
    url: String,
    asked: Arc<AtomicUsize>,
}

/// Publishes these keys.
async fn issuer(keys: Value) -> Issuer {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/jwks.json", listener.local_addr().expect("bound"));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        let body = json!({ "keys": keys }).to_string();
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0; 4_096]).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes()).await;
        }
    });
    Issuer { url, asked }
}

fn sign(algorithm: Algorithm, id: Option<&str>, key: &EncodingKey) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let claims = json!({"sub": "ann", "exp": now.expect("after 1970").as_secs() + 600});
    let mut header = Header::new(algorithm);
    header.kid = id.map(str::to_owned);
    encode(&header, &claims, key).expect("signed")
}

async fn status(node: &Node, token: &str) -> u16 {
    get(node.client, &format!("/events?topic=a&token={token}"))
        .await
        .status
}

#[tokio::test]
async fn tokens_are_checked_with_the_keys_that_their_issuer_publishes_and_no_others() {
    let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let ed = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let point = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&ec.public_key_raw()[range]);
    let ed_x = URL_SAFE_NO_PAD.encode(ed.public_key_raw());
    let issuer = issuer(json!([
        {"kty": "EC", "crv": "P-256", "kid": "ec", "x": point(1..33), "y": point(33..65), "use": "sig"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": ed_x, "alg": "EdDSA"},
        {"kty": "RSA", "kid": "rsa", "n": RSA_N, "e": "AQAB"},
        {"kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256"},
    ]))
    .await;
    let mut config = node::config();
    config.auth.jwt = Some(Jwt {
        algorithms: vec![
            TokenAlgorithm::Rs256,
            TokenAlgorithm::Es256,
            TokenAlgorithm::EdDsa,
        ],
        jwks_url: Some(issuer.url.clone()),
        ..Jwt::default()
    });
    let node = Node::start_with(config, Options::default());
    let curved = EncodingKey::from_ec_pem(ec.serialize_pem().as_bytes()).expect("a key");
    let twisted = EncodingKey::from_ed_pem(ed.serialize_pem().as_bytes()).expect("a key");
    let large = EncodingKey::from_rsa_pem(RSA.as_bytes()).expect("a key");

    let mut client = Client::connect(&node).await;
    let auth = json!({"action": "auth", "token": sign(Algorithm::ES256, Some("ec"), &curved)});
    assert_eq!(
        client.call(auth).await["user"],
        "ann",
        "at once, whether the keys are there or not"
    );
    for (algorithm, id, key) in [
        (Algorithm::ES256, Some("ec"), &curved),
        (Algorithm::EdDSA, Some("ed"), &twisted),
        (Algorithm::RS256, Some("rsa"), &large),
        (Algorithm::ES256, None, &curved),
    ] {
        assert_eq!(
            status(&node, &sign(algorithm, id, key)).await,
            200,
            "{algorithm:?}"
        );
    }

    let published = EncodingKey::from_secret(RSA_N.as_bytes());
    let secret = EncodingKey::from_secret(b"secret");
    let stranger = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let stranger = EncodingKey::from_ed_pem(stranger.serialize_pem().as_bytes()).expect("a key");
    for (attack, token) in [
        (
            "a public key as a secret",
            sign(Algorithm::HS256, Some("rsa"), &published),
        ),
        ("a published secret", sign(Algorithm::HS256, Some("oct"), &secret)),
        ("another key's name", sign(Algorithm::EdDSA, Some("ec"), &twisted)),
        (
            "another algorithm of the same kind",
            sign(Algorithm::RS512, Some("rsa"), &large),
        ),
        (
            "a key of a stranger",
            sign(Algorithm::EdDSA, Some("ed"), &stranger),
        ),
    ] {
        assert_eq!(status(&node, &token).await, 401, "{attack}");
    }
    for made_up in 0..50 {
        let id = format!("made-up-{made_up}");
        let token = sign(Algorithm::EdDSA, Some(&id), &stranger);
        assert_eq!(status(&node, &token).await, 401);
    }
    let asked = issuer.asked.load(Ordering::Relaxed);
    assert!(asked < 25, "made-up keys made the node ask {asked} times");
    let metrics = get(node.admin, "/metrics").await.text();
    assert!(
        metrics.contains("tidegate_jwks_fetches_total{outcome=\"failed\"} 0\n"),
        "{metrics}"
    );
}
