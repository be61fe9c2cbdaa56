use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use prometheus::Registry;
use serde_json::{Value, json};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::{Jwt, Secret, TokenAlgorithm};

use super::{KeyError, TokenError, Verifier};

const SECRET: &str = "a secret for these tests, of 32 bytes and more";

fn symmetric() -> Jwt {
    Jwt {
        secret: Some(Secret::new(SECRET)),
        ..Jwt::default()
    }
}

fn asymmetric(algorithm: TokenAlgorithm, file: &str) -> Jwt {
    Jwt {
        algorithms: vec![algorithm],
        public_key_file: Some(key_file(file)),
        ..Jwt::default()
    }
}

fn key_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/identity/test_keys")
        .join(name)
}

fn seconds(from_now: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("fits") + from_now
}

fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).expect("signed")
}

fn verify(jwt: &Jwt, token: &str) -> Result<String, TokenError> {
    let verifier = Verifier::new(jwt, &Registry::new()).expect("a key");
    verifier.verify(token).map(|identity| identity.user.to_string())
}

#[test]
fn a_token_names_its_user_what_others_see_of_it_and_its_end() {
    let until = seconds(60);
    let token = signed(
        &json!({"sub": "ann", "exp": until, "info": {"name": "Ann"}, "x": 1,
        "tidegate": {"subscribe": ["chat:*"], "other": true}}),
    );
    let identity = Verifier::new(&symmetric(), &Registry::new())
        .expect("a key")
        .verify(&token)
        .expect("valid");
    assert_eq!(identity.user.as_str(), "ann");
    assert_eq!(identity.info.expect("given").as_str(), r#"{"name":"Ann"}"#);
    let grants = identity.grants.expect("given");
    assert!(grants.subscribe.allow("chat:1") && !grants.publish.allow("chat:1"));
    let end = Duration::from_secs(until.unsigned_abs());
    assert_eq!(identity.expires_at, Some(end));
}

#[test]
fn every_algorithm_checks_what_it_signed() {
    let claims = json!({"sub": "ann", "exp": seconds(60)});
    for (name, algorithm, configured) in [
        ("HS256", Algorithm::HS256, TokenAlgorithm::Hs256),
        ("HS384", Algorithm::HS384, TokenAlgorithm::Hs384),
        ("HS512", Algorithm::HS512, TokenAlgorithm::Hs512),
    ] {
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = encode(&Header::new(algorithm), &claims, &key).expect("signed");
        let jwt = Jwt {
            algorithms: vec![configured],
            ..symmetric()
        };
        assert_eq!(verify(&jwt, &token).as_deref(), Ok("ann"), "{name}");
    }
    let pem = |name| std::fs::read(key_file(name)).expect("there");
    for (algorithm, configured, key, public) in [
        (
            Algorithm::RS256,
            TokenAlgorithm::Rs256,
            EncodingKey::from_rsa_pem(&pem("rsa.private.pem")),
            "rsa.public.pem",
        ),
        (
            Algorithm::ES256,
            TokenAlgorithm::Es256,
            EncodingKey::from_ec_pem(&pem("ec.private.pem")),
            "ec.public.pem",
        ),
        (
            Algorithm::EdDSA,
            TokenAlgorithm::EdDsa,
            EncodingKey::from_ed_pem(&pem("ed.private.pem")),
            "ed.public.pem",
        ),
    ] {
        let token = encode(&Header::new(algorithm), &claims, &key.expect("a key")).expect("signed");
        let jwt = asymmetric(configured, public);
        assert_eq!(verify(&jwt, &token).as_deref(), Ok("ann"), "{algorithm:?}");
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let public = std::fs::read(key_file("rsa.public.pem")).expect("there");
    let key = EncodingKey::from_secret(&public);
    let claims = json!({"sub": "ann", "exp": seconds(60)});
    let forged = encode(&Header::new(Algorithm::HS256), &claims, &key).expect("signed");
    let only = asymmetric(TokenAlgorithm::Rs256, "rsa.public.pem");
    assert_eq!(verify(&only, &forged), Err(TokenError::Algorithm));
    let both = Jwt {
        algorithms: vec![TokenAlgorithm::Rs256, TokenAlgorithm::Hs256],
        secret: Some(Secret::new(SECRET)),
        ..only
    };
    assert_eq!(verify(&both, &forged), Err(TokenError::Signature));
}

#[test]
fn what_does_not_count_is_refused_with_its_reason() {
    let good = json!({"sub": "ann", "exp": seconds(60)});
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        signed(&claims)
    };
    let other = EncodingKey::from_secret(b"another secret");
    let strange = Jwt {
        audience: Some("app".into()),
        issuer: Some("us".into()),
        ..symmetric()
    };
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjk5OTk5OTk5OTl9.";
    let plain = symmetric();
    for (jwt, token, reason) in [
        (&plain, with("exp", json!(seconds(-31))), TokenError::Expired),
        (&plain, with("nbf", json!(seconds(45))), TokenError::Early),
        (
            &plain,
            signed(&json!({"sub": "ann"})),
            TokenError::Lacks("exp".into()),
        ),
        (
            &plain,
            signed(&json!({"exp": seconds(60)})),
            TokenError::Lacks("sub".into()),
        ),
        (
            &plain,
            encode(&Header::default(), &good, &other).expect("signed"),
            TokenError::Signature,
        ),
        (&plain, unsigned.to_owned(), TokenError::Algorithm),
        (&plain, "a.b.c".to_owned(), TokenError::Malformed),
        (&plain, String::new(), TokenError::Malformed),
        (&plain, with("info", json!("text")), TokenError::Info),
        (
            &plain,
            with("info", json!({"a": "x".repeat(5_000)})),
            TokenError::Info,
        ),
        (&plain, with("tidegate", json!("all")), TokenError::Grants),
        (
            &plain,
            with("tidegate", json!({"publish": ["a", 5]})),
            TokenError::Grants,
        ),
        (
            &plain,
            with("tidegate", json!({"subscribe": vec!["a"; 101]})),
            TokenError::Grants,
        ),
        (&plain, with("sub", json!(7)), TokenError::Claims),
        (&strange, signed(&good), TokenError::Lacks("aud".into())),
        (
            &strange,
            with("aud", json!("app")),
            TokenError::Lacks("iss".into()),
        ),
        (
            &strange,
            signed(&json!({"sub": "ann", "exp": seconds(60), "aud": ["app2"], "iss": "us"})),
            TokenError::Audience,
        ),
    ] {
        let found = verify(jwt, &token);
        match (&found, &reason) {
            // Of several that are wrong one is told.
            (Err(TokenError::Lacks(_)), TokenError::Lacks(_)) => {}
            _ => assert_eq!(found, Err(reason.clone()), "{token}"),
        }
        let code = match reason {
            TokenError::Expired => ErrorCode::Expired,
            _ => ErrorCode::Unauthorized,
        };
        assert_eq!(reason.code(), code);
    }
    assert!(matches!(
        verify(&plain, &with("sub", json!("a b"))),
        Err(TokenError::User(_))
    ));
}

#[test]
fn clocks_may_differ_by_the_leeway_and_anything_else_in_a_token_is_ignored() {
    let late = signed(&json!({"sub": "ann", "exp": seconds(-5), "aud": "somebody", "iss": 3}));
    assert_eq!(verify(&symmetric(), &late).as_deref(), Ok("ann"));
    let far = signed(&json!({"sub": "ann", "exp": 9e15}));
    assert_eq!(verify(&symmetric(), &far).as_deref(), Ok("ann"));
}

#[test]
fn a_file_without_the_right_key_is_a_mistake_that_names_it() {
    let absent = Verifier::new(&asymmetric(TokenAlgorithm::Es256, "none.pem"), &Registry::new());
    assert!(matches!(absent, Err(KeyError::Read { .. })), "{absent:?}");
    let wrong = Verifier::new(
        &asymmetric(TokenAlgorithm::Es256, "rsa.public.pem"),
        &Registry::new(),
    );
    let text = wrong.expect_err("no such key").to_string();
    assert!(
        text.contains("rsa.public.pem") && text.contains("ES256"),
        "{text}"
    );
}
