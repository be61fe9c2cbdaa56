//! Entries live as long as their node says that it is there.

use std::time::Duration;

use tidegate_shared::presence::ENTRY_TTL;

use super::{count, enter, enter_for, keep, leave, members, sessions, somebody, told};
use crate::contract::broker::{attach, topic};
use crate::contract::{Ear, World, eventually};

const SOON: Duration = Duration::from_millis(60);

pub(crate) async fn the_entries_of_a_silent_node_vanish_and_are_told_once<W: World>(world: W) {
    let (silent, one, other) = (world.node().await, world.node().await, world.node().await);
    let topic = topic("seen:t");
    let kept = somebody("kept");
    enter(&one, &topic, &kept).await;
    let mut ears = [Ear::of(&one), Ear::of(&other)];
    for node in [&one, &other] {
        attach(node, &topic).await;
    }
    // More than one step of a backend takes off.
    let mut gone = Vec::new();
    for number in 0..300 {
        let member = somebody(&format!("u{number}"));
        enter_for(&silent, &topic, &member, SOON).await;
        gone.push(member.session);
    }
    eventually("only those that are kept are seen", || async {
        (count(&one, &topic).await == 1).then_some(())
    })
    .await;
    assert_eq!(sessions(&members(&other, &topic).await), [kept.session]);
    // Both notice, at once; one of them has no entries there.
    let (by_one, by_other) = tokio::join!(keep(&one, &topic), keep(&other, &topic));
    assert_eq!((by_one, by_other), (1, 0));
    gone.sort_unstable();
    for (ear, node) in ears.iter_mut().zip([&one, &other]) {
        let heard = ear.take(600).await;
        let story: Vec<_> = heard.iter().map(|one| told(one)).collect();
        let mut left: Vec<_> = story
            .iter()
            .filter(|(joins, _)| !joins)
            .map(|(_, who)| *who)
            .collect();
        left.sort_unstable();
        assert_eq!(left, gone);
        assert!(ear.all_until_now(node).await.is_empty());
    }
}

pub(crate) async fn a_node_that_comes_back_too_late_learns_of_it<W: World>(world: W) {
    let (silent, other) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&other);
    let topic = topic("seen:t");
    attach(&other, &topic).await;
    let ada = somebody("ada");
    enter_for(&silent, &topic, &ada, SOON).await;
    eventually("it is taken off", || async {
        keep(&other, &topic).await;
        (count(&other, &topic).await == 0).then_some(())
    })
    .await;
    assert_eq!(keep(&other, &topic).await, 0);
    assert_eq!(keep(&silent, &topic).await, 0, "its entry is gone");
    enter(&silent, &topic, &ada).await;
    assert_eq!(keep(&silent, &topic).await, 1);
    let heard = ear.take(3).await;
    let story: Vec<bool> = heard.iter().map(|one| told(one).0).collect();
    assert_eq!(story, [true, false, true]);
}

pub(crate) async fn a_lease_that_is_renewed_keeps_all_entries<W: World>(world: W) {
    let (keeper, silent) = (world.node().await, world.node().await);
    let topics = [topic("a"), topic("b"), topic("c")];
    let (ada, bo, cy) = (somebody("ada"), somebody("bo"), somebody("cy"));
    // Long enough for a busy machine to get to the renewal.
    let ttl = Duration::from_secs(2);
    for member in [&ada, &bo] {
        enter_for(&keeper, &topics[0], member, ttl).await;
    }
    enter_for(&keeper, &topics[1], &ada, ttl).await;
    assert_eq!(keeper.presence.keep(&topics, ENTRY_TTL).await, Ok(vec![2, 1, 0]));
    // Entering for a shorter time takes nothing from a longer lease.
    enter_for(&keeper, &topics[1], &bo, SOON).await;
    // A lease that begins now and ends after those would have.
    enter_for(&silent, &topics[0], &cy, ttl).await;
    eventually("the silent one is gone", || async {
        (count(&keeper, &topics[0]).await == 2).then_some(())
    })
    .await;
    assert_eq!(count(&silent, &topics[1]).await, 2);
    assert_eq!(keeper.presence.keep(&topics, ENTRY_TTL).await, Ok(vec![2, 2, 0]));
    assert_eq!(keeper.presence.keep(&[], ENTRY_TTL).await, Ok(vec![]));
}

pub(crate) async fn leases_are_of_one_topic<W: World>(world: W) {
    let (node, other) = (world.node().await, world.node().await);
    let (short, long) = (topic("short"), topic("long"));
    let ada = somebody("ada");
    enter_for(&node, &short, &ada, SOON).await;
    enter(&node, &long, &ada).await;
    eventually("one is over", || async {
        (count(&other, &short).await == 0).then_some(())
    })
    .await;
    assert_eq!(count(&other, &long).await, 1);
    leave(&node, &long, ada.session).await;
    assert_eq!(count(&other, &long).await, 0);
}
