//! The game as it is at one time: what the state topics say and who is connected.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::state::State;
use super::topics::Names;
use crate::{BrokerError, RawJson, SessionId, StateKey, Topics, UserId};

/// Most sessions that presence gives the game at a time.
const CROWD: usize = 1_000;

#[derive(Debug)]
pub(super) struct Moment {
    pub(super) state: State,
    /// Whom the last tick found connected.
    pub(super) here: Vec<String>,
    /// Who is connected now, on whichever node, each once.
    pub(super) present: Vec<String>,
    /// Their sessions.
    pub(super) sessions: Vec<(String, SessionId)>,
}

impl Moment {
    /// `without` is a session that does not count: it has just come.
    pub(super) async fn read(
        topics: &Topics,
        names: &Names,
        without: Option<SessionId>,
    ) -> Result<Self, BrokerError> {
        let (players, items, clock, members) = tokio::try_join!(
            topics.state(&names.players),
            topics.state(&names.items),
            topics.state(&names.clock),
            topics.members(&names.all),
        )?;
        let sessions: Vec<(String, SessionId)> = members
            .into_iter()
            .filter(|member| Some(member.session) != without)
            .take(CROWD)
            .map(|member| (name_of(member.user.as_ref(), member.session), member.session))
            .collect();
        let mut present: Vec<String> = sessions.iter().map(|(name, _)| name.clone()).collect();
        present.sort();
        present.dedup();
        Ok(Self {
            state: State {
                players: entries(&players),
                places: entries(&items),
                tick: entry(&clock, &names.tick).unwrap_or_default(),
            },
            here: entry(&clock, &names.here).unwrap_or_default(),
            present,
            sessions,
        })
    }

    /// Whether the connection is there that a player has come by last.
    pub(super) fn is_connected(&self, player: &str) -> bool {
        let came_by = self
            .state
            .players
            .get(player)
            .and_then(|player| player.session.as_deref());
        came_by.and_then(SessionId::parse).is_some_and(|session| {
            self.sessions
                .iter()
                .any(|(name, one)| name == player && *one == session)
        })
    }
}

/// A player without a name of its own is a guest, for as long as it is connected.
pub(super) fn name_of(user: Option<&UserId>, session: SessionId) -> String {
    match user {
        Some(user) => user.to_string(),
        None => format!("guest-{}", session.to_string().split_off(26)),
    }
}

pub(super) fn is_guest(name: &str) -> bool {
    name.starts_with("guest-")
}

/// Entries that nobody can read are as if they were not there.
fn entries<T: DeserializeOwned>(map: &BTreeMap<StateKey, RawJson>) -> BTreeMap<String, T> {
    map.iter()
        .filter_map(|(key, value)| {
            Some((
                key.as_str().to_owned(),
                serde_json::from_str(value.as_str()).ok()?,
            ))
        })
        .collect()
}

fn entry<T: DeserializeOwned>(map: &BTreeMap<StateKey, RawJson>, key: &StateKey) -> Option<T> {
    map.get(key)
        .and_then(|value| serde_json::from_str(value.as_str()).ok())
}
