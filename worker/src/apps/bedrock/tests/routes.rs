//! The manager's routes.

use std::time::Duration;

use serde_json::{Value, json};

use super::{DEADLINE, Ground, one};

#[tokio::test(flavor = "multi_thread")]
async fn the_managers_routes_start_tasks_of_whoever_asks() {
    let ground = Ground::start();
    let missing = ground.http("POST", "/api/server/one/start", Value::Null).await;
    assert_eq!(
        (&missing["status"], &missing["body"]["detail"]),
        (&json!(404), &json!("Server 'one' not found."))
    );
    ground.does("server_install", one()).await;
    let listed = ground.http("GET", "/bedrock/api/servers", Value::Null).await;
    assert_eq!(listed["body"]["servers"][0]["name"], "one");
    for (method, path, body) in [
        ("POST", "start", Value::Null),
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
        let id = begun["body"]["task_id"].as_str().expect("an id").to_owned();
        let ended = async {
            loop {
                let told = ground
                    .http("GET", &format!("/api/tasks/status/{id}"), Value::Null)
                    .await;
                if told["body"]["status"] != "in_progress" {
                    return told;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let told = tokio::time::timeout(DEADLINE, ended).await.expect("it ends");
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
