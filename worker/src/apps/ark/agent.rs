//! The machines that servers run on: who they are, and whether they are there.
//!
//! An agent that has said nothing for as long as three of its heartbeats take is offline, by the backend's clock.
//! Whichever worker looks: that it is told once is the idempotency key's work, which names the last heartbeat.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tidegate_shared::broker::Draft;
use tidegate_shared::clock::now_ms;
use tidegate_shared::iso;
use tidegate_shared::name::{EventName, IdempotencyKey};
use tidegate_shared::publication::Body;

use super::error::ArkError;
use super::instance::shown;
use super::places::{Places, fields, forget, keep, keep_for, load, new_id, tell};
use crate::topics::Topics;

const HOST_LIMIT: usize = 255;
/// Between two heartbeats, in seconds, unless the agent says otherwise when it registers.
const INTERVAL: u64 = 10;
const INTERVALS: std::ops::RangeInclusive<u64> = 1..=3_600;
/// So many heartbeats may be missing.
const MISSING: u64 = 3;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agent {
    #[serde(rename = "agentId")]
    pub(super) id: String,
    pub(super) hostname: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capabilities: Option<Map<String, Value>>,
    registered_at: String,
    heartbeat_interval_seconds: u64,
    /// Kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<AgentStatus>,
    /// When it was heard of last; of one that is there, kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seen_at: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum AgentStatus {
    Offline,
    Registering,
    Online,
    Degraded,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registration {
    agent_id: String,
    hostname: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    capabilities: Option<Map<String, Value>>,
    #[serde(default)]
    heartbeat_interval_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Heartbeat {
    #[serde(default)]
    pub(super) agent_id: Option<String>,
    #[serde(default)]
    status: Option<AgentStatus>,
}

/// What an agent is told when it registers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registered {
    agent_id: String,
    status: AgentStatus,
    assigned_jobs: [String; 0],
    config: AgentConfig,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AgentConfig {
    poll_interval_seconds: u64,
    heartbeat_interval_seconds: u64,
    max_retries: u32,
}

/// What an agent said last. It is kept twice: for as long as it may be silent, by the backend's clock; and until
/// it was told that it is silent.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Heard {
    status: AgentStatus,
    /// As told to people; nothing is decided by it.
    at: String,
    /// No two are the same.
    mark: String,
}

pub(super) async fn register(
    places: &Places,
    topics: &Topics,
    new: Registration,
) -> Result<Registered, ArkError> {
    if new.hostname.trim().is_empty() || new.hostname.len() > HOST_LIMIT {
        return Err(ArkError::wrong("the hostname of an agent has 1 to 255 bytes"));
    }
    let interval = new.heartbeat_interval_seconds.unwrap_or(INTERVAL);
    if !INTERVALS.contains(&interval) {
        return Err(ArkError::wrong("heartbeatIntervalSeconds is from 1 to 3600"));
    }
    let now = iso::time(now_ms());
    let agent = Agent {
        id: new.agent_id,
        hostname: new.hostname,
        version: new.version,
        capabilities: new.capabilities,
        registered_at: now.clone(),
        heartbeat_interval_seconds: interval,
        status: None,
        last_seen_at: None,
    };
    keep(topics, &places.agents, &agent.id, &agent).await?;
    hear(places, topics, &agent, AgentStatus::Online, &now).await?;
    let registered = [
        ("agentId", json!(&agent.id)),
        ("hostname", json!(&agent.hostname)),
        ("registeredAt", json!(&agent.registered_at)),
    ];
    tell(topics, &places.events, "agent:registered", &registered).await?;
    Ok(Registered {
        agent_id: agent.id,
        status: AgentStatus::Online,
        assigned_jobs: [],
        config: AgentConfig {
            poll_interval_seconds: 5,
            heartbeat_interval_seconds: interval,
            max_retries: 3,
        },
    })
}

pub(super) async fn heartbeat(
    places: &Places,
    topics: &Topics,
    id: &str,
    beat: &Heartbeat,
) -> Result<(), ArkError> {
    let agent = find(places, topics, id).await?;
    let (status, now) = (beat.status.unwrap_or(AgentStatus::Online), iso::time(now_ms()));
    hear(places, topics, &agent, status, &now).await?;
    let told = [
        ("agentId", json!(id)),
        ("status", json!(status)),
        ("timestamp", json!(now)),
    ];
    tell(topics, &places.events, "agent:heartbeat", &told).await
}

/// Online before watched: who is found on the second list was on the first.
async fn hear(
    places: &Places,
    topics: &Topics,
    agent: &Agent,
    status: AgentStatus,
    now: &str,
) -> Result<(), ArkError> {
    let heard = Heard {
        status,
        at: now.to_owned(),
        mark: new_id(),
    };
    let patience = Duration::from_secs(agent.heartbeat_interval_seconds * MISSING);
    keep_for(topics, &places.online, &agent.id, &heard, patience).await?;
    keep(topics, &places.watched, &agent.id, &heard).await
}

pub(super) async fn all(places: &Places, topics: &Topics) -> Result<Vec<Agent>, ArkError> {
    let agents: BTreeMap<String, Agent> = load(topics, &places.agents).await?;
    let online: BTreeMap<String, Heard> = load(topics, &places.online).await?;
    let whole = |agent: Agent| match online.get(&agent.id) {
        Some(heard) => Agent {
            status: Some(heard.status),
            last_seen_at: Some(heard.at.clone()),
            ..agent
        },
        None => Agent {
            status: Some(AgentStatus::Offline),
            ..agent
        },
    };
    Ok(agents.into_values().map(whole).collect())
}

pub(super) async fn find(places: &Places, topics: &Topics, id: &str) -> Result<Agent, ArkError> {
    let found = all(places, topics)
        .await?
        .into_iter()
        .find(|agent| agent.id == id);
    found.ok_or_else(|| ArkError::Unknown("Agent", shown(id)))
}

/// Tells of the agents that have fallen silent.
pub(super) async fn look(places: &Places, topics: &Topics) -> Result<(), ArkError> {
    let watched: BTreeMap<String, Heard> = load(topics, &places.watched).await?;
    if watched.is_empty() {
        return Ok(());
    }
    let online: BTreeMap<String, Heard> = load(topics, &places.online).await?;
    for (id, heard) in watched {
        if !online.contains_key(&id) {
            missing(places, topics, &id, &heard).await?;
        }
    }
    Ok(())
}

/// Told first, and taken off the list then: a worker that dies in between has told it, and the next that looks
/// tells nothing more.
async fn missing(places: &Places, topics: &Topics, id: &str, heard: &Heard) -> Result<(), ArkError> {
    let event = EventName::parse("agent:offline");
    // The same for every worker that finds it missing.
    let key = IdempotencyKey::parse(&format!("offline.{}", heard.mark));
    let data = [("agentId", json!(id)), ("lastSeenAt", json!(heard.at))];
    let draft = Draft {
        key: Some(key.map_err(|error| ArkError::Wrong(error.to_string()))?),
        ..Draft::new(Body::Message {
            data: fields(&data),
            event: Some(event.map_err(|error| ArkError::Wrong(error.to_string()))?),
        })
    };
    topics.write(&places.events, draft).await?;
    let agents: BTreeMap<String, Agent> = load(topics, &places.agents).await?;
    if let Some(agent) = agents.get(id) {
        let agent = Agent {
            last_seen_at: Some(heard.at.clone()),
            ..agent.clone()
        };
        keep(topics, &places.agents, id, &agent).await?;
    }
    // If it was heard of just now, its next heartbeat puts it on the list again.
    forget(topics, &places.watched, id).await?;
    Ok(())
}
