//! Who serves what.

use std::time::Duration;

use parking_lot::Mutex;
use tidegate_shared::call::{CALLS_WAITING, CallError};

use super::{Hand, LONG, ask, draft, method, outcome, said};
use crate::contract::{World, eventually};

pub(crate) async fn what_nobody_serves_is_refused_at_once<W: World>(world: W) {
    let node = world.node().await;
    let refused = node.calls.call(draft("g.a", "1")).await;
    assert_eq!(refused, Err(CallError::NoWorker(method("g.a"))));
    let _hand = Hand::new(&node, "w", &["g.a"], false).await;
    let refused = node.calls.call(draft("g.b", "1")).await;
    assert_eq!(refused, Err(CallError::NoWorker(method("g.b"))));
    let refused = node.calls.call(draft("h.a", "1")).await;
    assert_eq!(refused, Err(CallError::NoWorker(method("h.a"))));
}

pub(crate) async fn a_worker_that_retires_leaves_what_others_serve<W: World>(world: W) {
    let (one, other) = (world.node().await, world.node().await);
    let going = Hand::new(&one, "w1", &["g.a", "g.b"], false).await;
    let staying = Hand::new(&other, "w2", &["g.b"], false).await;
    let retired = one.calls.retire(&going.worker, &going.service.group).await;
    retired.expect("retired");
    let refused = one.calls.call(draft("g.a", "1")).await;
    assert_eq!(refused, Err(CallError::NoWorker(method("g.a"))));
    let asked = ask(&one, draft("g.b", "1"));
    let taken = staying.one().await;
    staying.finish(&taken, said("2")).await;
    assert_eq!(outcome(asked).await, Ok(said("2")));
}

pub(crate) async fn a_worker_that_falls_silent_serves_nothing<W: World>(world: W) {
    let node = world.node().await;
    let hand = Hand::new(&node, "w", &["g.a"], false).await;
    let retired = node.calls.retire(&hand.worker, &hand.service.group).await;
    retired.expect("retired");
    hand.serve(Duration::from_millis(40)).await;
    eventually("it serves no longer", || async {
        let short = tidegate_shared::call::CallDraft {
            timeout: Duration::from_millis(1),
            ..draft("g.a", "1")
        };
        let refused = node.calls.call(short).await;
        (refused == Err(CallError::NoWorker(method("g.a")))).then_some(())
    })
    .await;
    hand.serve(LONG).await;
    let asked = ask(&node, draft("g.a", "1"));
    let taken = hand.one().await;
    hand.finish(&taken, said("2")).await;
    assert_eq!(outcome(asked).await, Ok(said("2")));
}

pub(crate) async fn only_so_many_calls_of_a_group_wait<W: World>(world: W) {
    let node = world.node().await;
    let hand = Hand::new(&node, "w", &["g.a"], false).await;
    let asked = (0..CALLS_WAITING).map(|_| ask(&node, draft("g.a", "1")));
    let waiting = Mutex::new(asked.collect::<Vec<_>>());
    let short = || tidegate_shared::call::CallDraft {
        timeout: Duration::from_millis(1),
        ..draft("g.a", "1")
    };
    // A look takes a place for a moment, and may so have turned one of them away: another comes for it.
    let refused = eventually("it is full", || async {
        if let Err(CallError::Busy { limit, .. }) = node.calls.call(short()).await {
            return Some(limit);
        }
        waiting.lock().push(ask(&node, draft("g.a", "1")));
        None
    })
    .await;
    assert_eq!(refused, CALLS_WAITING);
    // Those that came for others may take the room that the first answer makes.
    eventually("there is room again", || async {
        let taken = hand.one().await;
        hand.finish(&taken, said("2")).await;
        let outcome = node.calls.call(short()).await;
        matches!(outcome, Err(CallError::TimedOut { .. })).then_some(())
    })
    .await;
    for one in waiting.into_inner() {
        one.abort();
    }
}
