//! Keys that end by their time to live.

use std::time::Duration;

use tidegate_shared::broker::From;
use tidegate_shared::position::Position;

use super::{Map, ended, fold_all, remove, set, set_draft, set_for, snapshot, try_set};
use crate::contract::broker::{assert_contiguous, attach, read_some, send, top, topic};
use crate::contract::{Ear, World, eventually};

const SOON: Duration = Duration::from_millis(60);
/// Long enough for the next call on a busy machine.
const A_WHILE: Duration = Duration::from_millis(1_500);
const NEVER: Duration = Duration::ZERO;

pub(crate) async fn a_key_ends_once_however_many_nodes_listen<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await, world.node().await];
    let topic = topic("state:t");
    let start = top(&nodes[0], &topic).await;
    let mut ears = Vec::new();
    for node in &nodes {
        attach(node, &topic).await;
        ears.push(Ear::of(node));
    }
    set(&nodes[0], &topic, "stays", "1").await;
    for number in 0..20 {
        let node = &nodes[number % 3];
        set_for(node, &topic, &format!("k{number}"), SOON).await;
    }
    let asked = std::time::Instant::now();
    for ear in &mut ears {
        let heard = ear.take(41).await;
        assert_contiguous(start, &heard);
        let mut map = Map::new();
        fold_all(&mut map, &heard);
        assert_eq!(map.len(), 1);
        assert_eq!(ended(&heard).len(), 20);
    }
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    for (ear, node) in ears.iter_mut().zip(&nodes) {
        assert!(ear.all_until_now(node).await.is_empty());
    }
}

pub(crate) async fn a_key_that_ended_is_gone_though_nobody_listened<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("state:t");
    set_for(&node, &topic, "a", SOON).await;
    let before = set(&node, &topic, "b", "1").await;
    let (at, map) = eventually("it ends", || async {
        let (at, map) = snapshot(&node, &topic).await;
        (map.len() == 1).then_some((at, map))
    })
    .await;
    assert!(map.contains_key("b"));
    let page = read_some(&node, &topic, From::After(before.into()), 10).await;
    assert_eq!((page.top, at.offset), (Some(at), 3));
    assert_eq!(ended(&page.publications), ["a"]);
    assert!(!remove(&node, &topic, "a").await.changed);
}

pub(crate) async fn setting_a_key_again_replaces_its_time<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("state:t");
    let mut ear = Ear::of(&node);
    attach(&node, &topic).await;
    for (key, first, second) in [
        ("forever", A_WHILE, NEVER),
        ("longer", A_WHILE, Duration::from_secs(3_600)),
        ("shorter", Duration::from_secs(3_600), SOON),
        ("ends", NEVER, 2 * A_WHILE),
    ] {
        set_for(&node, &topic, key, first).await;
        set_for(&node, &topic, key, second).await;
    }
    set_for(&node, &topic, "removed", A_WHILE).await;
    remove(&node, &topic, "removed").await;
    let heard = ear.take(12).await;
    assert_eq!(ended(&heard), ["shorter", "ends"]);
    let (_, map) = snapshot(&node, &topic).await;
    assert_eq!(map.into_keys().collect::<Vec<_>>(), ["forever", "longer"]);
}

pub(crate) async fn the_namespaces_time_is_that_of_keys_without_their_own<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("mortal:t");
    let mut ear = Ear::of(&node);
    attach(&node, &topic).await;
    set(&node, &topic, "default", "1").await;
    set_for(&node, &topic, "own", 4 * SOON).await;
    set_for(&node, &topic, "none", NEVER).await;
    assert_eq!(ended(&ear.take(5).await), ["default", "own"]);
    assert_eq!(snapshot(&node, &topic).await.1.len(), 1);
}

pub(crate) async fn six_hundred_keys_that_end_together_end_once_each<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await];
    let topic = topic("large:t");
    let start = top(&nodes[0], &topic).await;
    // For so long that all are there before the first ends, on a busy machine as well.
    let ttl = Duration::from_secs(2);
    let setting = (0..600).map(|number| {
        let draft = set_draft(&format!("k{number}"), "1", Some(ttl));
        send(&nodes[number % 2], &topic, draft)
    });
    futures_util::future::join_all(setting).await;
    let at: Position = eventually("all have ended", || async {
        let (at, map) = snapshot(&nodes[0], &topic).await;
        map.is_empty().then_some(at)
    })
    .await;
    assert_eq!(at.offset, 1_200);
    let mut map = Map::new();
    let mut from = start;
    while from != at {
        let page = read_some(&nodes[1], &topic, From::After(from.into()), 1_000).await;
        assert_contiguous(from, &page.publications);
        fold_all(&mut map, &page.publications);
        from = page
            .publications
            .last()
            .expect("some")
            .place
            .expect("a log")
            .position;
    }
    assert!(map.is_empty(), "each was removed, once");
}

pub(crate) async fn a_key_that_ended_makes_room<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("tiny:t");
    for key in ["a", "b", "c"] {
        set_for(&node, &topic, key, SOON).await;
    }
    let published = eventually("there is room", || async {
        try_set(&node, &topic, "d", "1").await.ok()
    })
    .await;
    assert!(published.changed);
    assert!(snapshot(&node, &topic).await.1.contains_key("d"));
}
