//! Tokens: JSON Web Tokens that somebody else has signed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use prometheus::Registry;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::{Jwt, TokenAlgorithm};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::UserId;
use tokio_util::sync::CancellationToken;

use super::Identity;
use super::jwks::Jwks;

/// Longest `info` in a token, in bytes: it is repeated in every presence list.
const INFO_LIMIT: usize = 4 * 1024;
/// Tokens that live longer count as if they lived so long: time arithmetic must not overflow.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Checks tokens.
pub struct Verifier {
    keys: Vec<Key>,
    published: Option<Jwks>,
}

struct Key {
    /// Absent: the issuer publishes it.
    key: Option<DecodingKey>,
    /// Of algorithms for which this key is made: a public key must never be taken for a secret.
    validation: Validation,
}

#[derive(Debug, Error)]
pub enum KeyError {
    #[error("`auth.jwt.jwks_url` is no URL: {0}")]
    Url(#[from] hyper::http::uri::InvalidUri),
    #[error("a metric cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("`auth.jwt.public_key_file` {}: {why}", path.display())]
    Read { path: PathBuf, why: std::io::Error },
    #[error(
        "`auth.jwt.public_key_file` {}: it holds no public key for {algorithm}; write PEM, from `-----BEGIN PUBLIC KEY-----` on", path.display()
    )]
    Pem { path: PathBuf, algorithm: &'static str },
    #[error("`auth.jwt.{key}` is not set, and {algorithm} needs it")]
    Missing {
        key: &'static str,
        algorithm: &'static str,
    },
}

/// Why a token does not count. Nothing of the token is in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    #[error("the token has expired: get a new one")]
    Expired,
    #[error("the token does not count yet (`nbf`)")]
    Early,
    #[error("this is no token: it needs three parts in base64url between two dots")]
    Malformed,
    #[error("the token's signature is not that of a key this server knows")]
    Signature,
    #[error("the token names no key that its issuer publishes")]
    Key,
    #[error("the token is signed with an algorithm that this server does not accept")]
    Algorithm,
    #[error("the token is for somebody else: its `aud` does not name this server")]
    Audience,
    #[error("the token's `iss` is not whom this server trusts")]
    Issuer,
    #[error("the token lacks `{0}`")]
    Lacks(String),
    #[error("the token's `sub` is no name of a user: {0}")]
    User(String),
    #[error("the token's `info` is no object of up to {INFO_LIMIT} bytes")]
    Info,
    #[error(
        "the token's `tidegate` is not of the form {{\"subscribe\": [patterns], \"publish\": [patterns]}}, each with up to 100 patterns of 1 to 255 bytes"
    )]
    Grants,
    #[error("the token's claims are not what they should be")]
    Claims,
}

impl TokenError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::Expired,
            _ => ErrorCode::Unauthorized,
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    /// As some systems call it; a number or a text.
    user_id: Option<Value>,
    exp: Option<f64>,
    info: Option<Box<RawValue>>,
    tidegate: Option<Box<RawValue>>,
}

impl Verifier {
    /// Reads the public key. Keys that are published are there once [`Verifier::follow`] has fetched them.
    pub fn new(jwt: &Jwt, registry: &Registry) -> Result<Self, KeyError> {
        let published = match &jwt.jwks_url {
            Some(url) => Some(Jwks::new(url.parse()?, registry)?),
            None => None,
        };
        let keys = jwt.algorithms.iter().map(|algorithm| {
            Ok::<_, KeyError>(Key {
                key: key(jwt, *algorithm)?,
                validation: validation(jwt, *algorithm),
            })
        });
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            published,
        })
    }

    /// Keeps the keys up to date that are published, until `end`.
    pub async fn follow(&self, end: CancellationToken) {
        if let Some(published) = &self.published {
            published.follow(end).await;
        }
    }

    /// Whether [`TokenError::Key`] may turn out otherwise by [`Verifier::verify_anew`].
    pub fn learns(&self) -> bool {
        self.published.is_some()
    }

    /// Looks for the token's key at the issuer's, if it is not known.
    pub async fn verify_anew(&self, token: &str) -> Result<Identity, TokenError> {
        let verified = self.verify(token);
        match (&verified, &self.published) {
            (Err(TokenError::Key), Some(published)) if published.look_again().await => self.verify(token),
            _ => verified,
        }
    }

    pub fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
            // `none`, above all.
            ErrorKind::Json(_) => TokenError::Algorithm,
            _ => reason(&error),
        })?;
        let Key { key, validation } = self
            .keys
            .iter()
            .find(|key| key.validation.algorithms.contains(&header.alg))
            .ok_or(TokenError::Algorithm)?;
        let found;
        let key = if let Some(key) = key {
            key
        } else {
            let published = self.published.as_ref().ok_or(TokenError::Key)?;
            let wanted = published.find(header.kid.as_deref(), header.alg);
            found = wanted.ok_or(TokenError::Key)?;
            &found
        };
        let claims = jsonwebtoken::decode::<Claims>(token, key, validation)
            .map_err(|error| reason(&error))?
            .claims;
        let exp = claims.exp.ok_or_else(|| TokenError::Lacks("exp".to_owned()))?;
        let sub = claims.sub.or_else(|| user_id(claims.user_id));
        let sub = sub.ok_or_else(|| TokenError::Lacks("sub".to_owned()))?;
        let user = UserId::parse(&sub).map_err(|error| TokenError::User(error.to_string()))?;
        let info = claims.info.filter(|info| info.get() != "null");
        let grants = claims.tidegate.filter(|grants| grants.get() != "null");
        Ok(Identity {
            user,
            grants: grants
                .map(|grants| serde_json::from_str(grants.get()).map_err(|_| TokenError::Grants))
                .transpose()?,
            info: info.map(|info| checked(&info)).transpose()?,
            expires_at: Some(Duration::try_from_secs_f64(exp).unwrap_or(FAR).min(FAR)),
        })
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let algorithms = self.keys.iter().flat_map(|key| &key.validation.algorithms);
        f.debug_list().entries(algorithms).finish()
    }
}

/// Makes a token with the first algorithm whose key can sign, too.
pub fn sign(jwt: &Jwt, claims: &serde_json::Value) -> Result<String, SignError> {
    let algorithm = jwt.algorithms.iter().find(|one| one.is_symmetric());
    let (Some(algorithm), Some(secret)) = (algorithm, &jwt.secret) else {
        return Err(SignError::PublicKeyOnly);
    };
    let header = jsonwebtoken::Header::new(of(*algorithm));
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&header, claims, &key).map_err(|_| SignError::Refused)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignError {
    #[error("with a public key tokens can be checked but not made: sign them where the private key is")]
    PublicKeyOnly,
    #[error("the secret cannot sign")]
    Refused,
}

fn user_id(claim: Option<Value>) -> Option<String> {
    match claim? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn of(algorithm: TokenAlgorithm) -> Algorithm {
    match algorithm {
        TokenAlgorithm::Hs256 => Algorithm::HS256,
        TokenAlgorithm::Hs384 => Algorithm::HS384,
        TokenAlgorithm::Hs512 => Algorithm::HS512,
        TokenAlgorithm::Rs256 => Algorithm::RS256,
        TokenAlgorithm::Es256 => Algorithm::ES256,
        TokenAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

fn key(jwt: &Jwt, algorithm: TokenAlgorithm) -> Result<Option<DecodingKey>, KeyError> {
    let missing = |key| KeyError::Missing {
        key,
        algorithm: algorithm.name(),
    };
    if algorithm.is_symmetric() {
        let secret = jwt.secret.as_ref().ok_or_else(|| missing("secret"))?;
        return Ok(Some(DecodingKey::from_secret(secret.as_bytes())));
    }
    if jwt.jwks_url.is_some() {
        return Ok(None);
    }
    let path = jwt
        .public_key_file
        .as_ref()
        .ok_or_else(|| missing("public_key_file"))?;
    let pem = read(path)?;
    let key = match algorithm {
        TokenAlgorithm::Es256 => DecodingKey::from_ec_pem(&pem),
        TokenAlgorithm::EdDsa => DecodingKey::from_ed_pem(&pem),
        _ => DecodingKey::from_rsa_pem(&pem),
    };
    key.map(Some).map_err(|_| KeyError::Pem {
        path: path.clone(),
        algorithm: algorithm.name(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    std::fs::read(path).map_err(|why| KeyError::Read {
        path: path.to_owned(),
        why,
    })
}

fn validation(jwt: &Jwt, algorithm: TokenAlgorithm) -> Validation {
    let mut validation = Validation::new(of(algorithm));
    validation.leeway = jwt.leeway.as_secs();
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp"]);
    match &jwt.audience {
        Some(audience) => {
            validation.required_spec_claims.insert("aud".to_owned());
            validation.set_audience(&[audience]);
        }
        None => validation.validate_aud = false,
    }
    if let Some(issuer) = &jwt.issuer {
        validation.required_spec_claims.insert("iss".to_owned());
        validation.set_issuer(&[issuer]);
    }
    validation
}

fn reason(error: &Error) -> TokenError {
    match error.kind() {
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::Early,
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => TokenError::Algorithm,
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::MissingRequiredClaim(claim) => TokenError::Lacks(claim.clone()),
        ErrorKind::Json(_) => TokenError::Claims,
        _ => TokenError::Malformed,
    }
}

fn checked(info: &RawValue) -> Result<RawJson, TokenError> {
    let text = info.get();
    if text.len() > INFO_LIMIT || !text.starts_with('{') {
        return Err(TokenError::Info);
    }
    RawJson::parse(&text.to_owned().into()).map_err(|_| TokenError::Info)
}
