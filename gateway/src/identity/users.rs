//! Users that the configuration names, and whether a password is theirs.
//!
//! Checking a password is slow on purpose: it happens on threads for such work, a few at a time, and takes
//! as long for a name that nobody has. Who guesses is slowed down by its address, and nobody else is.
//! Never logs or repeats a password.

use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Argon2, Params};
use hashbrown::HashMap;
use parking_lot::Mutex;
use rand::Rng;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::{Password, Secret, User};
use tidegate_shared::name::UserId;
use tokio::sync::Semaphore;

use super::Identity;
use super::guesses::Guesses;

/// Passwords that are checked at a time; each takes some 20 MB and 20 ms of a core.
const AT_ONCE: usize = 4;
/// Passwords that wait for their turn. More are refused at once.
const WAITING: usize = 256;
/// Longest password, in bytes.
const LONGEST: usize = 1_024;
const KEY: usize = 32;

/// Why a name and a password do not count. Neither of them is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LoginError {
    #[error("this server knows no users with passwords: set [[auth.users]]")]
    NoUsers,
    /// Does not tell which of both.
    #[error("name or password is wrong")]
    Wrong,
    #[error("too many passwords were tried from this address: try again in a minute")]
    TooMany,
    #[error("too many passwords are being checked: try again")]
    Busy,
}

impl LoginError {
    pub fn code(self) -> ErrorCode {
        match self {
            Self::NoUsers | Self::Wrong => ErrorCode::Unauthorized,
            Self::TooMany | Self::Busy => ErrorCode::TooManyRequests,
        }
    }
}

/// A hash in the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`auth.users.password_hash` of {user}: {why}")]
pub struct PasswordError {
    user: UserId,
    why: String,
}

pub struct Users {
    known: HashMap<UserId, Known>,
    /// Checked for names that nobody has. As costly as the first user's.
    decoy: Box<str>,
    turns: Semaphore,
    waiting: Semaphore,
    guesses: Mutex<Guesses>,
    /// Makes digests worthless outside of this process.
    key: [u8; KEY],
}

struct Known {
    hash: Box<str>,
    /// Of the password that was right last: programs that send it with each request don't pay each time.
    last: Mutex<Option<[u8; 32]>>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known.keys()).finish()
    }
}

impl Users {
    /// Hashes the passwords that came as they are.
    pub fn new(users: &[User]) -> Result<Self, PasswordError> {
        let mut key = [0; KEY];
        rand::rng().fill(&mut key);
        let mut known = HashMap::with_capacity(users.len());
        let mut decoy = None;
        for user in users {
            let wrong = |why: &dyn fmt::Display| PasswordError {
                user: user.name.clone(),
                why: why.to_string(),
            };
            let hash = match &user.password {
                Password::Hash(hash) => hash.as_str().to_owned(),
                Password::Plain(password) => {
                    hashed(&Argon2::default(), password.as_bytes()).map_err(|error| wrong(&error))?
                }
            };
            let parsed = PasswordHash::new(&hash).map_err(|error| wrong(&error))?;
            if decoy.is_none() {
                let params = Params::try_from(&parsed).map_err(|error| wrong(&error))?;
                let argon = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
                decoy = Some(hashed(&argon, &key).map_err(|error| wrong(&error))?);
            }
            let one = Known {
                hash: hash.into(),
                last: Mutex::new(None),
            };
            known.insert(user.name.clone(), one);
        }
        Ok(Self {
            known,
            decoy: decoy.unwrap_or_default().into(),
            turns: Semaphore::new(AT_ONCE),
            waiting: Semaphore::new(AT_ONCE + WAITING),
            guesses: Mutex::default(),
            key,
        })
    }

    pub fn knows(&self, name: &UserId) -> bool {
        self.known.contains_key(name)
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whose name and password these are.
    pub async fn check(
        &self,
        name: &str,
        password: &Secret,
        from: Option<IpAddr>,
    ) -> Result<Identity, LoginError> {
        if self.is_empty() {
            return Err(LoginError::NoUsers);
        }
        let name = UserId::parse(name).ok();
        let known = name.as_ref().and_then(|name| self.known.get(name));
        let digest = self.digest(password);
        if let (Some(known), Some(name)) = (known, &name)
            && known.last.lock().as_ref().is_some_and(|last| same(last, &digest))
        {
            return Ok(of(name));
        }
        if !self.guesses.lock().may(from, Instant::now()) {
            return Err(LoginError::TooMany);
        }
        let right = self.is_right(known, password).await;
        if right != Ok(false) {
            // It was no guess.
            self.guesses.lock().forgive(from);
        }
        match (right?, known, name) {
            (true, Some(known), Some(name)) => {
                *known.last.lock() = Some(digest);
                Ok(of(&name))
            }
            _ => Err(LoginError::Wrong),
        }
    }

    async fn is_right(&self, known: Option<&Known>, password: &Secret) -> Result<bool, LoginError> {
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(LoginError::Busy);
        };
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(LoginError::Busy);
        };
        let hash = known.map_or(&self.decoy, |known| &known.hash).clone();
        let password = password.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let fits = password.as_bytes().len() <= LONGEST;
            let given = if fits { password.as_bytes() } else { b"" };
            let hash = PasswordHash::new(&hash).ok();
            fits && hash.is_some_and(|hash| Argon2::default().verify_password(given, &hash).is_ok())
        });
        let right = checked.await.unwrap_or(false);
        Ok(right && known.is_some())
    }

    fn digest(&self, password: &Secret) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.key);
        digest.update(password.as_bytes());
        digest.finalize().into()
    }
}

fn of(name: &UserId) -> Identity {
    Identity {
        user: name.clone(),
        info: None,
        expires_at: None,
        grants: None,
    }
}

fn hashed(argon: &Argon2<'_>, password: &[u8]) -> argon2::password_hash::Result<String> {
    let salt: [u8; 16] = rand::rng().random();
    let salt = SaltString::encode_b64(&salt)?;
    Ok(argon.hash_password(password, &salt)?.to_string())
}

fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cheap, so that tests are quick.
    fn cheap(password: &str) -> Password {
        let params = Params::new(64, 1, 1, None).expect("valid");
        let argon = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        Password::Hash(Secret::new(&hashed(&argon, password.as_bytes()).expect("hashed")))
    }

    fn users() -> Users {
        let user = |name: &str, password| User {
            name: UserId::parse(name).expect("valid"),
            password,
        };
        Users::new(&[
            user("ann", cheap("of ann")),
            user("bob", Password::Plain(Secret::new("of bob"))),
        ])
        .expect("valid")
    }

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[tokio::test]
    async fn a_user_is_who_knows_the_password() {
        let users = users();
        for (name, password, right) in [
            ("ann", "of ann", true),
            ("ann", "of ann", true),
            ("bob", "of bob", true),
            ("ann", "of bob", false),
            ("ann", "", false),
            ("nobody", "of ann", false),
            ("no name", "of ann", false),
            ("", "", false),
        ] {
            let checked = users.check(name, &Secret::new(password), HERE).await;
            assert_eq!(
                checked.as_ref().map(|identity| identity.user.as_str()),
                if right { Ok(name) } else { Err(&LoginError::Wrong) },
                "{name} {password}"
            );
        }
        let long = Secret::new(&"x".repeat(5_000));
        assert_eq!(users.check("ann", &long, HERE).await, Err(LoginError::Wrong));
    }

    #[tokio::test]
    async fn who_guesses_is_stopped_and_nobody_else_is() {
        let users = users();
        let elsewhere = Some(IpAddr::from([192, 0, 2, 1]));
        let mut stopped = false;
        for guess in 0..100 {
            let guess = Secret::new(&guess.to_string());
            stopped |= users.check("ann", &guess, HERE).await == Err(LoginError::TooMany);
        }
        assert!(stopped);
        assert_eq!(
            users.check("ann", &Secret::new("of ann"), HERE).await,
            Err(LoginError::TooMany),
            "also with what is right: else it would be told from what is wrong"
        );
        assert!(
            users
                .check("ann", &Secret::new("of ann"), elsewhere)
                .await
                .is_ok()
        );
        assert!(
            users.check("ann", &Secret::new("of ann"), HERE).await.is_ok(),
            "a program that was let in goes on"
        );
    }

    #[tokio::test]
    async fn who_is_right_may_come_as_often_as_it_likes() {
        let users = users();
        for _ in 0..50 {
            let (of_ann, of_bob) = (Secret::new("of ann"), Secret::new("of bob"));
            let (ann, bob) = tokio::join!(
                users.check("ann", &of_ann, HERE),
                users.check("bob", &of_bob, HERE)
            );
            assert!(ann.is_ok() && bob.is_ok());
        }
    }

    #[tokio::test]
    async fn without_users_nobody_is_one_and_a_debug_print_shows_names_alone() {
        let none = Users::new(&[]).expect("valid");
        let checked = none.check("ann", &Secret::new("x"), None).await;
        assert_eq!(checked, Err(LoginError::NoUsers));
        let shown = format!("{:?}", users());
        assert!(shown.contains("ann") && !shown.contains("argon2"), "{shown}");
    }
}
