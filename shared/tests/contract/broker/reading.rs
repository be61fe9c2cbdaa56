//! Reading a log: which part is given, in which order.

use tidegate_shared::broker::{From, Lost, READ_LIMIT};
use tidegate_shared::position::{Position, Since};

use super::{assert_contiguous, data, offsets, publish, publish_numbers, read, read_some, top, topic};
use crate::contract::World;

pub(crate) async fn now_gives_the_top_and_no_publications<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("t");
    let positions = publish_numbers(&node, &topic, 3).await;
    let page = read(&node, &topic, From::Now).await;
    assert_eq!(page.top, Some(positions[2]));
    assert!(page.publications.is_empty() && page.lost.is_none() && page.snapshot.is_none());
}

pub(crate) async fn newest_gives_the_last_ones_oldest_first<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("t");
    let positions = publish_numbers(&node, &topic, 10).await;
    for (limit, expected) in [(0, 11..11), (1, 10..11), (4, 7..11), (10, 1..11), (11, 1..11)] {
        let page = read_some(&node, &topic, From::Newest, limit).await;
        assert_eq!(offsets(&page.publications), expected.collect::<Vec<_>>());
        assert_eq!((page.top, page.lost), (positions.last().copied(), None));
    }
    let page = read_some(&node, &topic, From::Newest, 2).await;
    assert_eq!(data(&page.publications), ["9", "10"]);
    assert_contiguous(positions[7], &page.publications);
}

pub(crate) async fn after_a_position_gives_what_follows<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("t");
    let positions = publish_numbers(&node, &topic, 10).await;
    for position in &positions[..9] {
        let page = read(&node, &topic, From::After((*position).into())).await;
        let expected: Vec<u64> = (position.offset + 1..=10).collect();
        assert_eq!(offsets(&page.publications), expected);
        assert_contiguous(*position, &page.publications);
        assert_eq!((page.top, page.lost), (positions.last().copied(), None));
        assert!(page.snapshot.is_none());
    }
}

pub(crate) async fn after_the_top_nothing_is_there_and_nothing_is_lost<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("short:t");
    let positions = publish_numbers(&node, &topic, 8).await;
    let page = read(&node, &topic, From::After(positions[7].into())).await;
    assert_eq!((page.top, page.lost), (Some(positions[7]), None));
    assert!(page.publications.is_empty());
}

pub(crate) async fn after_the_start_gives_the_whole_log<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("short:t");
    let start = top(&node, &topic).await;
    // Exactly as many as the log holds.
    publish_numbers(&node, &topic, 5).await;
    let without_tag = Since {
        tag: None,
        ..start.into()
    };
    for since in [start.into(), without_tag] {
        let page = read(&node, &topic, From::After(since)).await;
        assert_eq!(
            (offsets(&page.publications), page.lost),
            (vec![1, 2, 3, 4, 5], None)
        );
    }
    publish(&node, &topic, "6").await;
    let page = read(&node, &topic, From::After(start.into())).await;
    assert_eq!(page.lost, Some(Lost::Trimmed));
}

pub(crate) async fn a_limit_smaller_than_what_there_is_gives_the_first<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("t");
    let positions = publish_numbers(&node, &topic, 10).await;
    let page = read_some(&node, &topic, From::After(positions[2].into()), 3).await;
    assert_eq!(offsets(&page.publications), [4, 5, 6]);
    assert_eq!((page.top, page.lost), (Some(positions[9]), None));
    // And so on, page by page, to the end.
    let mut at = positions[2];
    let mut read = Vec::new();
    loop {
        let page = read_some(&node, &topic, From::After(at.into()), 3).await;
        assert_contiguous(at, &page.publications);
        let Some(place) = page.publications.last().and_then(|last| last.place) else {
            break;
        };
        read.extend(offsets(&page.publications));
        at = place.position;
    }
    assert_eq!(read, [4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(at, positions[9]);
}

pub(crate) async fn a_limit_of_zero_still_tells_whether_the_position_leads_on<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("short:t");
    let positions = publish_numbers(&node, &topic, 8).await;
    for (at, lost) in [(0, Some(Lost::Trimmed)), (4, None), (7, None)] {
        let page = read_some(&node, &topic, From::After(positions[at].into()), 0).await;
        assert_eq!((page.lost, page.top), (lost, Some(positions[7])), "{at}");
        assert!(page.publications.is_empty());
    }
}

pub(crate) async fn a_limit_over_the_largest_counts_as_that<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("long:t");
    let positions = publish_numbers(&node, &topic, 1_200).await;
    let start = Position::start(positions[0].epoch);
    let page = read_some(&node, &topic, From::After(start.into()), usize::MAX).await;
    assert_eq!(page.publications.len(), READ_LIMIT);
    assert_contiguous(start, &page.publications);
    let page = read_some(&node, &topic, From::Newest, READ_LIMIT + 1).await;
    assert_eq!(page.publications.len(), READ_LIMIT);
    assert_contiguous(positions[199], &page.publications);
}

pub(crate) async fn without_a_tag_the_offset_is_enough<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("short:t");
    let positions = publish_numbers(&node, &topic, 8).await;
    for (offset, expected) in [(3, vec![4, 5, 6, 7, 8]), (6, vec![7, 8]), (8, vec![])] {
        let since = Since {
            epoch: positions[0].epoch,
            offset,
            tag: None,
        };
        let page = read(&node, &topic, From::After(since)).await;
        assert_eq!((offsets(&page.publications), page.lost), (expected, None));
    }
}

pub(crate) async fn before_the_oldest_entry_the_tag_is_known_from_it<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("short:t");
    // The log holds 4 to 8.
    let positions = publish_numbers(&node, &topic, 8).await;
    let third = positions[2];
    let page = read(&node, &topic, From::After(third.into())).await;
    assert_eq!(
        (offsets(&page.publications), page.lost),
        (vec![4, 5, 6, 7, 8], None)
    );
    assert_contiguous(third, &page.publications);
    let fork = Since {
        tag: Some(positions[1].tag),
        ..third.into()
    };
    let page = read(&node, &topic, From::After(fork)).await;
    assert_eq!((page.publications.len(), page.lost), (0, Some(Lost::Fork)));
}

pub(crate) async fn every_node_reads_the_same<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await];
    let topic = topic("t");
    for number in 0..10 {
        publish(&nodes[number % 2], &topic, &number.to_string()).await;
    }
    let pages = [
        read(&nodes[0], &topic, From::Newest).await,
        read(&nodes[1], &topic, From::Newest).await,
    ];
    assert_eq!(pages[0].publications, pages[1].publications);
    assert_eq!(pages[0].publications.len(), 10);
    let times: Vec<u64> = pages[0].publications.iter().map(|one| one.time_ms).collect();
    assert!(times.is_sorted() && times[0] > 1_700_000_000_000, "{times:?}");
    assert!(pages[0].publications.iter().all(|one| one.topic == topic));
}

pub(crate) async fn tops_are_the_positions_of_many_topics<W: World>(world: W) {
    let node = world.node().await;
    let mut topics = Vec::new();
    let mut expected = Vec::new();
    for number in 0..700 {
        let topic = topic(&format!("t{number}"));
        // Every third was never used.
        let position = match number % 3 {
            0 => None,
            1 => publish(&node, &topic, "1").await.position,
            _ => Some(top(&node, &topic).await),
        };
        topics.push(topic);
        expected.push(position);
    }
    for name in ["fire:t", "bare:t", "state:t", "job:rubbish", "jobs:", "user:"] {
        topics.push(topic(name));
        expected.push(None);
    }
    topics.push(topics[1].clone());
    expected.push(expected[1]);
    for _ in 0..2 {
        // The second time, too: asking makes nothing.
        assert_eq!(node.broker.tops(&topics).await.as_ref(), Ok(&expected));
    }
    assert_eq!(node.broker.tops(&[]).await, Ok(vec![]));
}
