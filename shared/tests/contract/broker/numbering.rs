//! Offsets, epochs, tags.

use std::collections::BTreeSet;

use tidegate_shared::broker::{From, Lost};
use tidegate_shared::position::{Epoch, Position, Since, Tag};

use super::{assert_contiguous, offsets, publish, publish_numbers, read, top, topic};
use crate::contract::{World, eventually};

pub(crate) async fn offsets_count_from_one_without_holes<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("counted");
    let positions = publish_numbers(&node, &topic, 20).await;
    let counted: Vec<u64> = positions.iter().map(|position| position.offset).collect();
    assert_eq!(counted, (1..=20).collect::<Vec<_>>());
    let page = read(&node, &topic, From::Newest).await;
    assert_eq!(offsets(&page.publications), counted);
    assert_eq!(page.top, positions.last().copied());
}

pub(crate) async fn concurrent_publishers_each_get_an_offset_of_their_own<W: World>(world: W) {
    let topic = topic("short:contended");
    let nodes = [world.node().await, world.node().await];
    let publishers: Vec<_> = (0..8)
        .map(|number| {
            let (node, topic) = (nodes[number % 2].clone(), topic.clone());
            tokio::spawn(async move { publish_numbers(&node, &topic, 50).await })
        })
        .collect();
    let mut all = BTreeSet::new();
    for publisher in publishers {
        let positions = publisher.await.expect("no panic");
        assert!(positions.is_sorted_by(|one, next| one.offset < next.offset));
        all.extend(positions.iter().map(|position| position.offset));
    }
    assert_eq!(all, (1..=400).collect());
    let page = read(&nodes[0], &topic, From::Newest).await;
    assert_eq!(offsets(&page.publications), [396, 397, 398, 399, 400]);
}

pub(crate) async fn an_epoch_is_stable_and_each_topic_has_its_own<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await];
    let (one, other) = (topic("one"), topic("other"));
    // One begins by being read, the other by being published to.
    let epoch = top(&nodes[0], &one).await.epoch;
    let published = publish(&nodes[1], &one, "1").await.position.expect("a log");
    assert_eq!(published.epoch, epoch);
    assert_eq!(top(&nodes[1], &one).await, published);
    let published = publish(&nodes[0], &other, "1").await.position.expect("a log");
    assert_eq!(top(&nodes[1], &other).await, published);
    assert_ne!(published.epoch, epoch);
    for epoch in [epoch, published.epoch] {
        assert_eq!(Epoch::from_wire(epoch.as_str()), epoch, "it survives the wire");
        assert_ne!(epoch, Epoch::NONE);
    }
}

pub(crate) async fn each_publication_follows_the_one_before<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await];
    let topic = topic("chained");
    let start = top(&nodes[0], &topic).await;
    let mut answered = Vec::new();
    for number in 0..30 {
        let published = publish(&nodes[number % 2], &topic, "0").await;
        answered.push(published.position.expect("a log"));
    }
    let page = read(&nodes[0], &topic, From::Newest).await;
    assert_eq!(page.publications.len(), 30);
    assert_contiguous(start, &page.publications);
    let read: Vec<Position> = page
        .publications
        .iter()
        .filter_map(|one| one.place.map(|place| place.position))
        .collect();
    assert_eq!(read, answered);
    let tags: BTreeSet<&str> = answered.iter().map(|position| position.tag.as_str()).collect();
    assert!(tags.len() > 25, "tags are random: {tags:?}");
    for position in &answered {
        assert_eq!(Tag::from_wire(position.tag.as_str()), position.tag);
    }
}

pub(crate) async fn a_topic_without_entries_is_at_zero<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("empty");
    for from in [From::Now, From::Newest] {
        let page = read(&node, &topic, from).await;
        let at = page.top.expect("a log");
        assert_eq!(at, Position::start(at.epoch));
        assert!(page.publications.is_empty() && page.lost.is_none() && page.snapshot.is_none());
    }
    let start = top(&node, &topic).await;
    let page = read(&node, &topic, From::After(start.into())).await;
    assert_eq!(
        (page.top, page.lost, page.publications.len()),
        (Some(start), None, 0)
    );
}

pub(crate) async fn publishing_to_a_topic_nobody_follows_is_logged<W: World>(world: W) {
    let (publisher, reader) = (world.node().await, world.node().await);
    let topic = topic("unheard");
    let positions = publish_numbers(&publisher, &topic, 3).await;
    let page = read(&reader, &topic, From::Newest).await;
    assert_eq!(page.top, positions.last().copied());
    assert_eq!(offsets(&page.publications), [1, 2, 3]);
}

pub(crate) async fn an_expired_log_keeps_its_numbering<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("brief:x");
    let positions = publish_numbers(&node, &topic, 3).await;
    let page = eventually("the log expires", || async {
        let page = read(&node, &topic, From::Newest).await;
        page.publications.is_empty().then_some(page)
    })
    .await;
    assert_eq!(page.top, Some(positions[2]));

    let after_top = read(&node, &topic, From::After(positions[2].into())).await;
    assert_eq!((after_top.lost, after_top.top), (None, Some(positions[2])));
    let fork = Since {
        tag: Some(positions[1].tag),
        ..positions[2].into()
    };
    assert_eq!(
        read(&node, &topic, From::After(fork)).await.lost,
        Some(Lost::Fork)
    );
    for position in [positions[1], Position::start(positions[0].epoch)] {
        let page = read(&node, &topic, From::After(position.into())).await;
        assert_eq!(page.lost, Some(Lost::Trimmed));
    }

    // The next one goes on where the log left off, which a listener sees.
    attach_and_follow(&world, &topic, positions[2]).await;
}

async fn attach_and_follow<W: World>(world: &W, topic: &tidegate_shared::topic::Topic, before: Position) {
    let node = world.node().await;
    let mut ear = crate::contract::Ear::of(&node);
    super::attach(&node, topic).await;
    let published = publish(&node, topic, "4").await.position.expect("a log");
    assert_eq!((published.epoch, published.offset), (before.epoch, 4));
    assert_contiguous(before, &ear.take(1).await);
}
