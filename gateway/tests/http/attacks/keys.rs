//! Tokens that are forged, stolen from somebody else's application, too old or too new.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tidegate_shared::config::{Jwt, Secret, TokenAlgorithm};

use super::Scene;
use crate::node::{self, KEY};
use crate::wire::ask;

const SECRET: &str = "a secret for these tests, of 32 bytes and more";
const PUBLIC: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/src/identity/test_keys/rsa.public.pem"
);

fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs_f64()
}

fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = json!({"sub": "ann", "exp": now() + 600.0, "aud": "here", "iss": "us"});
    change(&mut claims);
    claims
}

fn signed(claims: &Value, secret: &[u8]) -> String {
    let key = EncodingKey::from_secret(secret);
    encode(&Header::new(Algorithm::HS256), claims, &key).expect("signed")
}

fn unsigned(header: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", part(header), part(&claims(|_| {}).to_string()))
}

#[tokio::test]
async fn no_token_counts_but_those_that_were_made_for_here_and_now() {
    let mut config = node::config();
    config.auth.jwt = Some(Jwt {
        algorithms: vec![TokenAlgorithm::Hs256, TokenAlgorithm::Rs256],
        secret: Some(Secret::new(SECRET)),
        public_key_file: Some(PUBLIC.into()),
        audience: Some("here".into()),
        issuer: Some("us".into()),
        ..Jwt::default()
    });
    let mut scene = Scene::open(config).await;
    let good = signed(&claims(|_| {}), SECRET.as_bytes());
    let public = std::fs::read(PUBLIC).expect("a key");
    let with = |change: fn(&mut Value)| signed(&claims(change), SECRET.as_bytes());
    let attacks = [
        (
            "another audience",
            with(|claims| claims["aud"] = json!("there")),
            101,
        ),
        (
            "another issuer",
            with(|claims| claims["iss"] = json!("them")),
            101,
        ),
        (
            "expired",
            with(|claims| claims["exp"] = json!(1_000_000_000)),
            109,
        ),
        (
            "of the future",
            with(|claims| claims["nbf"] = json!(9_000_000_000_u64)),
            101,
        ),
        (
            "for ever",
            with(|claims| drop(claims.as_object_mut().map(|all| all.remove("exp")))),
            101,
        ),
        (
            "nobody's",
            with(|claims| drop(claims.as_object_mut().map(|all| all.remove("sub")))),
            101,
        ),
        (
            "a public key taken for a secret",
            signed(&claims(|_| {}), &public),
            101,
        ),
        (
            "signed by somebody else",
            signed(&claims(|_| {}), b"another secret"),
            101,
        ),
        ("alg none", unsigned(r#"{"alg":"none"}"#), 101),
        ("alg None", unsigned(r#"{"alg":"None","typ":"JWT"}"#), 101),
        ("HS256 without a signature", unsigned(r#"{"alg":"HS256"}"#), 101),
        ("RS256 without a signature", unsigned(r#"{"alg":"RS256"}"#), 101),
        ("cut off", good[..good.len() - 8].to_owned(), 101),
        ("changed", good.replacen('.', ".e", 1), 101),
    ];
    let count = attacks.len();
    for (attack, token, code) in attacks {
        let request =
            format!("GET /events?topic=a&token={token} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n\r\n");
        let detail = ask(scene.node.client, request).await.problem(401, code);
        assert!(!detail.contains(&token), "{attack}: {detail}");
        let refused = scene.other.call(json!({"action": "auth", "token": token})).await;
        assert_eq!(refused["code"], 101, "{attack}");
    }
    let known = scene.other.call(json!({"action": "auth", "token": good})).await;
    assert_eq!(known["type"], "authenticated", "{known}");
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let count = count as f64;
    scene
        .assert_harmless("tidegate_connections_rejected_total{reason=\"token\"}", count)
        .await;
}
