//! What is said in a room, kept for a while for those who were there and have lost their connection.
//!
//! The log of `mud:said:{room}` has each line with whoever heard it. Who comes back is told those that it has not,
//! since it was there: so nothing depends on when a connection was found to be gone. It is pure but for the names of
//! the topics' entries: who reads and writes them is `methods.rs`.

use serde::{Deserialize, Serialize};

/// Most lines that somebody who comes back is told.
const TOLD: usize = 20;
/// Of so many lines back is known who heard them.
pub(super) const KEPT: usize = 100;
/// With more in one room it is not kept who heard a line: nobody misses it.
const CROWD: usize = 100;
/// Where a node may have died with a player's connection, lines so new may not have reached it. In milliseconds.
const DOUBT: u64 = 30_000;

/// A line, or that a player has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spoken {
    pub(super) player: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<String>,
    /// Who was there, besides the player. Empty where it was a crowd.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    heard: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    by_all: bool,
}

impl Spoken {
    pub(super) fn line(player: &str, line: &str, heard: Vec<String>) -> Self {
        let by_all = heard.len() > CROWD;
        Self {
            player: player.to_owned(),
            line: Some(line.to_owned()),
            heard: if by_all { Vec::new() } else { heard },
            by_all,
        }
    }

    pub(super) fn arrival(player: &str) -> Self {
        Self {
            player: player.to_owned(),
            line: None,
            heard: Vec::new(),
            by_all: false,
        }
    }

    fn reached(&self, player: &str) -> bool {
        self.by_all || self.heard.iter().any(|name| name == player)
    }
}

/// What a player has missed of a room's log, the oldest first; each with the time it was written at. `doubtful_at`: the
/// player's last connection may have been lost without a word, and it is this late.
pub(super) fn missed<'a>(log: &'a [(u64, Spoken)], player: &str, doubtful_at: Option<u64>) -> Vec<&'a str> {
    let own = log.iter().rposition(|(_, one)| one.player == player);
    let first = own.or_else(|| {
        log.iter()
            .position(|(_, one)| one.heard.iter().any(|name| name == player))
    });
    let Some(first) = first else {
        return Vec::new();
    };
    let is_doubtful = |at: u64| doubtful_at.is_some_and(|now| at.saturating_add(DOUBT) >= now);
    let since = log[first..].iter().filter(|(_, one)| one.player != player);
    let unheard = since.filter(|(at, one)| !one.reached(player) || is_doubtful(*at));
    let mut lines: Vec<&str> = unheard.filter_map(|(_, one)| one.line.as_deref()).collect();
    lines.drain(..lines.len().saturating_sub(TOLD));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(entries: Vec<Spoken>) -> Vec<(u64, Spoken)> {
        entries
            .into_iter()
            .zip(1..)
            .map(|(one, seconds)| (seconds * 20_000, one))
            .collect()
    }

    fn said(line: &str, heard: &[&str]) -> Spoken {
        Spoken::line("bob", line, heard.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn who_comes_back_is_told_what_it_has_not_heard_since_it_was_there() {
        let log = log(vec![
            said("before", &[]),
            Spoken::arrival("alice"),
            said("heard", &["alice"]),
            said("missed", &[]),
            said("missed as well", &["carol"]),
        ]);
        assert_eq!(missed(&log, "alice", None), ["missed", "missed as well"]);
        assert_eq!(missed(&log, "carol", None), Vec::<&str>::new());
        assert!(missed(&log, "dave", None).is_empty(), "it was never there");
        assert!(missed(&log, "bob", None).is_empty(), "it said so itself");
    }

    #[test]
    fn where_a_node_may_have_died_new_lines_are_told_though_they_seemed_to_be_heard() {
        let log = log(vec![
            Spoken::arrival("alice"),
            said("heard", &["alice"]),
            said("perhaps", &["alice"]),
            said("perhaps too", &["alice"]),
        ]);
        assert_eq!(missed(&log, "alice", Some(81_000)), ["perhaps", "perhaps too"]);
        assert!(missed(&log, "alice", None).is_empty());
    }

    #[test]
    fn no_more_is_told_than_fits_on_a_screen_and_a_crowd_misses_nothing() {
        let many = (0..2 * TOLD).map(|number| said(&number.to_string(), &[]));
        let log = log([Spoken::arrival("alice")].into_iter().chain(many).collect());
        let told = missed(&log, "alice", None);
        assert_eq!((told.len(), told.first()), (TOLD, Some(&"20")));
        let crowd = Spoken::line("bob", "hi", vec!["somebody".to_owned(); CROWD + 1]);
        assert!(crowd.heard.is_empty());
        let log = [(1, Spoken::arrival("alice")), (2, crowd)];
        assert!(missed(&log, "alice", None).is_empty());
    }
}
