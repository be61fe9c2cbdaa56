//! Who is on a topic: over two nodes, while clients come and go, and when a node is gone.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};
use tidegate_shared::backend::Backend;
use tidegate_shared::config::Config;
use tidegate_shared::name::{SessionId, UserId};
use tidegate_shared::namespace::{Namespace, Namespaces};
use tidegate_shared::presence::{ENTRY_TTL, KEEP_EVERY, NewMember};
use tidegate_shared::topic::Topic;

use crate::client::Client;
use crate::fleet::{Ground, on_every_ground};
use crate::node::{Node, config};
use crate::stream::Stream;
use crate::wire::DEADLINE;

on_every_ground!(
    members_on_both_nodes_are_listed_by_either,
    each_coming_and_going_is_told_once_and_in_its_place,
    who_asks_on_the_way_in_knows_everybody_from_then_on,
    the_clients_of_a_node_that_is_gone_leave_and_are_told_once,
    event_streams_and_subscriptions_made_by_the_server_are_members_too,
    thousands_on_one_topic_are_counted_and_told_in_part,
);

/// Renewals come at their own pace, on a busy machine too.
const SOMETIME: Duration = Duration::from_secs(60);

/// `room` tells who comes and goes, `hall` does not.
fn with_rooms() -> Config {
    let mut config = config();
    let mut room = Namespace::new("room");
    (room.presence, room.join_leave) = (true, true);
    let mut hall = Namespace::new("hall");
    hall.presence = true;
    config.namespaces = Namespaces::new(Namespace::new("default"), [room, hall]);
    config
}

fn topic(name: &str) -> Topic {
    Topic::parse(name).expect("valid")
}

async fn subscribe(client: &mut Client, topic: &str) -> Value {
    let reply = client
        .call(json!({"action": "subscribe", "topic": topic, "presence": true}))
        .await;
    assert_eq!(reply["type"], "subscribed", "{reply}");
    reply
}

async fn unsubscribe(client: &mut Client, topic: &str) {
    let reply = client
        .call(json!({"action": "unsubscribe", "topic": topic}))
        .await;
    assert_eq!(reply["type"], "unsubscribed", "{reply}");
}

/// As a node tells it over HTTP.
async fn present(node: &Node, topic: &str) -> Value {
    let answer = node.post("/api/presence", &json!({"topic": topic})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn until_count(node: &Node, topic: &str, count: usize) {
    let waiting = async {
        while present(node, topic).await["count"] != count {
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(SOMETIME, waiting).await;
    reached.unwrap_or_else(|_| panic!("there are never {count} on {topic}"));
}

fn sessions(members: &Value) -> BTreeSet<String> {
    let members = members.as_array().expect("a list").iter();
    let name = |member: &Value| member["session"].as_str().expect("a session").to_owned();
    members.map(name).collect()
}

async fn enter(node: &Backend, name: &str, user: &str, time: Duration) -> SessionId {
    let session = SessionId::new();
    let member = NewMember {
        session,
        user: UserId::parse(user).ok(),
        info: None,
    };
    let entered = node.presence.enter(&topic(name), member, time).await;
    entered.expect("there is room");
    session
}

async fn members_on_both_nodes_are_listed_by_either(ground: Ground) {
    let (here, there, _fleet) = ground.two(with_rooms()).await;
    let (mut ann, mut bo) = (Client::connect(&here).await, Client::connect(&there).await);
    subscribe(&mut ann, "hall:1").await;
    let subscribed = subscribe(&mut bo, "hall:1").await;
    for node in [&here, &there] {
        let present = present(node, "hall:1").await;
        assert_eq!(present["members"], subscribed["members"]);
        assert_eq!(present["members"][0]["session"], ann.session.as_str());
        assert_eq!(present["members"][1]["session"], bo.session.as_str());
        assert!(present["members"][0]["since"].as_u64() <= present["members"][1]["since"].as_u64());
        let body = json!({"topic": "hall:1", "limit": 1});
        let first = node.post("/api/presence", &body).await.json();
        assert_eq!(first["count"], 2);
        assert_eq!(first["members"].as_array().map(Vec::len), Some(1));
    }
    let list = bo.call(json!({"action": "presence", "topic": "hall:1"})).await;
    assert_eq!(list["members"], subscribed["members"]);
    unsubscribe(&mut ann, "hall:1").await;
    assert_eq!(present(&there, "hall:1").await["count"], 1);
    drop(bo);
    until_count(&here, "hall:1", 0).await;
}

async fn each_coming_and_going_is_told_once_and_in_its_place(ground: Ground) {
    const ROUNDS: usize = 5;
    let (here, there, _fleet) = ground.two(with_rooms()).await;
    let mut watchers = [Client::connect(&here).await, Client::connect(&there).await];
    for watcher in &mut watchers {
        subscribe(watcher, "room:1").await;
    }
    let guests = (0..8).map(|number| {
        let node = if number % 2 == 0 { &here } else { &there };
        async move {
            let mut guest = Client::connect(node).await;
            for _ in 0..ROUNDS {
                subscribe(&mut guest, "room:1").await;
                unsubscribe(&mut guest, "room:1").await;
            }
            guest.session.clone()
        }
    });
    let guests = join_all(guests).await;
    let end = json!({"topic": "room:1", "data": "end"});
    assert_eq!(here.post("/api/publish", &end).await.status, 200);
    let second = watchers[1].session.clone();
    for (number, mut watcher) in watchers.into_iter().enumerate() {
        let mut told = Vec::new();
        loop {
            let push = watcher.next().await;
            if push["data"] == "end" {
                break;
            }
            assert_eq!(push["topic"], "room:1");
            let session = push["member"]["session"].as_str().expect("a session");
            assert_ne!(session, watcher.session, "nobody is told of itself");
            told.push((
                session.to_owned(),
                push["type"].as_str().expect("a type").to_owned(),
            ));
        }
        for guest in &guests {
            let story: Vec<&str> = told
                .iter()
                .filter(|(session, _)| session == guest)
                .map(|(_, kind)| kind.as_str())
                .collect();
            assert_eq!(story, ["join", "leave"].repeat(ROUNDS));
        }
        let others = told.len() - guests.len() * ROUNDS * 2;
        assert_eq!(
            others,
            1 - number,
            "the second one's coming is told the first one"
        );
        assert!(number == 1 || told.iter().any(|(session, _)| *session == second));
    }
}

async fn who_asks_on_the_way_in_knows_everybody_from_then_on(ground: Ground) {
    let (here, there, _fleet) = ground.two(with_rooms()).await;
    let node = |number: usize| if number.is_multiple_of(2) { &here } else { &there };
    let guests = (0..10_usize).map(|number| async move {
        let mut guest = Client::connect(node(number)).await;
        for round in 0..6 {
            subscribe(&mut guest, "room:1").await;
            if round < 5 || number.is_multiple_of(3) {
                unsubscribe(&mut guest, "room:1").await;
            }
        }
        guest
    });
    let watchers = (0..6_usize).map(|number| async move {
        let mut watcher = Client::connect(node(number)).await;
        // Some time while the others come and go.
        for _ in 0..number {
            watcher.call(json!({"action": "ping"})).await;
        }
        let members = subscribe(&mut watcher, "room:1").await["members"].take();
        (watcher, sessions(&members))
    });
    let (guests, watchers) = tokio::join!(join_all(guests), join_all(watchers));
    let truth = sessions(&present(&here, "room:1").await["members"]);
    assert_eq!(truth.len(), watchers.len() + 6);
    let end = json!({"topic": "room:1", "data": "end"});
    assert_eq!(there.post("/api/publish", &end).await.status, 200);
    for (mut watcher, mut known) in watchers {
        loop {
            let push = watcher.next().await;
            if push["data"] == "end" {
                break;
            }
            let session = push["member"]["session"].as_str().expect("a session").to_owned();
            match push["type"].as_str() {
                Some("join") => _ = known.insert(session),
                Some("leave") => _ = known.remove(&session),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(known, truth);
    }
    drop(guests);
}

async fn the_clients_of_a_node_that_is_gone_leave_and_are_told_once(ground: Ground) {
    let (here, there, fleet) = ground.two(with_rooms()).await;
    let mut watchers = [Client::connect(&here).await, Client::connect(&there).await];
    for watcher in &mut watchers {
        subscribe(watcher, "room:1").await;
    }
    // A node that enters its clients, and then is never heard of again.
    let gone = fleet.backend().await;
    let mut lost = BTreeSet::new();
    for user in ["ann", "bo"] {
        let entered = enter(&gone, "room:1", user, Duration::from_secs(2)).await;
        lost.insert(entered.to_string());
    }
    for (number, watcher) in watchers.iter_mut().enumerate() {
        let mut joined = BTreeSet::new();
        let mut left = BTreeSet::new();
        while left.len() < lost.len() {
            let push = watcher.next_within(SOMETIME).await;
            let session = push["member"]["session"].as_str().expect("a session").to_owned();
            let is_new = match push["type"].as_str() {
                Some("join") => joined.insert(session),
                Some("leave") => left.insert(session),
                other => panic!("{other:?}"),
            };
            assert!(is_new, "twice: {push}");
        }
        assert_eq!(left, lost);
        assert_eq!(joined.len(), lost.len() + 1 - number, "the other watcher too");
    }
    let present = watchers[0]
        .ask(json!({"id": 1, "action": "presence", "topic": "room:1"}))
        .await;
    assert_eq!(present["count"], 2, "{present}");
}

async fn event_streams_and_subscriptions_made_by_the_server_are_members_too(ground: Ground) {
    let (here, there, _fleet) = ground.two(with_rooms()).await;
    let mut stream = Stream::follow(&here, "topic=room:1", "").await;
    assert_eq!(stream.next().await["type"], "subscribed");
    let mut client = Client::connect(&there).await;
    let body = json!({"session": client.session, "topic": "room:1"});
    assert_eq!(here.post("/api/subscribe", &body).await.status, 200);
    assert_eq!(client.next().await["type"], "subscribed");
    assert_eq!(present(&there, "room:1").await["count"], 2);
    let join = stream.next().await;
    assert_eq!(
        (&join["type"], &join["member"]["session"]),
        (&json!("join"), &json!(client.session))
    );
    drop(stream);
    assert_eq!(client.next().await["type"], "leave");
    assert_eq!(here.post("/api/unsubscribe", &body).await.status, 200);
    assert_eq!(client.next().await["type"], "unsubscribed");
    assert_eq!(present(&here, "room:1").await["count"], 0);
}

async fn thousands_on_one_topic_are_counted_and_told_in_part(ground: Ground) {
    const MANY: usize = 3_000;
    let (here, there, fleet) = ground.two(with_rooms()).await;
    let other = fleet.backend().await;
    let entering = (0..MANY).map(|number| {
        let member = NewMember {
            session: SessionId::new(),
            user: UserId::parse(&format!("u{number}")).ok(),
            info: None,
        };
        let other = &other;
        async move { other.presence.enter(&topic("hall:1"), member, ENTRY_TTL).await }
    });
    try_join_all(entering).await.expect("there is room");
    let mut client = Client::connect(&here).await;
    let subscribed = subscribe(&mut client, "hall:1").await;
    assert_eq!(subscribed["count"], MANY + 1);
    assert_eq!(sessions(&subscribed["members"]).len(), 1_000);
    let all = present(&there, "hall:1").await;
    assert_eq!(sessions(&all["members"]).len(), MANY + 1);
    let many = (0..50).map(|_| async {
        let mut client = Client::connect(&there).await;
        subscribe(&mut client, "hall:1").await["count"].as_u64()
    });
    let asked = tokio::time::timeout(DEADLINE, join_all(many)).await;
    assert!(
        asked
            .expect("in time")
            .iter()
            .all(|count| *count > Some(MANY as u64))
    );
}

#[tokio::test]
async fn when_redis_forgets_everything_who_is_there_is_entered_again() {
    let (here, there, fleet) = Ground::Redis.two(with_rooms()).await;
    let (mut ann, mut bo) = (Client::connect(&here).await, Client::connect(&there).await);
    for client in [&mut ann, &mut bo] {
        subscribe(client, "hall:1").await;
    }
    fleet.redis().command(&["FLUSHALL"]).await.expect("done");
    until_count(&there, "hall:1", 2).await;
    assert!(KEEP_EVERY < SOMETIME);
}
