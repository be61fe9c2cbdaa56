//! A snapshot is the map as of the position it comes with.

use tidegate_shared::broker::From;
use tidegate_shared::position::{Epoch, Since, Tag};

use super::{Map, fold, fold_all, map_of, remove, set, snapshot};
use crate::contract::broker::{assert_contiguous, attach, read, topic};
use crate::contract::{Ear, World};

pub(crate) async fn from_any_point_the_log_leads_to_the_map<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("state:t");
    let mut snapshots = vec![snapshot(&node, &topic).await];
    for round in 0..60_u64 {
        let key = format!("k{}", round * 7 % 11);
        if round % 4 == 3 {
            remove(&node, &topic, &key).await;
        } else {
            set(&node, &topic, &key, &round.to_string()).await;
        }
        snapshots.push(snapshot(&node, &topic).await);
    }
    let (top, last) = snapshots.last().expect("some").clone();
    for (at, map) in snapshots {
        let page = read(&node, &topic, From::After(at.into())).await;
        assert_eq!((page.lost, page.top), (None, Some(top)));
        assert_contiguous(at, &page.publications);
        let mut folded = map;
        fold_all(&mut folded, &page.publications);
        assert_eq!(folded, last, "from {at:?}");
    }
}

pub(crate) async fn a_lost_position_comes_with_the_map<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("tiny:t");
    let first = set(&node, &topic, "a", "0").await;
    for value in 1..10 {
        set(&node, &topic, "a", &value.to_string()).await;
    }
    let (top, map) = snapshot(&node, &topic).await;
    assert_eq!(map, Map::from([("a".into(), "9".into())]));
    let other_epoch = Since {
        epoch: Epoch::random(),
        ..top.into()
    };
    let fork = Since {
        tag: Some(Tag::random()),
        ..top.into()
    };
    for since in [first.into(), other_epoch, fork] {
        let page = read(&node, &topic, From::After(since)).await;
        assert!(page.lost.is_some() && page.publications.is_empty(), "{since:?}");
        assert_eq!((page.top, map_of(&page)), (Some(top), map.clone()));
    }
    for from in [From::Newest, From::After(top.into())] {
        assert!(read(&node, &topic, from).await.snapshot.is_none());
    }
}

/// A map of more keys than any step of a backend handles, changed while it is read.
pub(crate) async fn snapshots_of_a_large_map_in_motion_are_what_it_was<W: World>(world: W) {
    const KEYS: u64 = 700;
    let (writer, reader) = (world.node().await, world.node().await);
    let topic = topic("large:t");
    let mut ear = Ear::of(&reader);
    let (start, _) = snapshot(&reader, &topic).await;
    attach(&reader, &topic).await;
    for number in 0..KEYS {
        set(&writer, &topic, &format!("k{number}"), "0").await;
    }
    let writing = tokio::spawn({
        let topic = topic.clone();
        async move {
            let mut changes = 0;
            for round in 1..=800_u64 {
                let key = format!("k{}", round * 37 % KEYS);
                let published = if round % 3 == 0 {
                    remove(&writer, &topic, &key).await.changed
                } else {
                    set(&writer, &topic, &key, &round.to_string()).await;
                    true
                };
                changes += usize::from(published);
            }
            changes
        }
    });
    let mut snapshots = Vec::new();
    while !writing.is_finished() || snapshots.is_empty() {
        snapshots.push(snapshot(&reader, &topic).await);
    }
    let changes = writing.await.expect("no panic");
    snapshots.push(snapshot(&reader, &topic).await);

    let heard = ear.take(usize::try_from(KEYS).expect("few") + changes).await;
    assert_contiguous(start, &heard);
    let mut snapshots = snapshots.into_iter().peekable();
    let mut map = Map::new();
    for publication in &heard {
        fold(&mut map, publication);
        let at = publication.place.expect("a log").position;
        while let Some((_, seen)) = snapshots.next_if(|(position, _)| *position == at) {
            assert_eq!(seen, map, "at {at:?}");
        }
    }
    assert!(
        snapshots.next().is_none(),
        "each is of a position that was published"
    );
}
