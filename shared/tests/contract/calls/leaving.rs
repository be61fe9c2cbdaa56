//! Those who ask and leave.

use super::{Hand, ask, draft, outcome, said};
use crate::contract::{PATIENCE, World, eventually};

pub(crate) async fn a_call_whose_caller_left_is_not_taken<W: World>(world: W) {
    let (asking, working) = (world.node().await, world.node().await);
    let hand = Hand::new(&working, "w", &["g.a"], false).await;
    let leaving = ask(&asking, draft("g.a", "1"));
    tokio::time::timeout(PATIENCE, working.calls.wait(&hand.service, PATIENCE))
        .await
        .expect("woken")
        .expect("waited");
    leaving.abort();
    // It is withdrawn in its own time; a call that is made after that is the next one.
    eventually("only the other is taken", || async {
        let staying = ask(&asking, draft("g.a", "2"));
        let taken = hand.one().await;
        let is_other = taken.data.as_str() == "2";
        hand.finish(&taken, said("3")).await;
        if is_other {
            assert_eq!(outcome(staying).await, Ok(said("3")));
        } else {
            staying.abort();
        }
        is_other.then_some(())
    })
    .await;
}

pub(crate) async fn a_worker_learns_that_its_caller_left<W: World>(world: W) {
    let (asking, working) = (world.node().await, world.node().await);
    let hand = Hand::new(&working, "w", &["g.a"], false).await;
    let (leaving, staying) = (ask(&asking, draft("g.a", "1")), ask(&asking, draft("g.a", "1")));
    let (one, other) = (hand.one().await, hand.one().await);
    leaving.abort();
    tokio::time::timeout(PATIENCE, async {
        tokio::select! {
            () = one.cancelled.cancelled() => {}
            () = other.cancelled.cancelled() => {}
        }
    })
    .await
    .expect("told");
    let kept = if one.cancelled.is_cancelled() { other } else { one };
    hand.finish(&kept, said("2")).await;
    assert_eq!(outcome(staying).await, Ok(said("2")));
    assert!(!kept.cancelled.is_cancelled());
}
