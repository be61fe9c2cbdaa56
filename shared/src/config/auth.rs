//! `[auth]`: who comes in.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::mistake::Wrong;
use super::section::Section;
use super::users::{self, Unset, User};
use super::value;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// SHA-256 of each key that `/api` accepts. None: `/api` answers 401.
    pub api_keys: Vec<[u8; 32]>,
    /// What the tokens of clients must be. None: no token is known.
    pub jwt: Option<Jwt>,
    /// Users with a password, each with a name of its own.
    pub users: Vec<User>,
    /// Users that are missing because a variable of the environment is not set. Only a gateway needs them.
    pub(super) unset: Vec<Unset>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// One at least, and a key for each.
    pub algorithms: Vec<TokenAlgorithm>,
    /// For those that sign and check with the same key.
    pub secret: Option<Secret>,
    /// PEM, for the others.
    pub public_key_file: Option<PathBuf>,
    /// In place of the file: where the issuer publishes its keys, `http` or `https`.
    pub jwks_url: Option<String>,
    /// Must be among a token's `aud`, if set.
    pub audience: Option<String>,
    /// Must be a token's `iss`, if set.
    pub issuer: Option<String>,
    /// How far the clocks of who makes tokens and who checks them may differ.
    pub leeway: Duration,
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            algorithms: vec![TokenAlgorithm::Hs256],
            secret: None,
            public_key_file: None,
            jwks_url: None,
            audience: None,
            issuer: None,
            leeway: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAlgorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Es256,
    EdDsa,
}

impl TokenAlgorithm {
    const ALL: [(&'static str, Self); 6] = [
        ("HS256", Self::Hs256),
        ("HS384", Self::Hs384),
        ("HS512", Self::Hs512),
        ("RS256", Self::Rs256),
        ("ES256", Self::Es256),
        ("EdDSA", Self::EdDsa),
    ];

    /// Who can check a token can make one.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// As in a token's header.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(_, one)| *one == self);
        found.map_or("", |(name, _)| name)
    }
}

/// Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

pub(super) fn read(
    section: &mut Section<'_, '_, '_>,
    environment: &dyn Fn(&str) -> Option<String>,
    auth: &mut Auth,
) {
    if let Some(keys) = section.list("api_keys", value::api_key) {
        auth.api_keys = keys;
    }
    let is_set = section.has("jwt");
    section.table("auth.jwt", |section| {
        let jwt = jwt(section);
        if is_set {
            auth.jwt = Some(jwt);
        }
    });
    section.each("auth.users", |section| users::user(section, environment, auth));
}

fn jwt(section: &mut Section<'_, '_, '_>) -> Jwt {
    let default = Jwt::default();
    let jwt = Jwt {
        algorithms: section
            .list("algorithms", algorithm)
            .unwrap_or(default.algorithms),
        secret: section.text("secret", secret),
        public_key_file: section.text("public_key_file", |text| Ok(PathBuf::from(text))),
        jwks_url: section.text("jwks_url", value::web_address).flatten(),
        audience: section.text("audience", not_empty),
        issuer: section.text("issuer", not_empty),
        leeway: section
            .time("leeway", &(Duration::ZERO..=Duration::from_secs(600)))
            .unwrap_or(default.leeway),
    };
    if jwt.algorithms.is_empty() {
        let wrong = Wrong::new("no algorithm is named", "name one at least, as \"HS256\"");
        section.wrong("algorithms", section.place_of("algorithms"), wrong);
    }
    let key = match (&jwt.public_key_file, &jwt.jwks_url) {
        (Some(_), Some(_)) => {
            let wrong = Wrong::new("there is a file with a public key, too", "remove one of them");
            section.wrong("jwks_url", section.place_of("jwks_url"), wrong);
            return jwt;
        }
        (Some(_), None) => "public_key_file",
        (None, Some(_)) => "jwks_url",
        (None, None) => return jwt,
    };
    if jwt.algorithms.iter().all(|one| one.is_symmetric()) {
        let wrong = Wrong::new(
            "none of the `algorithms` checks with a public key",
            "name those that your tokens are signed with in `algorithms`: \"RS256\", \"ES256\" or \"EdDSA\"",
        );
        section.wrong(key, section.place_of(key), wrong);
    }
    jwt
}

impl Jwt {
    /// What is missing for one of the algorithms, whose secret may come from the environment.
    pub(super) fn missing(&self) -> Option<(TokenAlgorithm, &'static str)> {
        self.algorithms.iter().find_map(|one| match one.is_symmetric() {
            true if self.secret.is_none() => Some((*one, "secret")),
            false if self.public_key_file.is_none() && self.jwks_url.is_none() => {
                Some((*one, "public_key_file"))
            }
            _ => None,
        })
    }
}

fn algorithm(text: &str) -> Result<TokenAlgorithm, Wrong> {
    let found = TokenAlgorithm::ALL.into_iter().find(|(name, _)| *name == text);
    found.map(|(_, one)| one).ok_or_else(|| {
        Wrong::new(
            format!(
                "{} is not an algorithm of this version",
                super::mistake::echo(text)
            ),
            "write HS256, HS384, HS512, RS256, ES256 or EdDSA",
        )
    })
}

/// Never repeats the text.
pub(super) fn secret(text: &str) -> Result<Secret, Wrong> {
    if text.is_empty() {
        return Err(Wrong::new(
            "the secret is empty",
            "write 32 bytes or more that nobody can guess, as `openssl rand -base64 32` prints them",
        ));
    }
    Ok(Secret::new(text))
}

fn not_empty(text: &str) -> Result<String, Wrong> {
    if text.is_empty() {
        return Err(Wrong::new(
            "this is empty",
            "remove the key, and it is not looked at",
        ));
    }
    Ok(text.to_owned())
}
