//! The keys that an issuer of tokens publishes at a URL: fetched now and then, and at once when a token names one
//! that is not among them, but not for every such token.
//!
//! Only public keys count, each for the one algorithm that it is made for, whatever a token's header says. When the
//! issuer cannot be reached, what was fetched last goes on to count.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Uri};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::Mutex;
use prometheus::{IntCounterVec, Opts, Registry};
use tidegate_shared::web::Web;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the keys are fetched when nobody asks for it.
const EVERY: Duration = Duration::from_secs(300);
/// The shortest time between two fetches: tokens with made-up keys cost the issuer nothing.
const AGAIN: Duration = Duration::from_secs(10);
/// How long a token waits for the keys to be fetched.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most keys of one set.
const KEYS: usize = 64;

pub(super) struct Jwks {
    uri: Uri,
    web: Web,
    state: Mutex<State>,
    wanted: Notify,
    /// Counts the fetches that have ended.
    fetched: watch::Sender<u64>,
    fetches: IntCounterVec,
    again: Duration,
}

#[derive(Default)]
struct State {
    keys: Vec<Known>,
    /// When the last fetch began.
    asked_at: Option<Instant>,
}

/// A key and what it may be used for.
struct Known {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Jwks").field(&self.uri).finish()
    }
}

impl Jwks {
    pub(super) fn new(uri: Uri, registry: &Registry) -> Result<Self, prometheus::Error> {
        let options = Opts::new(
            "tidegate_jwks_fetches_total",
            "Fetches of the keys at auth.jwt.jwks_url, by what came of them",
        );
        let fetches = IntCounterVec::new(options, &["outcome"])?;
        for outcome in ["ok", "failed"] {
            fetches.with_label_values(&[outcome]);
        }
        registry.register(Box::new(fetches.clone()))?;
        Ok(Self {
            uri,
            web: Web::default(),
            state: Mutex::default(),
            wanted: Notify::new(),
            fetched: watch::Sender::new(0),
            fetches,
            again: AGAIN,
        })
    }

    /// The key that a token with this header is checked with. Without an `id` only if there is no choice.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let state = self.state.lock();
        let mut fitting = state
            .keys
            .iter()
            .filter(|one| one.algorithm == algorithm && (id.is_none() || one.id.as_deref() == id));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(only.key.clone()),
            _ => None,
        }
    }

    /// Has the keys fetched, unless that has just been done. Whether there may be others now.
    pub(super) async fn look_again(&self) -> bool {
        let mut fetched = self.fetched.subscribe();
        let before = *fetched.borrow_and_update();
        let is_due = self
            .state
            .lock()
            .asked_at
            .is_none_or(|at| at.elapsed() >= self.again);
        if !is_due && before > 0 {
            return false;
        }
        self.wanted.notify_one();
        let more = fetched.wait_for(|count| *count > before);
        tokio::time::timeout(PATIENCE, more)
            .await
            .is_ok_and(|more| more.is_ok())
    }

    /// Fetches the keys now, and whenever it is time, until `end`.
    pub(super) async fn follow(&self, end: CancellationToken) {
        loop {
            self.state.lock().asked_at = Some(Instant::now());
            match self.fetch().await {
                Ok(keys) => {
                    tracing::debug!(keys = keys.len(), "the keys of tokens were fetched");
                    self.fetches.with_label_values(&["ok"]).inc();
                    self.state.lock().keys = keys;
                }
                Err(why) => {
                    tracing::warn!(
                        "the keys of tokens cannot be fetched from {} (auth.jwt.jwks_url): {why}",
                        self.uri
                    );
                    self.fetches.with_label_values(&["failed"]).inc();
                }
            }
            self.fetched.send_modify(|count| *count += 1);
            let nothing = self.state.lock().keys.is_empty();
            let pause = tokio::time::sleep(if nothing { self.again } else { EVERY });
            tokio::select! {
                () = end.cancelled() => return,
                () = self.wanted.notified() => {}
                () = pause => {}
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Known>, String> {
        let request = Request::get(self.uri.clone())
            .header("accept", "application/json")
            .body(Bytes::new())
            .map_err(|error| error.to_string())?;
        let (status, body) = self.web.ask(request).await.map_err(|error| error.to_string())?;
        if !status.is_success() {
            return Err(format!("it answers {status}"));
        }
        let set: JwkSet =
            serde_json::from_slice(&body).map_err(|error| format!("it is no set of keys: {error}"))?;
        let keys: Vec<Known> = set.keys.iter().take(KEYS).filter_map(known).collect();
        if keys.is_empty() {
            return Err("it has no key for RS256, ES256 or EdDSA".to_owned());
        }
        Ok(keys)
    }
}

/// `None`: a key for something else, or a secret, which nobody should publish.
fn known(jwk: &Jwk) -> Option<Known> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(curve) if curve.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let made_for = match jwk.common.key_algorithm {
        None => algorithm,
        Some(KeyAlgorithm::RS256) => Algorithm::RS256,
        Some(KeyAlgorithm::ES256) => Algorithm::ES256,
        Some(KeyAlgorithm::EdDSA) => Algorithm::EdDSA,
        Some(_) => return None,
    };
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    if made_for != algorithm || !signs {
        return None;
    }
    Some(Known {
        id: jwk.common.key_id.clone(),
        algorithm,
        key: DecodingKey::from_jwk(jwk).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Serves what it is told to, on a free port.
    async fn issuer(answer: watch::Receiver<(u16, Value)>) -> Uri {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4_096]).await;
                let (status, body) = answer.borrow().clone();
                let body = body.to_string();
                let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
        });
        format!("http://{address}/keys").parse().expect("a URL")
    }

    fn ed(id: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn start(uri: Uri) -> Arc<Jwks> {
        let mut jwks = Jwks::new(uri, &Registry::new()).expect("metrics");
        jwks.again = Duration::ZERO;
        let jwks = Arc::new(jwks);
        let followed = jwks.clone();
        tokio::spawn(async move { followed.follow(CancellationToken::new()).await });
        jwks
    }

    #[tokio::test]
    async fn a_new_key_is_found_and_an_old_one_forgotten_and_an_outage_forgets_nothing() {
        let (answer, answers) = watch::channel((200, json!({"keys": [ed("one")]})));
        let jwks = start(issuer(answers).await);
        assert!(jwks.look_again().await);
        let knows = |id| jwks.find(Some(id), Algorithm::EdDSA).is_some();
        assert!(knows("one") && !knows("two"));
        answer.send_replace((200, json!({"keys": [ed("two")]})));
        while !knows("two") {
            jwks.look_again().await;
        }
        assert!(!knows("one"));
        for outage in [
            (503, json!({})),
            (200, json!({"keys": []})),
            (200, json!("rubbish")),
        ] {
            answer.send_replace(outage);
            for _ in 0..3 {
                assert!(jwks.look_again().await);
            }
            assert!(knows("two"));
        }
    }

    #[test]
    fn a_key_is_for_one_algorithm_and_secrets_are_none() {
        let of =
            |jwk: Value| known(&serde_json::from_value(jwk).expect("a key")).map(|known| known.algorithm);
        let with = |name: &str, value: &str| {
            let mut jwk = ed("one");
            jwk[name] = json!(value);
            jwk
        };
        assert_eq!(of(ed("one")), Some(Algorithm::EdDSA));
        assert_eq!(of(with("alg", "EdDSA")), Some(Algorithm::EdDSA));
        assert_eq!(of(with("use", "sig")), Some(Algorithm::EdDSA));
        assert_eq!(of(with("use", "enc")), None);
        assert_eq!(of(with("alg", "HS256")), None);
        assert_eq!(of(with("alg", "RS256")), None);
        assert_eq!(of(json!({"kty": "oct", "k": "AAAA", "alg": "HS256"})), None);
        assert_eq!(
            of(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RS512"})),
            None
        );
        assert_eq!(
            of(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
            Some(Algorithm::RS256)
        );
    }
}
