//! Positions that do not lead on.

use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{From, Lost};
use tidegate_shared::position::{Epoch, Position, Since, Tag};
use tidegate_shared::topic::Topic;

use super::{publish_numbers, read, top, topic};
use crate::contract::World;

/// Reads after a position that is lost: why it is, having checked what comes with it.
async fn loss(node: &Backend, topic: &Topic, since: Since) -> Option<Lost> {
    let page = read(node, topic, From::After(since)).await;
    assert!(page.publications.is_empty() || page.lost.is_none());
    assert!(page.snapshot.is_none(), "plain topics have none");
    assert_eq!(
        page.top,
        Some(top(node, topic).await),
        "lost or not, the top is told"
    );
    page.lost
}

pub(crate) async fn a_position_before_the_log_is_trimmed<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("short:t");
    // The log holds 4 to 8.
    let positions = publish_numbers(&node, &topic, 8).await;
    let epoch = positions[0].epoch;
    for position in [Position::start(epoch), positions[0], positions[1]] {
        let since = Since::from(position);
        let wrong_tag = Since {
            tag: Some(positions[4].tag),
            ..since
        };
        let without = Since { tag: None, ..since };
        for since in [since, wrong_tag, without] {
            assert_eq!(loss(&node, &topic, since).await, Some(Lost::Trimmed), "{since:?}");
        }
    }
}

pub(crate) async fn a_position_of_another_epoch_is_lost<W: World>(world: W) {
    let node = world.node().await;
    let (topic, other) = (topic("short:t"), topic("short:other"));
    publish_numbers(&node, &topic, 8).await;
    let others = publish_numbers(&node, &other, 20).await;
    // Whatever else would be wrong with it too: trimmed, in the log, at the top, beyond it.
    for position in [others[0], others[5], others[7], others[19]] {
        let since = Since::from(position);
        assert_eq!(loss(&node, &topic, since).await, Some(Lost::Epoch));
        let without = Since { tag: None, ..since };
        assert_eq!(loss(&node, &topic, without).await, Some(Lost::Epoch));
    }
    let nothing = Since::from(Position::start(Epoch::random()));
    assert_eq!(loss(&node, &topic, nothing).await, Some(Lost::Epoch));
}

pub(crate) async fn another_tag_at_the_same_offset_is_a_fork<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("t");
    let positions = publish_numbers(&node, &topic, 5).await;
    let foreign = Tag::random();
    for position in &positions {
        for tag in [foreign, Tag::NONE] {
            let fork = Since {
                tag: Some(tag),
                ..(*position).into()
            };
            assert_eq!(loss(&node, &topic, fork).await, Some(Lost::Fork), "{fork:?}");
        }
    }
    let before_all = Since {
        tag: Some(foreign),
        ..Position::start(positions[0].epoch).into()
    };
    assert_eq!(loss(&node, &topic, before_all).await, Some(Lost::Fork));
}

pub(crate) async fn a_position_beyond_the_top_is_a_fork<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("t");
    let empty = top(&node, &topic).await;
    for tag in [None, Some(Tag::random())] {
        let since = Since {
            epoch: empty.epoch,
            offset: 1,
            tag,
        };
        assert_eq!(loss(&node, &topic, since).await, Some(Lost::Fork));
    }
    publish_numbers(&node, &topic, 3).await;
    for offset in [4, 1_000, u64::from(u32::MAX) + 7, u64::MAX - 1, u64::MAX] {
        for tag in [None, Some(Tag::random())] {
            let since = Since {
                epoch: empty.epoch,
                offset,
                tag,
            };
            assert_eq!(loss(&node, &topic, since).await, Some(Lost::Fork), "{since:?}");
        }
    }
}

pub(crate) async fn what_is_not_of_our_making_matches_nothing<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("t");
    let positions = publish_numbers(&node, &topic, 3).await;
    for text in [
        "",
        "x",
        "\u{0}",
        "??????????",
        "nil",
        "0",
        "a much longer text than any of ours",
    ] {
        let epoch = Since {
            epoch: Epoch::from_wire(text),
            ..positions[1].into()
        };
        assert_eq!(loss(&node, &topic, epoch).await, Some(Lost::Epoch), "{text:?}");
        let tag = Since {
            tag: Some(Tag::from_wire(text)),
            ..positions[1].into()
        };
        assert_eq!(loss(&node, &topic, tag).await, Some(Lost::Fork), "{text:?}");
    }
}
