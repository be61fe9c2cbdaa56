//! The manager's routes.

use std::time::Duration;

use serde_json::{Value, json};

use super::{DEADLINE, Ground, one};

impl Ground {
    /// What is told of the task that a request has begun, when it has ended.
    async fn ended(&self, begun: &Value) -> Value {
        let id = begun["body"]["task_id"].as_str().expect("an id");
        let path = format!("/api/tasks/status/{id}");
        let ended = async {
            loop {
                let told = self.http("GET", &path, Value::Null).await;
                if told["body"]["status"] != "in_progress" {
                    return told;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, ended).await.expect("it ends")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_managers_routes_start_tasks_of_whoever_asks() {
    let ground = Ground::start();
    let missing = ground.http("POST", "/api/server/one/start", Value::Null).await;
    assert_eq!(
        (&missing["status"], &missing["body"]["detail"]),
        (&json!(404), &json!("Server 'one' not found."))
    );
    let begun = ground.http("POST", "/api/server/install", one()).await;
    let told = json!({
        "status": "accepted", "message": "Installation of server 'one' initiated in background.",
        "server_name": "one", "task_id": begun["body"]["task_id"],
    });
    assert_eq!((&begun["status"], &begun["body"]), (&json!(200), &told));
    assert_eq!(ground.ended(&begun).await["body"]["status"], "success");
    let listed = ground.http("GET", "/bedrock/api/servers", Value::Null).await;
    assert_eq!(listed["body"]["servers"][0]["name"], "one");
    ground.does("server_start", one()).await;
    for (method, path, body) in [
        ("POST", "backup/action", json!({ "backup_type": "all" })),
        ("POST", "backups/prune", Value::Null),
        ("DELETE", "world/reset", Value::Null),
    ] {
        let begun = ground
            .http(method, &format!("/api/server/one/{path}"), body)
            .await;
        assert_eq!(begun["status"], 202, "{path}: {begun}");
        let told = begun["body"].as_object().expect("an object");
        let names: Vec<&str> = told.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["message", "status", "task_id"],
            "newer clients take no more"
        );
        assert_eq!(told["status"], "accepted");
        let told = ground.ended(&begun).await;
        assert_eq!(told["body"]["status"], "success", "{path}: {told}");
        assert_eq!(told["body"]["username"], "ann");
    }
    let sent = ground
        .http(
            "POST",
            "/api/server/one/send_command",
            json!({ "command": "say hi" }),
        )
        .await;
    assert_eq!(sent["body"]["message"], "Command 'say hi' sent successfully.");
    for (path, body, status) in [
        ("backup/action", json!({ "backup_type": "x" }), 400),
        ("restore/action", json!({ "restore_type": "world" }), 400),
        ("send_command", json!({ "command": " " }), 400),
        ("world/install", json!({}), 422),
        ("send_command", json!([1]), 422),
        ("fly", Value::Null, 404),
    ] {
        let refused = ground
            .http("POST", &format!("/api/server/one/{path}"), body)
            .await;
        assert_eq!(refused["status"], status, "{path}: {refused}");
        assert!(refused["body"]["detail"].is_string());
    }
}

/// The client's models for these answers take no other fields.
#[tokio::test(flavor = "multi_thread")]
async fn who_starts_stops_or_restarts_a_server_is_told_what_came_of_it() {
    let ground = Ground::start();
    ground.does("server_install", one()).await;
    for (change, outcome, message) in [
        ("start", "started", "process started"),
        ("start", "already_running", "is already running"),
        ("restart", "restarted", "restarted successfully"),
        ("stop", "stopped", "stopped successfully"),
        ("stop", "already_stopped", "was already stopped"),
        ("restart", "started", "restarted successfully"),
    ] {
        let path = format!("/api/server/one/{change}");
        let answer = ground.http("POST", &path, Value::Null).await;
        let told = json!({
            "status": "success", "outcome": outcome, "server_name": "one",
            "message": format!("Server 'one' {message}."),
        });
        assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &told));
    }
    assert_eq!(
        ground.told("after_server_start").await.len(),
        3,
        "each that began"
    );
    assert_eq!(ground.told("after_server_stop").await.len(), 2);
}
