use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{Draft, From};
use tidegate_shared::call::{CallDraft, CallError, Caller};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::embedded::Store;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{MethodName, SessionId, StateKey, UserId};
use tidegate_shared::namespace::Namespaces;
use tidegate_shared::publication::{Body, Snapshot};
use tidegate_shared::topic::Topic;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::register;
use crate::worker::Worker;

const DEADLINE: Duration = Duration::from_secs(30);

fn start(backend: Backend, variables: &[(&str, String)], end: &CancellationToken) -> JoinHandle<()> {
    let environment = |name: &str| {
        let found = variables.iter().find(|(one, _)| *one == name);
        found.map(|(_, value)| value.clone())
    };
    let worker = register(Worker::builder(backend), &environment).build();
    let running = worker.expect("a worker").run(end.clone());
    tokio::spawn(async move { running.await.expect("it ends well") })
}

async fn state(backend: &Backend, topic: &str) -> BTreeMap<String, Value> {
    let topic = Topic::parse(topic).expect("a topic");
    let page = backend.broker.read(&topic, From::Now, 0).await.expect("a page");
    match page.snapshot {
        Some(Snapshot::State(map)) => map
            .into_iter()
            .map(|(key, value)| {
                (
                    key.to_string(),
                    serde_json::from_str(value.as_str()).expect("JSON"),
                )
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Waits until the state is as wanted.
async fn until(
    backend: &Backend,
    topic: &str,
    wanted: impl Fn(&BTreeMap<String, Value>) -> bool,
) -> BTreeMap<String, Value> {
    let look = async {
        loop {
            let state = state(backend, topic).await;
            if wanted(&state) {
                return state;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, look).await.expect("in time")
}

/// Answers every request with this document, and counts them.
async fn server(document: Value) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/players.json", listener.local_addr().expect("bound"));
    let count = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let body = document.to_string();
            let mut head = [0; 1_024];
            let _ = stream.read(&mut head).await;
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn players_of_a_game_server_are_put_on_the_map_by_one_worker_of_all() {
    let document = json!({
        "map": "Everon", "max_players": 64,
        "players": [
            { "user_id": 7, "username": "Ann", "x": 1.5, "y": 2.0, "team": "blue" },
            { "user_id": 0, "x": 1, "y": 1 },
            { "user_id": 8, "x": "far", "y": 1 },
        ],
    });
    let (url, _asked) = server(document).await;
    let store = Store::new(Namespaces::default());
    let (backend, end) = (store.open(), CancellationToken::new());
    let variables = [
        ("ARMA_SERVERS", format!("eu={url},us=simulated:3")),
        ("ARMA_POLL_SECONDS", "1".to_owned()),
    ];
    let workers = [
        start(store.open(), &variables, &end),
        start(store.open(), &variables, &end),
    ];
    let positions = until(&backend, "arma:positions", |map| map.len() >= 4).await;
    let ann = &positions["7"];
    assert_eq!(
        (&ann["username"], &ann["x"], &ann["team"]),
        (&json!("Ann"), &json!(1.5), &json!("blue"))
    );
    assert!(ann["timestamp"].is_string(), "{ann}");
    assert_eq!(
        positions.keys().cloned().collect::<Vec<_>>(),
        ["7", "900001", "900002", "900003"]
    );
    let servers = until(&backend, "arma:servers", |map| map.len() == 2).await;
    assert_eq!(
        servers["eu"],
        json!({ "name": "", "map": "Everon", "player_count": 3, "max_players": 64 })
    );
    assert_eq!(servers["us"]["player_count"], 3);

    // Who does not move is told once, whoever looks; who walks is told anew with each look.
    until(&backend, "arma:positions", |map| {
        map["900001"] != positions["900001"]
    })
    .await;
    let topic = Topic::parse("arma:positions").expect("a topic");
    let log = backend
        .broker
        .read(&topic, From::Newest, 1_000)
        .await
        .expect("a log");
    let of = |id: &str| {
        let is = |body: &Body| matches!(body, Body::Set { key, .. } if key.as_str() == id);
        log.publications.iter().filter(|one| is(&one.body)).count()
    };
    // Once when it was seen first, and once more if it was time to keep all anew.
    assert!(
        of("7") <= 2 && of("900001") >= 2,
        "{} and {}",
        of("7"),
        of("900001")
    );
    end.cancel();
    for worker in workers {
        timeout(DEADLINE, worker)
            .await
            .expect("in time")
            .expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_clear_markers_and_announce_and_others_may_not() {
    let store = Store::new(Namespaces::default());
    let (backend, end) = (store.open(), CancellationToken::new());
    let worker = start(store.open(), &[("ARMA_ADMINS", "ann".to_owned())], &end);
    let markers = Topic::parse("arma:markers").expect("a topic");
    for (key, marker) in [
        ("1_a", json!({ "type": "enemy", "user_id": 1 })),
        ("1_b", json!({ "type": "friendly", "user_id": 1 })),
        ("2_a", json!({ "type": "enemy", "user_id": 2 })),
    ] {
        let body = Body::Set {
            key: StateKey::parse(key).expect("a key"),
            value: RawJson::of(&marker).expect("JSON"),
        };
        backend
            .broker
            .publish(&markers, Draft::new(body))
            .await
            .expect("set");
    }
    let call = async |user: &str, method: &str, data: Value| {
        let draft = CallDraft {
            caller: Caller {
                user: Some(UserId::parse(user).expect("a user")),
                session: Some(SessionId::new()),
                info: None,
            },
            ..CallDraft::new(
                MethodName::parse(method).expect("a method"),
                RawJson::of(&data).expect("JSON"),
            )
        };
        let answered = async {
            loop {
                match backend.calls.call(draft.clone()).await {
                    Err(CallError::NoWorker(_)) => tokio::task::yield_now().await,
                    other => return other.map(|answer| answer.data.as_str().to_owned()),
                }
            }
        };
        timeout(DEADLINE, answered).await.expect("in time")
    };
    for method in ["arma.clear_markers", "arma.kick", "arma.announce"] {
        let data = match method {
            "arma.kick" => json!({ "user_id": 1 }),
            "arma.announce" => json!({ "message": "hi" }),
            _ => json!({}),
        };
        let refused = call("bob", method, data).await.expect_err("bob is no admin");
        assert_eq!(refused.code(), ErrorCode::Forbidden, "{method}");
    }
    let cleared = call(
        "ann",
        "arma.clear_markers",
        json!({ "user_id": 1, "type": "enemy" }),
    )
    .await;
    assert_eq!(cleared.expect("cleared"), r#"{"removed":1}"#);
    let left = state(&backend, "arma:markers").await;
    assert_eq!(left.into_keys().collect::<Vec<_>>(), ["1_b", "2_a"]);
    let cleared = call("ann", "arma.clear_markers", Value::Null).await;
    assert_eq!(cleared.expect("cleared"), r#"{"removed":2}"#);

    call("ann", "arma.announce", json!({ "message": "restart" }))
        .await
        .expect("said");
    let chat = Topic::parse("chat:arma").expect("a topic");
    let log = backend.broker.read(&chat, From::Newest, 10).await.expect("a log");
    let Some(Body::Message { data, .. }) = log.publications.last().map(|one| one.body.clone()) else {
        panic!("nothing was said");
    };
    assert!(
        data.as_str()
            .starts_with(r#"{"type":"chat_message","username":"SERVER","message":"restart","timestamp":""#),
        "{}",
        data.as_str()
    );
    let wrong = call("ann", "arma.kick", json!({})).await.expect_err("whom?");
    assert_eq!(wrong.code(), ErrorCode::BadRequest);
    end.cancel();
    timeout(DEADLINE, worker)
        .await
        .expect("in time")
        .expect("no panic");
}
