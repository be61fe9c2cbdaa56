//! What an outbox promises to those who fill it and to the one who empties it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use tidegate_shared::code::CloseCode;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::SessionId;
use tidegate_shared::position::{Epoch, Position};
use tidegate_shared::publication::{Body, Publication};
use tidegate_shared::topic::Topic;

use super::{Ending, Frames, Origin, Outbox, Put, Taken};
use crate::dialect::Format;

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn outbox(limit: usize) -> Outbox {
    Outbox::new(SessionId::new(), Format::NATIVE, limit)
}

fn frames(size: usize) -> Frames {
    Frames::control(Bytes::from(vec![b'x'; size]))
}

fn queued(wake: bool, bytes: i64) -> Put {
    Put::Queued { wake, bytes }
}

fn taken(outbox: &Outbox) -> Option<usize> {
    match outbox.poll_take(&Context::from_waker(Waker::noop())) {
        Poll::Ready(Taken::Frames(frames)) => Some(frames.size()),
        Poll::Ready(other) => panic!("{other:?}"),
        Poll::Pending => None,
    }
}

#[test]
fn frames_come_out_in_the_order_they_went_in_and_an_empty_outbox_holds_no_memory() {
    let outbox = outbox(100);
    for size in [1, 2, 3] {
        outbox.put(frames(size));
    }
    assert_eq!(
        [taken(&outbox), taken(&outbox), taken(&outbox)],
        [Some(1), Some(2), Some(3)]
    );
    assert_eq!(taken(&outbox), None);
    assert_eq!(outbox.queue.lock().waiting.capacity(), 0);
}

#[test]
fn one_wake_is_enough_for_everything_that_is_put_before_the_task_looks() {
    let outbox = outbox(100);
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(counter.clone());
    assert!(outbox.poll_take(&Context::from_waker(&waker)).is_pending());
    assert_eq!(outbox.put(frames(1)), queued(true, 1));
    assert_eq!(outbox.put(frames(1)), queued(false, 1));
    outbox.wake();
    outbox.wake();
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    assert_eq!(
        (taken(&outbox), taken(&outbox), taken(&outbox)),
        (Some(1), Some(1), None)
    );
    assert_eq!(outbox.put(frames(1)), queued(true, 1));
}

#[test]
fn an_overflow_drops_what_waits_and_ends_the_connection() {
    let outbox = outbox(10);
    outbox.put(frames(10));
    assert_eq!(
        outbox.put(frames(1)),
        Put::Overflowed {
            messages: 0,
            bytes: 10
        }
    );
    assert_eq!(outbox.put(frames(1)), Put::Ending);
    let cx = Context::from_waker(Waker::noop());
    assert!(outbox.poll_slow(&cx).is_ready());
    assert!(matches!(
        outbox.poll_take(&cx),
        Poll::Ready(Taken::End(Ending::Slow))
    ));
    assert_eq!(outbox.close(), 0);
}

#[test]
fn a_single_item_may_be_larger_than_the_limit() {
    let outbox = outbox(10);
    assert_eq!(outbox.put(frames(11)), queued(true, 11));
    assert!(matches!(outbox.put(frames(1)), Put::Overflowed { .. }));
}

#[test]
fn a_task_that_cannot_write_is_woken_only_by_the_end() {
    let outbox = outbox(10);
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(counter.clone());
    assert!(outbox.poll_slow(&Context::from_waker(&waker)).is_pending());
    assert_eq!(outbox.put(frames(10)), queued(false, 10));
    assert!(matches!(outbox.put(frames(1)), Put::Overflowed { .. }));
    outbox.wake();
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
}

#[test]
fn an_orderly_end_comes_after_what_waits_and_the_first_one_counts() {
    let outbox = outbox(10);
    outbox.put(frames(1));
    let aged = Ending::Orderly {
        code: CloseCode::ConnectionAged,
        goodbye: None,
    };
    outbox.end(aged);
    outbox.end(Ending::Slow);
    assert_eq!(outbox.put(frames(1)), Put::Ending);
    assert_eq!(taken(&outbox), Some(1));
    let end = outbox.poll_take(&Context::from_waker(Waker::noop()));
    assert!(matches!(end, Poll::Ready(Taken::End(ending)) if ending == aged));
}

#[test]
fn a_client_that_does_not_keep_up_is_left_behind_where_it_stands_and_reads_on_when_it_has_taken_the_rest() {
    let outbox = outbox(100);
    let topic = Topic::parse("t").expect("valid");
    let at = |offset| Position {
        offset,
        ..Position::start(Epoch::NONE)
    };
    let put = |size, from| outbox.put_or_leave_behind(frames(size), &topic, at(from));
    assert_eq!(put(60, 0), queued(true, 60), "nothing else waits");
    assert_eq!(put(1, 1), Put::Behind);
    assert_eq!(taken(&outbox), Some(60));
    let cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Taken::Behind(behind, from)) = outbox.poll_take(&cx) else {
        panic!("it is to read on");
    };
    assert_eq!((behind, from), (topic.clone(), at(1)));
    assert_eq!(taken(&outbox), None, "one read at a time");
    outbox.put_page(Some(frames(30)), &topic, Some(at(5)));
    outbox.refilled();
    assert_eq!(taken(&outbox), Some(30));
    let next = outbox.poll_take(&cx);
    assert!(matches!(next, Poll::Ready(Taken::Behind(_, from)) if from == at(5)));
    outbox.put_page(None, &topic, None);
    outbox.refilled();
    assert_eq!(taken(&outbox), None);
    assert!(
        outbox.queue.lock().lag.is_none(),
        "it holds no memory for it any more"
    );
}

#[test]
fn a_topic_that_is_left_is_not_read_on() {
    let outbox = outbox(100);
    let topic = Topic::parse("t").expect("valid");
    outbox.put(frames(60));
    let from = Position::start(Epoch::NONE);
    outbox.put_or_leave_behind(frames(1), &topic, from);
    assert_eq!(outbox.forget(&topic), (true, 0));
    assert_eq!(outbox.forget(&topic), (false, 0));
    assert_eq!((taken(&outbox), taken(&outbox)), (Some(60), None));
}

fn news(topic: &str, number: u64) -> Frames {
    let publication = Arc::new(Publication {
        topic: Topic::parse(topic).expect("valid"),
        place: None,
        time_ms: number,
        body: Body::Message {
            data: RawJson::null(),
            event: None,
        },
        exclude: None,
        trace: None,
    });
    let frames = Frames::control(Bytes::from(vec![b'x'; 300]));
    frames.of(Origin::Latest([publication].into()))
}

#[test]
fn of_each_topic_a_slow_client_gets_the_newest_and_how_many_it_did_not_get() {
    let outbox = outbox(2_000);
    let mut bytes = 0;
    let mut left_out = 0;
    for number in 1..=100 {
        for topic in ["a", "b"] {
            match outbox.put(news(topic, number)) {
                Put::Queued { bytes: more, .. } => bytes += more,
                Put::Coalesced {
                    bytes: more,
                    messages,
                    ..
                } => {
                    bytes += more;
                    left_out += messages;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(left_out, 198);
    let reply = frames(7);
    outbox.put(reply);
    bytes += 7;
    assert_eq!(taken(&outbox), Some(7), "an answer does not wait for them");
    let cx = Context::from_waker(Waker::noop());
    for topic in ["a", "b"] {
        let Poll::Ready(Taken::Frames(frames)) = outbox.poll_take(&cx) else {
            panic!("the newest of {topic}");
        };
        bytes -= i64::try_from(frames.size()).expect("small");
        assert_eq!(frames.published_ms(), Some(100));
        let text = String::from_utf8_lossy(&frames.into_bytes()).into_owned();
        assert!(text.ends_with("\"skipped\":99}"), "{text}");
    }
    assert_eq!(taken(&outbox), None);
    assert_eq!(bytes, 7, "what was counted in was counted out");
}

#[test]
fn too_many_topics_for_the_limit_end_even_a_coalesced_connection() {
    let outbox = outbox(1_000);
    let puts = (0..20).map(|topic| outbox.put(news(&format!("t{topic}"), 1)));
    assert!(puts.into_iter().any(|put| matches!(put, Put::Overflowed { .. })));
    assert_eq!(outbox.close(), 0);
}
