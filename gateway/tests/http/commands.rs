//! The API's commands on topics: many at once, the log, the keys of state topics, and who is there.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_shared::config::Config;
use tidegate_shared::name::{SessionId, UserId};
use tidegate_shared::namespace::{Namespace, Namespaces, TopicKind};
use tidegate_shared::presence::NewMember;
use tidegate_shared::topic::Topic;

use crate::fleet::{Fleet, Ground, on_every_ground};
use crate::node::{Node, config};
use crate::wire::DEADLINE;

/// With the namespaces `room`, whose topics are maps and keep presence, and `loud`, which has no log.
fn with_rooms() -> Config {
    let mut config = config();
    let mut room = Namespace::new("room");
    room.kind = TopicKind::State;
    room.presence = true;
    let mut loud = Namespace::new("loud");
    loud.log_size = 0;
    config.namespaces = Namespaces::new(Namespace::new("default"), [room, loud]);
    config
}

on_every_ground!(
    a_broadcast_has_a_result_or_an_error_for_each_topic,
    a_batch_runs_in_order_and_goes_on_after_what_fails,
    history_gives_the_newest_or_what_follows_a_position,
    keys_are_set_and_removed_on_state_topics_only,
    presence_lists_and_counts_where_the_namespace_keeps_it,
    the_nodes_are_listed_while_they_live,
);

/// Two nodes: what the one has done the other one knows.
async fn two(ground: Ground) -> (Node, Node, Fleet) {
    ground.two(with_rooms()).await
}

async fn done(node: &Node, path: &str, body: Value) -> Value {
    let answer = node.post(path, &body).await;
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
    answer.json()
}

async fn a_broadcast_has_a_result_or_an_error_for_each_topic(ground: Ground) {
    let (node, other, _fleet) = two(ground).await;
    let body = json!({"topics": ["a", "jobs:x", "loud:b", "a"], "data": {"x": 1}, "event": "e"});
    let answer = done(&node, "/api/broadcast", body).await;
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), 4);
    assert_eq!(results[1]["topic"], "jobs:x");
    assert_eq!(results[1]["error"]["code"], 102);
    assert_eq!(results[2], json!({"topic": "loud:b"}));
    let offsets =
        [&results[0]["offset"], &results[3]["offset"]].map(|offset| offset.as_u64().expect("a number"));
    assert_eq!(offsets.iter().sum::<u64>(), 3, "{answer}");
    let page = done(&other, "/api/history", json!({"topic": "a"})).await;
    assert_eq!(page["offset"], 2, "the other node knows");
    for topics in [json!([]), json!(vec!["t"; 1_001])] {
        let body = json!({"topics": topics, "data": 1});
        node.post("/api/broadcast", &body).await.problem(400, 103);
    }
}

async fn a_batch_runs_in_order_and_goes_on_after_what_fails(ground: Ground) {
    let (node, other, _fleet) = two(ground).await;
    let commands = json!([
        {"publish": {"topic": "a", "data": 1}},
        {"publish": {"topic": "job:x", "data": 1}},
        {"publish": {"topic": "a", "data": 2}},
        {"history": {"topic": "a"}},
        {"set": {"topic": "room:1", "key": "k", "value": null}},
        {"broadcast": {"topics": ["a"], "data": 3}},
    ]);
    let answer = done(&node, "/api/batch", json!({"commands": commands})).await;
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), 6);
    assert_eq!(results[0]["publish"]["offset"], 1);
    assert_eq!(results[1]["error"]["name"], "forbidden");
    assert_eq!(results[2]["publish"]["offset"], 2);
    let seen: Vec<_> = results[3]["history"]["publications"]
        .as_array()
        .expect("publications")
        .iter()
        .map(|one| one["data"].clone())
        .collect();
    assert_eq!(seen, [json!(1), json!(2)]);
    assert_eq!(results[4]["set"]["offset"], 1);
    assert_eq!(results[5]["broadcast"]["results"][0]["offset"], 3);
    let page = done(&other, "/api/history", json!({"topic": "a"})).await;
    assert_eq!(page["offset"], 3, "the other node knows");
    let many: Vec<_> = (0..1_001).map(|_| json!({"history": {"topic": "a"}})).collect();
    node.post("/api/batch", &json!({"commands": many}))
        .await
        .problem(400, 103);
    let unknown = json!({"commands": [{"explode": {}}]});
    let detail = node.post("/api/batch", &unknown).await.problem(400, 103);
    assert!(detail.contains("explode"), "{detail}");
}

async fn history_gives_the_newest_or_what_follows_a_position(ground: Ground) {
    let (node, other, _fleet) = two(ground).await;
    let mut first = Value::Null;
    for n in 1..=5 {
        let published = done(&node, "/api/publish", json!({"topic": "a", "data": n})).await;
        if n == 1 {
            first = published;
        }
    }
    let newest = done(&other, "/api/history", json!({"topic": "a", "limit": 2})).await;
    let offsets = |page: &Value| {
        let list = page["publications"].as_array().expect("publications");
        list.iter()
            .map(|one| one["offset"].as_u64().expect("a number"))
            .collect::<Vec<_>>()
    };
    assert_eq!(offsets(&newest), [4, 5]);
    assert_eq!(
        (&newest["topic"], &newest["offset"], &newest["complete"]),
        (&json!("a"), &json!(5), &json!(true))
    );
    let since = json!({"epoch": first["epoch"], "offset": first["offset"], "tag": first["tag"]});
    let rest = done(
        &node,
        "/api/history",
        json!({"topic": "a", "since": since, "limit": 3}),
    )
    .await;
    assert_eq!(offsets(&rest), [2, 3, 4]);
    let lost = json!({"epoch": "x", "offset": 1});
    let nothing = done(&node, "/api/history", json!({"topic": "a", "since": lost})).await;
    assert_eq!((offsets(&nothing), &nothing["complete"]), (vec![], &json!(false)));
    node.post("/api/history", &json!({"topic": "job:x"}))
        .await
        .problem(404, 104);
    node.post(
        "/api/history",
        &json!({"topic": "a", "since": {"epoch": 5, "offset": 1}}),
    )
    .await
    .problem(400, 103);
}

async fn keys_are_set_and_removed_on_state_topics_only(ground: Ground) {
    let (node, other, _fleet) = two(ground).await;
    let set = json!({"topic": "room:1", "key": "door", "value": "open", "ttl_ms": 60_000});
    assert_eq!(done(&node, "/api/set", set).await["offset"], 1);
    let remove = json!({"topic": "room:1", "key": "door"});
    assert_eq!(done(&other, "/api/remove", remove.clone()).await["offset"], 2);
    assert_eq!(
        done(&node, "/api/remove", remove).await["offset"],
        2,
        "nothing was there"
    );
    let plain = json!({"topic": "news", "key": "door", "value": 1});
    node.post("/api/set", &plain).await.problem(403, 102);
    node.post("/api/set", &json!({"topic": "room:1", "key": "door"}))
        .await
        .problem(400, 103);
    let page = done(&other, "/api/history", json!({"topic": "room:1"})).await;
    assert_eq!(page["publications"][0]["type"], "set");
    assert_eq!(page["publications"][1]["type"], "remove");
}

async fn presence_lists_and_counts_where_the_namespace_keeps_it(ground: Ground) {
    let (node, other, _fleet) = two(ground).await;
    let topic = Topic::parse("room:1").expect("valid");
    let session = SessionId::new();
    let member = NewMember {
        session,
        user: UserId::parse("ann").ok(),
        info: None,
    };
    let entered = node
        .backend
        .presence
        .enter(&topic, member, Duration::from_secs(60))
        .await;
    entered.expect("room");
    let present = done(&other, "/api/presence", json!({"topic": "room:1"})).await;
    assert_eq!(present["count"], 1);
    assert_eq!(present["members"][0]["session"], session.to_string());
    assert_eq!(present["members"][0]["user"], "ann");
    let count = done(
        &node,
        "/api/presence",
        json!({"topic": "room:1", "count_only": true}),
    )
    .await;
    assert_eq!(count, json!({"topic": "room:1", "count": 1}));
    let detail = node
        .post("/api/presence", &json!({"topic": "news"}))
        .await
        .problem(403, 102);
    assert!(detail.contains("presence = true"), "{detail}");
}

async fn the_nodes_are_listed_while_they_live(ground: Ground) {
    let (first, second, _fleet) = two(ground).await;
    let nodes = async |count: usize| {
        let waiting = async {
            loop {
                let answer = first.call("GET", "/api/info").await;
                assert_eq!(answer.status, 200);
                let nodes = answer.json()["nodes"].as_array().expect("nodes").clone();
                if nodes.len() == count {
                    return nodes;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting)
            .await
            .expect("so many nodes in time")
    };
    let both = nodes(2).await;
    for node in &both {
        assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(
            (&node["connections"], &node["draining"]),
            (&json!(0), &json!(false))
        );
        assert!(
            node["started_at"]
                .as_u64()
                .is_some_and(|time| time > 1_600_000_000_000)
        );
    }
    second.shutdown.cancel();
    assert!(second.ended().await.is_ok());
    nodes(1).await;
}
