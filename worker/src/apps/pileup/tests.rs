//! The station alone, on the embedded backend. Its conversations are in `tests/golden/pileup/`.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::From;
use tidegate_shared::call::{CallDraft, CallError, Caller};
use tidegate_shared::config::Pileup;
use tidegate_shared::embedded::Store;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{MethodName, UserId};
use tidegate_shared::namespace::{Namespace, Namespaces, TopicKind};
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::register;
use crate::Worker;

/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

struct Station {
    backend: Backend,
    _workers: Vec<DropGuard>,
}

impl Station {
    /// Served by so many workers.
    async fn open(workers: usize) -> Self {
        let pileup = Namespace {
            kind: TopicKind::State,
            ..Namespace::new("pileup")
        };
        let store = Store::new(Namespaces::new(Namespace::new("default"), [pileup]));
        let settings = Pileup {
            admin: Some(UserId::parse("op").expect("valid")),
            ..Pileup::default()
        };
        let start = |_| {
            let shutdown = CancellationToken::new();
            let worker = register(Worker::builder(store.open()), &settings).build();
            tokio::spawn(worker.expect("a worker").run(shutdown.clone()));
            shutdown.drop_guard()
        };
        let station = Self {
            _workers: (0..workers).map(start).collect(),
            backend: store.open(),
        };
        let asking = async {
            while station.ask(None, "system.ping", json!({})).await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(DEADLINE, asking)
            .await
            .expect("it is served");
        station
    }

    async fn ask(&self, user: Option<&str>, operation: &str, data: Value) -> Result<Value, String> {
        let draft = CallDraft {
            caller: Caller {
                user: user.map(|user| UserId::parse(user).expect("valid")),
                ..Caller::default()
            },
            timeout: DEADLINE,
            ..CallDraft::new(
                MethodName::parse(&format!("pileup.{operation}")).expect("valid"),
                RawJson::of(&data).expect("JSON"),
            )
        };
        match self.backend.calls.call(draft).await {
            Ok(answer) => Ok(serde_json::from_str(answer.data.as_str()).expect("JSON")),
            Err(CallError::Failed(failure)) => Err(failure.message),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Over HTTP: the status and the body of the answer.
    async fn request(&self, user: Option<&str>, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = json!({ "method": method, "path": path, "body": body.to_string() });
        let answer = self.ask(user, "http", request).await.expect("an answer");
        let status = answer["status"].as_u64().expect("a status");
        (u16::try_from(status).expect("a status"), answer["body"].clone())
    }

    async fn activate(&self) {
        let active = json!({ "active": true });
        self.ask(Some("op"), "admin.set_system_status", active)
            .await
            .expect("open");
    }

    /// The names of the events so far.
    async fn events(&self) -> Vec<String> {
        let topic = Topic::parse("pileup:events").expect("valid");
        let page = self
            .backend
            .broker
            .read(&topic, From::Newest, 100)
            .await
            .expect("read");
        let name = |body: &Body| match body {
            Body::Message {
                event: Some(event), ..
            } => Some(event.to_string()),
            _ => None,
        };
        page.publications
            .iter()
            .filter_map(|one| name(&one.body))
            .collect()
    }
}

#[tokio::test]
async fn two_who_register_one_callsign_at_once_make_one_entry() {
    let station = Station::open(2).await;
    station.activate().await;
    let register = || station.ask(None, "queue.register", json!({ "callsign": "w1aw" }));
    let (one, other) = tokio::join!(register(), register());
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let refused = one.err().or(other.err());
    assert_eq!(refused.as_deref(), Some("Callsign already in queue"));
    let list = station.ask(None, "queue.list", json!({})).await.expect("a list");
    assert_eq!(
        (&list["total"], &list["queue"][0]["callsign"]),
        (&json!(1), &json!("W1AW"))
    );
    assert_eq!(station.events().await, ["system_status", "queue_update"]);
}

#[tokio::test]
async fn what_the_operator_does_nobody_else_may() {
    let station = Station::open(1).await;
    for user in [None, Some("ann")] {
        let refused = station.ask(user, "admin.get_queue", json!({})).await;
        assert_eq!(
            refused,
            Err("Authentication required for this operation".to_owned())
        );
    }
    let queue = station.ask(Some("op"), "admin.get_queue", json!({})).await;
    assert_eq!(queue, Ok(json!({ "queue": [], "total": 0, "admin": true })));
}

#[tokio::test]
async fn a_station_that_is_switched_begins_anew() {
    let station = Station::open(1).await;
    station.activate().await;
    for callsign in ["W1AW", "KC1ABC"] {
        let registered = station
            .ask(None, "queue.register", json!({ "callsign": callsign }))
            .await;
        registered.expect("registered");
    }
    station
        .ask(Some("op"), "admin.next_qso", json!({}))
        .await
        .expect("next");
    station.activate().await;
    let list = station.ask(None, "queue.list", json!({})).await.expect("a list");
    assert_eq!(list["total"], 0);
    let done = station.ask(Some("op"), "admin.complete_qso", json!({})).await;
    assert_eq!(done.expect("done")["completed_qso"], Value::Null);
}

#[tokio::test]
async fn a_full_queue_takes_nobody_until_the_first_is_worked() {
    let station = Station::open(1).await;
    station.activate().await;
    for callsign in ["W1AW", "W2AW", "W3AW", "W4AW"] {
        let data = json!({ "callsign": callsign });
        station.ask(None, "queue.register", data).await.expect("room");
    }
    let fifth = json!({ "callsign": "W5AW" });
    let refused = station.ask(None, "queue.register", fifth.clone()).await;
    assert_eq!(refused, Err("Queue is full".into()));
    let (status, body) = station.request(None, "POST", "/api/queue/register", &fifth).await;
    assert_eq!(status, 400);
    assert_eq!(body["detail"], "Queue is full. Maximum queue size is 4");
    let next = station
        .ask(Some("op"), "admin.next_qso", json!({}))
        .await
        .expect("next");
    assert_eq!(next["current_qso"]["callsign"], "W1AW");
    let fifth = station
        .ask(None, "queue.register", fifth)
        .await
        .expect("room again");
    assert_eq!(fifth["entry"]["position"], 4);
}

#[tokio::test]
async fn what_is_done_over_http_is_the_same_station() {
    let station = Station::open(2).await;
    let op = Some("op");
    let (status, body) = station
        .request(None, "POST", "/api/admin/status", &json!({"active": true}))
        .await;
    assert_eq!((status, &body["detail"]), (401, &json!("Not authenticated")));
    let (status, body) = station
        .request(op, "POST", "/api/admin/status", &json!({"active": true}))
        .await;
    assert_eq!((status, &body["status"]["updated_by"]), (200, &json!("op")));
    let (status, body) = station
        .request(None, "POST", "/api/queue/register", &json!({"callsign": "w1aw"}))
        .await;
    assert_eq!((status, &body["entry"]["callsign"]), (200, &json!("W1AW")));
    let list = station.ask(None, "queue.list", json!({})).await.expect("a list");
    assert_eq!(list["total"], 1);
    let (_, body) = station.request(None, "GET", "/api/queue/list", &json!({})).await;
    assert_eq!(body, list);
    let split = json!({"split": "up 5"});
    station.ask(op, "admin.set_split", split).await.expect("set");
    let (_, body) = station
        .request(None, "GET", "/api/public/split", &json!({}))
        .await;
    assert_eq!(body["split"], "up 5");
    for (method, path, expected) in [
        ("GET", "/api/queue/status/w1aw", 200),
        ("GET", "/api/queue/status/W9AW", 404),
        ("GET", "/api/queue/register", 405),
        ("GET", "/api/queue/nothing", 404),
        ("POST", "/api/queue/register", 422),
        ("DELETE", "/api/admin/queue/W9AW", 404),
        ("POST", "/api/admin/queue/next", 200),
        ("GET", "/api/admin/current", 200),
        ("POST", "/api/admin/qso/complete", 200),
        ("POST", "/api/admin/frequency", 422),
        ("GET", "/api/admin/logger-integration", 200),
        ("GET", "/status", 200),
    ] {
        let (status, body) = station.request(op, method, path, &json!({})).await;
        assert_eq!(status, expected, "{method} {path}: {body}");
    }
    let before = station.events().await.len();
    station
        .request(op, "POST", "/api/admin/status", &json!({"active": false}))
        .await;
    assert_eq!(
        station.events().await[before..],
        ["system_status", "current_qso", "queue_update", "split_update"]
    );
    let (_, body) = station
        .request(None, "GET", "/api/public/split", &json!({}))
        .await;
    assert_eq!(body["split"], Value::Null);
}
