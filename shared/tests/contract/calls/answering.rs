//! From the question to the answer.

use std::time::Duration;

use tidegate_shared::call::{Answer, CallDraft, CallError, CallFailure, Caller};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::name::{SessionId, UserId};

use super::{Hand, ask, draft, method, nothing, outcome, said, texts};
use crate::contract::broker::{json, publish, topic};
use crate::contract::{World, eventually};

pub(crate) async fn an_answer_reaches_who_asked<W: World>(world: W) {
    let (asking, working) = (world.node().await, world.node().await);
    let hand = Hand::new(&working, "w", &["g.a"], false).await;
    let caller = Caller {
        user: Some(UserId::parse("ann").expect("valid")),
        session: Some(SessionId::new()),
        info: Some(json("{\"name\": \"Ann\"}")),
    };
    let asked = ask(
        &asking,
        CallDraft {
            caller: caller.clone(),
            ..draft("g.a", "{\"x\": [1, \"ü\"]}")
        },
    );
    let taken = hand.one().await;
    assert_eq!(taken.method, method("g.a"));
    assert_eq!(taken.data, json("{\"x\": [1, \"ü\"]}"));
    assert_eq!(taken.caller, caller);
    assert!(taken.left <= Duration::from_secs(30) && taken.left > Duration::from_secs(10));
    hand.finish(&taken, said("[2]")).await;
    assert_eq!(outcome(asked).await, Ok(said("[2]")));
}

pub(crate) async fn an_answer_says_after_what_it_is_to_be_seen<W: World>(world: W) {
    let (asking, working) = (world.node().await, world.node().await);
    let hand = Hand::new(&working, "w", &["g.a"], false).await;
    let asked = ask(&asking, draft("g.a", "1"));
    let taken = hand.one().await;
    let topic = topic("t");
    let position = publish(&working, &topic, "1").await.position.expect("a log");
    let answer = Answer {
        data: nothing(),
        after: vec![tidegate_shared::call::After::new(topic.clone(), &position)],
    };
    hand.finish(&taken, answer).await;
    let after = outcome(asked)
        .await
        .expect("answered")
        .after
        .pop()
        .expect("a place");
    assert_eq!(
        (after.topic.clone(), after.epoch(), after.offset),
        (topic, position.epoch, position.offset)
    );
}

pub(crate) async fn a_refusal_keeps_its_code_and_text<W: World>(world: W) {
    let node = world.node().await;
    let hand = Hand::new(&node, "w", &["g.a"], false).await;
    let asked = ask(&node, draft("g.a", "1"));
    let taken = hand.one().await;
    let failure = CallFailure::new(ErrorCode::Conflict, "\"taken\"\n");
    let finished = node.calls.finish(&taken.ticket, Err(failure.clone())).await;
    finished.expect("finished");
    assert_eq!(outcome(asked).await, Err(CallError::Failed(failure)));
}

pub(crate) async fn calls_are_taken_in_the_order_in_which_they_were_made<W: World>(world: W) {
    let node = world.node().await;
    let hand = Hand::new(&node, "w", &["g.a", "g.b"], false).await;
    let mut asked = Vec::new();
    for number in 0..5 {
        let name = if number % 2 == 0 { "g.a" } else { "g.b" };
        let call = node.calls.call(draft(name, &number.to_string()));
        let mut call = Box::pin(call);
        // Polled once, it is on its way before the next.
        assert!(futures_util::poll!(&mut call).is_pending());
        asked.push(call);
    }
    let mut taken = Vec::new();
    while taken.len() < 5 {
        let limit = 2.min(5 - taken.len());
        taken.extend(hand.take(limit).await);
    }
    assert_eq!(texts(&taken), ["0", "1", "2", "3", "4"]);
    assert!(hand.take(1).await.is_empty());
    for one in taken.iter().rev() {
        hand.finish(one, Answer::new(one.data.clone())).await;
    }
    for (number, call) in asked.into_iter().enumerate() {
        let answered = tokio::time::timeout(crate::contract::PATIENCE, call).await;
        assert_eq!(answered.expect("in time"), Ok(said(&number.to_string())));
    }
}

pub(crate) async fn a_call_is_taken_once_however_many_ask_for_it<W: World>(world: W) {
    let (one, other) = (world.node().await, world.node().await);
    let hands = [
        Hand::new(&one, "w1", &["g.a"], false).await,
        Hand::new(&other, "w2", &["g.a"], false).await,
    ];
    let asked: Vec<_> = (0..20)
        .map(|number| ask(&one, draft("g.a", &number.to_string())))
        .collect();
    let mut seen = Vec::new();
    while seen.len() < 20 {
        let (near, far) = tokio::join!(hands[0].take(3), hands[1].take(3));
        for (hand, taken) in [(&hands[0], near), (&hands[1], far)] {
            for one in taken {
                hand.finish(&one, said("1")).await;
                seen.push(one.data.as_str().parse::<u32>().expect("a number"));
            }
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
    for call in asked {
        assert_eq!(outcome(call).await, Ok(said("1")));
    }
}

pub(crate) async fn what_nobody_answers_in_time_is_over<W: World>(world: W) {
    let node = world.node().await;
    let hand = Hand::new(&node, "w", &["g.a"], false).await;
    let short = CallDraft {
        timeout: Duration::from_millis(400),
        ..draft("g.a", "1")
    };
    for takes in [false, true] {
        let asked = ask(&node, short.clone());
        let taken = if takes { Some(hand.one().await) } else { None };
        let over = outcome(asked).await;
        assert!(matches!(over, Err(CallError::TimedOut { .. })), "{over:?}");
        if let Some(taken) = taken {
            // Nobody is there to hear it.
            hand.finish(&taken, said("1")).await;
        }
    }
    eventually("nothing waits", || async {
        hand.take(1).await.is_empty().then_some(())
    })
    .await;
}
