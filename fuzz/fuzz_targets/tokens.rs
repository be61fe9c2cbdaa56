//! Tokens: any text, and any claims with a good signature. Nothing may be believed without one.
#![no_main]

use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use libfuzzer_sys::fuzz_target;
use prometheus::Registry;
use tidegate_gateway::identity::Verifier;
use tidegate_shared::config::Config;

const SECRET: &str = "a secret of thirty-two bytes or more";

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let text = format!("[auth.jwt]\nalgorithms = [\"HS256\"]\nsecret = \"{SECRET}\"\naudience = \"live\"\n");
    let config = Config::parse("fuzz", &text).expect("it is fine");
    let jwt = config.auth.jwt.expect("it was said");
    Verifier::new(&jwt, &Registry::new()).expect("its key")
});

fuzz_target!(|text: &str| {
    if let Err(error) = VERIFIER.verify(text) {
        let _ = error.to_string();
    } else {
        let parts: Vec<&str> = text.split('.').collect();
        let signed = jsonwebtoken::crypto::sign(
            format!("{}.{}", parts[0], parts[1]).as_bytes(),
            &EncodingKey::from_secret(SECRET.as_bytes()),
            Algorithm::HS256,
        );
        assert_eq!(signed.expect("signed"), parts[2], "believed without a signature");
    }
    let Ok(claims) = serde_json::from_str::<serde_json::Value>(text) else {
        return;
    };
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    if let Ok(token) = jsonwebtoken::encode(&Header::default(), &claims, &key)
        && let Ok(identity) = VERIFIER.verify(&token)
    {
        assert_eq!(
            claims["aud"].as_str().unwrap_or("live"),
            "live",
            "for somebody else"
        );
        assert!(!identity.user.as_str().is_empty());
    }
});
