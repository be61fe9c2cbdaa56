//! Setting and removing keys.

use tidegate_shared::broker::{BrokerError, Draft, From, Published};
use tidegate_shared::name::{IdempotencyKey, SessionId};
use tidegate_shared::publication::Body;

use super::{Map, fold_all, key, map_of, remove, remove_draft, set, set_draft, snapshot};
use crate::contract::broker::{
    ALL, assert_contiguous, attach, json, publish, read, read_some, send, top, topic,
};
use crate::contract::{Ear, World, eventually};

pub(crate) async fn a_change_is_in_the_map_in_the_log_and_heard<W: World>(world: W) {
    let (listener, setter) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    let topic = topic("state:t");
    let (start, empty) = snapshot(&listener, &topic).await;
    assert_eq!((start.offset, empty.len()), (0, 0), "an empty map is a map");
    attach(&listener, &topic).await;
    let session = SessionId::new();
    let excluding = Draft {
        exclude: Some(session),
        ..set_draft("größe/1:2", "{ \"a\": 1.50 }", None)
    };
    let first = send(&setter, &topic, excluding).await.position.expect("a log");
    set(&setter, &topic, "b", "1").await;
    set(&setter, &topic, "b", "1").await;
    let removed = remove(&setter, &topic, "b").await;
    assert!(removed.changed);

    let heard = ear.take(4).await;
    assert_contiguous(start, &heard);
    assert_eq!(heard[0].place.expect("a log").position, first);
    assert_eq!(heard[0].exclude, Some(session));
    let of_b = || Body::Set {
        key: key("b"),
        value: json("1"),
    };
    let bodies: Vec<Body> = heard.iter().map(|one| one.body.clone()).collect();
    let expected = [
        Body::Set {
            key: key("größe/1:2"),
            value: json("{ \"a\": 1.50 }"),
        },
        of_b(),
        of_b(),
        Body::Remove {
            key: key("b"),
            expired: false,
        },
    ];
    assert_eq!(bodies, expected);
    assert_eq!(read(&listener, &topic, From::Newest).await.publications, heard);
    let (at, map) = snapshot(&listener, &topic).await;
    assert_eq!(Some(at), removed.position);
    assert_eq!(map, Map::from([("größe/1:2".into(), "{ \"a\": 1.50 }".into())]));
}

pub(crate) async fn removing_what_is_not_there_publishes_nothing<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    let topic = topic("state:t");
    attach(&node, &topic).await;
    let nothing = |position| Published {
        position: Some(position),
        duplicate: false,
        changed: false,
    };
    let removed = remove(&node, &topic, "x").await;
    assert_eq!(
        removed,
        nothing(top(&node, &topic).await),
        "nor on a topic without a numbering"
    );
    let position = set(&node, &topic, "a", "1").await;
    assert_eq!(remove(&node, &topic, "x").await, nothing(position));
    remove(&node, &topic, "a").await;
    assert!(!remove(&node, &topic, "a").await.changed, "it is removed once");
    assert_eq!(ear.all_until_now(&node).await.len(), 2);
}

pub(crate) async fn a_message_leaves_the_map_as_it_is<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("state:t");
    let start = top(&node, &topic).await;
    publish(&node, &topic, "1").await;
    set(&node, &topic, "a", "2").await;
    let last = publish(&node, &topic, "3").await.position;
    let (at, map) = snapshot(&node, &topic).await;
    assert_eq!((Some(at), map), (last, Map::from([("a".into(), "2".into())])));
    let page = read(&node, &topic, From::After(start.into())).await;
    assert_contiguous(start, &page.publications);
    assert_eq!(page.publications.len(), 3);
    assert!(page.snapshot.is_none());
}

pub(crate) async fn a_repeated_idempotency_key_changes_nothing<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("state:t");
    let keyed = |draft: Draft, key: &str| Draft {
        key: Some(IdempotencyKey::parse(key).expect("valid")),
        ..draft
    };
    let first = send(&node, &topic, keyed(set_draft("a", "1", None), "k1")).await;
    let idle = send(&node, &topic, keyed(remove_draft("b"), "k2")).await;
    assert_eq!((first.changed, idle.changed), (true, false));
    set(&node, &topic, "a", "2").await;
    set(&node, &topic, "b", "2").await;
    for (draft, key, position) in [
        (set_draft("a", "1", None), "k1", first.position),
        (remove_draft("b"), "k2", idle.position),
        (remove_draft("a"), "k1", first.position),
    ] {
        let again = send(&node, &topic, keyed(draft, key)).await;
        let expected = Published {
            position,
            duplicate: true,
            changed: false,
        };
        assert_eq!(again, expected, "{key}");
    }
    let (at, map) = snapshot(&node, &topic).await;
    assert_eq!(at.offset, 3);
    assert_eq!(
        map,
        Map::from([("a".into(), "2".into()), ("b".into(), "2".into())])
    );
}

pub(crate) async fn only_state_topics_have_keys<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    for name in ["t", "fire:t", "bare:t", "user:u", "jobs:q"] {
        let topic = topic(name);
        attach(&node, &topic).await;
        for draft in [set_draft("a", "1", None), remove_draft("a")] {
            let refused = node.broker.publish(&topic, draft).await;
            assert!(
                matches!(refused, Err(BrokerError::Forbidden(_))),
                "{name}: {refused:?}"
            );
        }
    }
    let state = topic("state:t");
    attach(&node, &state).await;
    let by_expiry = Body::Remove {
        key: key("a"),
        expired: true,
    };
    for body in [by_expiry, Body::Job { record: json("{}") }] {
        let refused = node.broker.publish(&state, Draft::new(body)).await;
        assert!(matches!(refused, Err(BrokerError::Forbidden(_))), "{refused:?}");
    }
    assert!(ear.all_until_now(&node).await.is_empty());
}

pub(crate) async fn setters_on_two_nodes_add_up<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await];
    let topic = topic("state:contended");
    let mut ear = Ear::of(&nodes[0]);
    let start = top(&nodes[0], &topic).await;
    attach(&nodes[0], &topic).await;
    let setters: Vec<_> = (0..6_u64)
        .map(|setter| {
            let (node, topic) = (nodes[usize::from(setter % 2 == 0)].clone(), topic.clone());
            tokio::spawn(async move {
                let mut published = 0;
                for round in 0..60 {
                    // All of them change the same few keys.
                    let key = format!("k{}", (setter * 7 + round) % 5);
                    if (setter + round) % 3 == 0 {
                        published += usize::from(remove(&node, &topic, &key).await.changed);
                    } else {
                        set(&node, &topic, &key, &format!("[{setter},{round}]")).await;
                        published += 1;
                    }
                }
                published
            })
        })
        .collect();
    let mut published = 0;
    for setter in setters {
        published += setter.await.expect("no panic");
    }
    let heard = ear.take(published).await;
    assert_contiguous(start, &heard);
    let mut folded = Map::new();
    fold_all(&mut folded, &heard);
    let (at, map) = snapshot(&nodes[1], &topic).await;
    assert_eq!(map, folded);
    assert_eq!(
        Some(at),
        heard
            .last()
            .and_then(|last| last.place)
            .map(|place| place.position)
    );
    assert!(ear.all_until_now(&nodes[0]).await.is_empty());
}

pub(crate) async fn the_map_outlives_its_log<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("brief-state:t");
    let first = set(&node, &topic, "a", "1").await;
    let last = set(&node, &topic, "b", "2").await;
    let page = eventually("the log expires", || async {
        let page = read_some(&node, &topic, From::Newest, ALL).await;
        page.publications.is_empty().then_some(page)
    })
    .await;
    assert_eq!(page.top, Some(last));
    let both = Map::from([("a".into(), "1".into()), ("b".into(), "2".into())]);
    assert_eq!(snapshot(&node, &topic).await, (last, both.clone()));
    let page = read(&node, &topic, From::After(first.into())).await;
    assert!(page.lost.is_some() && page.publications.is_empty());
    assert_eq!(map_of(&page), both);
    assert_eq!(set(&node, &topic, "c", "3").await.offset, 3);
}
