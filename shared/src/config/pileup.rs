//! What Pileup Buster is told by its environment: the variables that its own server reads.

use std::time::Duration;

use super::auth::Secret;
use super::endpoint::DialectName;
use super::mistake::Wrong;
use super::users::{Password, User};
use super::{Config, Endpoint};
use crate::name::UserId;

/// Most that may wait: all of them are one value of a topic.
const QUEUE_LIMIT: usize = 64;
/// Most connections that an endpoint may be given.
const CONNECTIONS: usize = 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pileup {
    /// The user that is the operator; without one, nobody is. `ADMIN_USERNAME`
    pub admin: Option<UserId>,
    /// `MAX_QUEUE_SIZE`
    pub max_queue_size: usize,
    /// Where callsigns are looked up. Without both, none is.
    pub qrz: Qrz,
}

/// An account at QRZ.com.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Qrz {
    /// `QRZ_USERNAME`
    pub username: Option<Box<str>>,
    /// `QRZ_PASSWORD`
    pub password: Option<Secret>,
    /// `QRZ_URL`; absent: its own.
    pub url: Option<Box<str>>,
}

impl Default for Pileup {
    fn default() -> Self {
        Self {
            admin: None,
            max_queue_size: 4,
            qrz: Qrz::default(),
        }
    }
}

pub(super) fn admin(text: &str, config: &mut Config) -> Result<(), Wrong> {
    let user = UserId::parse(text).map_err(|error| {
        Wrong::new(
            error.to_string(),
            "write a name as \"admin\": at most 128 bytes, without braces and white space",
        )
    })?;
    config.worker.pileup.admin = Some(user);
    Ok(())
}

/// The operator is known by the password, where operators connect and the file does not say how.
pub(super) fn admin_password(text: &str, config: &mut Config) {
    let Some(name) = config.worker.pileup.admin.clone() else {
        return;
    };
    let connects = config.endpoints.iter().any(|one| one.dialect == DialectName::RPC);
    if connects && config.auth.users.iter().all(|user| user.name != name) {
        let password = Password::Plain(Secret::new(text));
        config.auth.users.push(User { name, password });
    }
}

pub(super) fn max_queue_size(text: &str, config: &mut Config) -> Result<(), Wrong> {
    config.worker.pileup.max_queue_size = number(text, QUEUE_LIMIT)?;
    Ok(())
}

pub(super) fn max_connections(text: &str, config: &mut Config) -> Result<(), Wrong> {
    let most = number(text, CONNECTIONS)?;
    each(config, |endpoint| endpoint.connections = most);
    Ok(())
}

/// In seconds.
pub(super) fn heartbeat(text: &str, config: &mut Config) -> Result<(), Wrong> {
    let seconds = number(text, 3_600)?;
    let every = Duration::from_secs(seconds as u64);
    each(config, |endpoint| endpoint.ping = Some(every));
    Ok(())
}

fn each(config: &mut Config, change: impl FnMut(&mut Endpoint)) {
    let endpoints = config.endpoints.iter_mut();
    endpoints
        .filter(|one| one.dialect == DialectName::RPC)
        .for_each(change);
}

fn number(text: &str, most: usize) -> Result<usize, Wrong> {
    let number = text.trim().parse().ok();
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| {
            Wrong::new(
                "this is no number that it could be",
                format!("write a whole number from 1 to {most}"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn load(set: &'static [(&'static str, &'static str)]) -> Result<Config, super::super::ConfigErrors> {
        let environment = |name: &str| {
            let found = set.iter().find(|(one, _)| *one == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Config::load(None, &environment, Overrides::default())
    }

    #[test]
    fn its_variables_count_without_a_file() {
        let config = load(&[
            ("ADMIN_USERNAME", "admin"),
            ("ADMIN_PASSWORD", "Letmein!"),
            ("MAX_QUEUE_SIZE", "7"),
            ("WEBSOCKET_MAX_CONNECTIONS", "1000"),
            ("WEBSOCKET_HEARTBEAT_INTERVAL", "5"),
            ("QRZ_USERNAME", "me"),
            ("QRZ_PASSWORD", "secret"),
        ])
        .expect("fine");
        let pileup = &config.worker.pileup;
        assert_eq!(pileup.admin.as_ref().map(UserId::as_str), Some("admin"));
        assert_eq!(pileup.max_queue_size, 7);
        assert_eq!(pileup.qrz.username.as_deref(), Some("me"));
        assert_eq!(config.auth.users.len(), 1);
        let endpoint = config
            .endpoints
            .iter()
            .find(|one| one.dialect == DialectName::RPC);
        let endpoint = endpoint.expect("built in");
        assert_eq!(endpoint.connections, 1_000);
        assert_eq!(endpoint.ping, Some(Duration::from_secs(5)));
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn without_them_it_is_as_documented() {
        let config = load(&[("ADMIN_PASSWORD", "x")]).expect("fine");
        assert_eq!(config.worker.pileup, Pileup::default());
        assert!(config.auth.users.is_empty());
        let endpoint = config
            .endpoints
            .iter()
            .find(|one| one.dialect == DialectName::RPC);
        let endpoint = endpoint.expect("built in");
        assert_eq!(
            (endpoint.connections, endpoint.ping),
            (100, Some(Duration::from_secs(30)))
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_the_variable() {
        for variable in [
            "MAX_QUEUE_SIZE",
            "WEBSOCKET_MAX_CONNECTIONS",
            "WEBSOCKET_HEARTBEAT_INTERVAL",
        ] {
            let environment = |name: &str| (name == variable).then(|| "0".to_owned());
            let wrong = Config::load(None, &environment, Overrides::default()).expect_err(variable);
            assert!(wrong.to_string().contains(variable), "{wrong}");
        }
    }
}
