//! What clients' topics are called, and the events that there are.

/// Everything.
pub(super) const ALL: &str = "*";
/// What the topic of an event begins with.
pub(super) const EVENT: &str = "event:";
/// And the one of what a server uses.
pub(super) const MONITOR: &str = "resource-monitor:";

/// What comes twice as `event:before_…` and `event:after_…`.
const AROUND: [&str; 22] = [
    "addon_import",
    "allowlist_change",
    "autostart_change",
    "backup",
    "command_send",
    "delete_server_data",
    "player_db_scan",
    "players_add",
    "prune_backups",
    "restore",
    "server_install",
    "server_start",
    "server_status_change",
    "server_statuses_updated",
    "server_stop",
    "server_update",
    "set_server_setting",
    "web_server_start",
    "web_server_stop",
    "world_export",
    "world_import",
    "world_reset",
];

/// What comes only afterwards.
const AFTER: [&str; 1] = ["server_updated"];

/// The topic of each.
pub(super) fn events() -> impl Iterator<Item = String> {
    let around = AROUND
        .iter()
        .flat_map(|name| ["before", "after"].map(|when| format!("event:{when}_{name}")));
    around.chain(AFTER.iter().map(|name| format!("event:after_{name}")))
}

pub(super) fn is_event(topic: &str) -> bool {
    events().any(|event| event == topic)
}
