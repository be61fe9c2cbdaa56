//! What the environment says of the map: which game servers are watched, and who may command.

use std::time::Duration;

use tidegate_shared::name::StateKey;

use super::polled::Polled;
use super::server::GameServer;
use super::simulated::Simulated;

/// Most servers that are watched.
const SERVERS: usize = 16;
const PLAYERS: u32 = 64;
const PLAYERS_USUAL: u32 = 8;
const POLL: u64 = 5;
/// In seconds; a duty has a period of a minute at most.
const POLLS: std::ops::RangeInclusive<u64> = 1..=60;

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) servers: Vec<(StateKey, Box<dyn GameServer>)>,
    pub(super) poll: Duration,
    /// Users who may command. Those are as well whose token says `"admin": true` in its `info`.
    pub(super) admins: Vec<String>,
}

impl Settings {
    /// What cannot be understood is told in the log, and left out.
    pub(super) fn of(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let list = |name: &str| -> Vec<String> {
            let text = environment(name).unwrap_or_default();
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        let mut servers: Vec<(StateKey, Box<dyn GameServer>)> = Vec::new();
        for text in list("ARMA_SERVERS") {
            match server(&text) {
                Some(server) if servers.len() < SERVERS && servers.iter().all(|one| one.0 != server.0) => {
                    servers.push(server);
                }
                _ => tracing::warn!(
                    "ARMA_SERVERS: one is left out; write NAME=http://HOST/PATH or NAME=simulated:8, each with a name \
                     of its own, at most {SERVERS}"
                ),
            }
        }
        let poll = environment("ARMA_POLL_SECONDS");
        let poll = poll.map(|text| text.trim().parse().ok().filter(|poll| POLLS.contains(poll)));
        let poll = poll.unwrap_or(Some(POLL)).unwrap_or_else(|| {
            tracing::warn!("ARMA_POLL_SECONDS is no number from 1 to 60: it is taken for {POLL}");
            POLL
        });
        Self {
            servers,
            poll: Duration::from_secs(poll),
            admins: list("ARMA_ADMINS"),
        }
    }
}

/// `NAME=URL`, `NAME=simulated`, `NAME=simulated:8`; without a name it is `server`.
fn server(text: &str) -> Option<(StateKey, Box<dyn GameServer>)> {
    // A URL may hold the sign as well.
    let named = text
        .split_once('=')
        .filter(|(name, _)| !name.contains(['/', ':']));
    let (name, what) = named.unwrap_or(("server", text));
    let key = StateKey::parse(name).ok()?;
    if what.starts_with("http://") || what.starts_with("https://") {
        return Some((key, Box::new(Polled::new(what))));
    }
    let players = match what.strip_prefix("simulated")? {
        "" => PLAYERS_USUAL,
        number => number.strip_prefix(':')?.parse().ok()?,
    };
    Some((key, Box::new(Simulated::new(players.min(PLAYERS)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Settings {
        Settings::of(&|name| {
            let found = pairs.iter().find(|(one, _)| *one == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_anything_no_server_is_watched_and_nobody_named() {
        let settings = of(&[]);
        assert!(settings.servers.is_empty() && settings.admins.is_empty());
        assert_eq!(settings.poll, Duration::from_secs(5));
    }

    #[test]
    fn servers_are_named_by_url_or_simulated() {
        let settings = of(&[
            (
                "ARMA_SERVERS",
                "eu=http://127.0.0.1:1/x?a=b, us=simulated:3,simulated,ftp://x,eu=simulated",
            ),
            ("ARMA_POLL_SECONDS", "2"),
            ("ARMA_ADMINS", "ann, bob"),
        ]);
        let names: Vec<&str> = settings.servers.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(names, ["eu", "us", "server"]);
        assert_eq!(settings.poll, Duration::from_secs(2));
        assert_eq!(settings.admins, ["ann", "bob"]);
        assert_eq!(of(&[("ARMA_POLL_SECONDS", "0")]).poll, Duration::from_secs(5));
    }
}
