//! Groups of which one call runs at a time.

use std::time::{Duration, Instant};

use super::{Hand, LONG, ask, draft, outcome, said, texts};
use crate::contract::{PATIENCE, World, eventually};

/// A turn that is over while a case looks on.
const SHORT: Duration = Duration::from_millis(400);

pub(crate) async fn of_a_serial_group_one_call_runs_at_a_time<W: World>(world: W) {
    let (one, other) = (world.node().await, world.node().await);
    let near = Hand::new(&one, "w1", &["g.a", "g.b"], true).await;
    let far = Hand::new(&other, "w2", &["g.a", "g.b"], true).await;
    let asked = [
        ask(&one, draft("g.a", "1")),
        ask(&one, draft("g.b", "1")),
        ask(&other, draft("g.a", "1")),
    ];
    for _ in 0..3 {
        let taken = near.one().await;
        assert!(near.take(5).await.is_empty() && far.take(5).await.is_empty());
        near.finish(&taken, said("2")).await;
    }
    for call in asked {
        assert_eq!(outcome(call).await, Ok(said("2")));
    }
}

pub(crate) async fn who_waits_for_a_turn_is_woken_when_it_comes<W: World>(world: W) {
    let (one, other) = (world.node().await, world.node().await);
    let near = Hand::new(&one, "w1", &["g.a"], true).await;
    let far = Hand::new(&other, "w2", &["g.a"], true).await;
    let asked = [ask(&one, draft("g.a", "1")), ask(&one, draft("g.a", "1"))];
    let first = near.one().await;
    let next = tokio::spawn(async move {
        let taken = far.one().await;
        far.finish(&taken, said("3")).await;
    });
    near.finish(&first, said("3")).await;
    tokio::time::timeout(PATIENCE, next)
        .await
        .expect("woken")
        .expect("no panic");
    for call in asked {
        assert_eq!(outcome(call).await, Ok(said("3")));
    }
}

pub(crate) async fn the_turn_of_a_lost_worker_goes_on_to_another<W: World>(world: W) {
    let (one, other) = (world.node().await, world.node().await);
    let lost = Hand::new(&one, "w1", &["g.a"], true).await;
    let heir = Hand::new(&other, "w2", &["g.a"], true).await;
    let asked = [ask(&other, draft("g.a", "1")), ask(&other, draft("g.a", "2"))];
    let taken = eventually("it is taken", || async {
        lost.take_for(1, Duration::from_millis(60)).await.pop()
    })
    .await;
    let next = heir.one().await;
    let mut both = [taken.data.as_str(), next.data.as_str()];
    both.sort_unstable();
    assert_eq!(both, ["1", "2"]);
    // What it says now ends nobody else's turn.
    lost.finish(&taken, said("3")).await;
    let third = ask(&other, draft("g.a", "3"));
    assert!(texts(&heir.take(1).await).is_empty());
    heir.finish(&next, said("3")).await;
    let after = heir.one().await;
    heir.finish(&after, said("3")).await;
    for call in asked.into_iter().chain([third]) {
        assert_eq!(outcome(call).await, Ok(said("3")));
    }
}

pub(crate) async fn a_worker_that_renews_keeps_its_turn<W: World>(world: W) {
    let node = world.node().await;
    let slow = Hand::new(&node, "w1", &["g.a"], true).await;
    let other = Hand::new(&node, "w2", &["g.a"], true).await;
    let asked = [ask(&node, draft("g.a", "1")), ask(&node, draft("g.a", "1"))];
    let taken = eventually("it is taken", || async { slow.take_for(1, SHORT).await.pop() }).await;
    let began = Instant::now();
    slow.serve(LONG).await;
    // On a machine that was busy for so long the turn may have been over before it was renewed.
    let is_sure = began.elapsed() < SHORT / 4;
    let waited = other.node.calls.wait(&other.service, SHORT * 2).await;
    waited.expect("waited");
    if is_sure {
        assert!(other.take(1).await.is_empty());
    }
    slow.finish(&taken, said("2")).await;
    let taken = other.one().await;
    other.finish(&taken, said("2")).await;
    for call in asked {
        assert_eq!(outcome(call).await, Ok(said("2")));
    }
}
