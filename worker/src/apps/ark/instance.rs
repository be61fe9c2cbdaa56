//! Servers: what they are called, what they do, what they write.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tidegate_shared::clock::now_ms;
use tidegate_shared::iso;

use super::agent;
use super::error::ArkError;
use super::kind::Status;
use super::places::{Places, forget, keep, load, new_id, tell};
use crate::topics::Topics;

const NAME_LIMIT: usize = 128;
/// Of an instance's own settings, in bytes as JSON.
const CONFIG_LIMIT: usize = 32 * 1024;
const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Instance {
    #[serde(rename = "instanceId")]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) game_type: GameType,
    /// Kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<Status>,
    pub(super) agent_id: String,
    pub(super) created_at: String,
    pub(super) updated_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) config: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum GameType {
    Asa,
    Ase,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewInstance {
    pub(super) name: String,
    pub(super) game_type: GameType,
    #[serde(default)]
    pub(super) agent_id: Option<String>,
    #[serde(default)]
    pub(super) config: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) config: Option<Map<String, Value>>,
    /// What whoever runs it has seen it do.
    #[serde(default)]
    pub(super) status: Option<Status>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NewLine {
    #[serde(default)]
    pub(super) timestamp: Option<String>,
    #[serde(default)]
    pub(super) level: Option<String>,
    pub(super) message: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Known {
    status: Status,
}

pub(super) async fn create(places: &Places, topics: &Topics, new: NewInstance) -> Result<Instance, ArkError> {
    check(Some(&new.name), new.config.as_ref())?;
    let agent_id = new.agent_id.unwrap_or_default();
    if !agent_id.is_empty() {
        agent::find(places, topics, &agent_id).await?;
    }
    let now = iso::time(now_ms());
    let mut instance = Instance {
        id: new_id(),
        name: new.name,
        game_type: new.game_type,
        status: None,
        agent_id,
        created_at: now.clone(),
        updated_at: now,
        config: new.config,
    };
    let id = instance.id.clone();
    keep(topics, &places.instances, &id, &instance).await?;
    let created = [
        ("instanceId", json!(&id)),
        ("name", json!(&instance.name)),
        ("gameType", json!(instance.game_type)),
        ("createdAt", json!(&instance.created_at)),
    ];
    tell(topics, &places.events, "instance:created", &created).await?;
    instance.status = Some(Status::Stopped);
    Ok(instance)
}

/// All of them, newest first.
pub(super) async fn all(places: &Places, topics: &Topics) -> Result<Vec<Instance>, ArkError> {
    let instances: BTreeMap<String, Instance> = load(topics, &places.instances).await?;
    let statuses: BTreeMap<String, Known> = load(topics, &places.statuses).await?;
    let mut all: Vec<Instance> = instances
        .into_values()
        .map(|instance| Instance {
            status: Some(
                statuses
                    .get(&instance.id)
                    .map_or(Status::Stopped, |known| known.status),
            ),
            ..instance
        })
        .collect();
    all.sort_by(|a, b| b.created_at.cmp(&a.created_at));
    Ok(all)
}

pub(super) async fn find(places: &Places, topics: &Topics, id: &str) -> Result<Instance, ArkError> {
    let mut all = all(places, topics).await?.into_iter();
    let found = all.find(|instance| instance.id == id);
    found.ok_or_else(|| ArkError::Unknown("Instance", shown(id)))
}

pub(super) async fn change(
    places: &Places,
    topics: &Topics,
    id: &str,
    change: Change,
) -> Result<Instance, ArkError> {
    check(change.name.as_deref(), change.config.as_ref())?;
    let mut instance = find(places, topics, id).await?;
    if change.name.is_some() || change.config.is_some() {
        instance.updated_at = iso::time(now_ms());
        instance.name = change.name.unwrap_or(instance.name);
        instance.config = change.config.or(instance.config);
        let kept = Instance {
            status: None,
            ..instance.clone()
        };
        keep(topics, &places.instances, id, &kept).await?;
        let updated = [
            ("instanceId", json!(id)),
            ("updatedAt", json!(&instance.updated_at)),
        ];
        tell(topics, &places.events, "instance:updated", &updated).await?;
    }
    if let Some(status) = change.status {
        set_status(places, topics, id, status).await?;
        instance.status = Some(status);
    }
    Ok(instance)
}

/// The caller has made sure that no job is about it.
pub(super) async fn delete(places: &Places, topics: &Topics, id: &str) -> Result<(), ArkError> {
    if !forget(topics, &places.instances, id).await? {
        return Err(ArkError::Unknown("Instance", shown(id)));
    }
    forget(topics, &places.statuses, id).await?;
    let deleted = [
        ("instanceId", json!(id)),
        ("deletedAt", json!(iso::time(now_ms()))),
    ];
    tell(topics, &places.events, "instance:deleted", &deleted).await
}

/// Tells what an instance does from now on; nothing if it does that already. It is told before it is kept: if
/// the worker dies in between, it is told again.
pub(super) async fn set_status(
    places: &Places,
    topics: &Topics,
    id: &str,
    status: Status,
) -> Result<(), ArkError> {
    let statuses: BTreeMap<String, Known> = load(topics, &places.statuses).await?;
    let now = statuses.get(id).map_or(Status::Stopped, |known| known.status);
    if now == status {
        return Ok(());
    }
    let changed = [
        ("instanceId", json!(id)),
        ("status", json!(status)),
        ("changedAt", json!(iso::time(now_ms()))),
    ];
    tell(topics, &places.events, "instance:status_changed", &changed).await?;
    keep(topics, &places.statuses, id, &Known { status }).await
}

pub(super) async fn log(places: &Places, topics: &Topics, id: &str, line: NewLine) -> Result<(), ArkError> {
    let level = line.level.unwrap_or_else(|| "INFO".into()).to_uppercase();
    if !LEVELS.contains(&level.as_str()) {
        return Err(ArkError::Wrong(format!(
            "the level of a line is one of {}",
            LEVELS.join(", ")
        )));
    }
    let timestamp = line.timestamp.unwrap_or_else(|| iso::time(now_ms()));
    let line = [
        ("instanceId", json!(id)),
        ("timestamp", json!(timestamp)),
        ("level", json!(level)),
        ("message", json!(line.message)),
    ];
    tell(topics, &places.lines, "instance:log", &line).await
}

fn check(name: Option<&str>, config: Option<&Map<String, Value>>) -> Result<(), ArkError> {
    if name.is_some_and(|name| name.trim().is_empty() || name.len() > NAME_LIMIT) {
        return Err(ArkError::wrong("the name of an instance has 1 to 128 bytes"));
    }
    let size = config.map_or(0, |config| {
        serde_json::to_vec(config).map_or(usize::MAX, |bytes| bytes.len())
    });
    if size > CONFIG_LIMIT {
        return Err(ArkError::wrong("the config of an instance has at most 32 KiB"));
    }
    Ok(())
}

/// An id as it may be said again.
pub(super) fn shown(id: &str) -> String {
    id.chars().take(64).flat_map(char::escape_debug).collect()
}
