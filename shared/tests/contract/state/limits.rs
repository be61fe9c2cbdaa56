//! How much a map holds. The namespace `tiny`: 3 keys, 64 bytes, values up to 32 bytes.

use tidegate_shared::broker::BrokerError;
use tidegate_shared::code::ErrorCode;

use super::{Map, remove, set, snapshot, try_set};
use crate::contract::broker::{attach, publish, topic};
use crate::contract::{Ear, SMALL, World};

fn text(size: usize) -> String {
    format!("\"{}\"", "x".repeat(size - 2))
}

fn assert_limit<T: std::fmt::Debug>(refused: Result<T, BrokerError>, word: &str) {
    let Err(error) = refused else {
        panic!("{refused:?} was not refused");
    };
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
    assert!(error.to_string().contains(word), "{error}");
}

pub(crate) async fn as_many_keys_as_allowed_and_no_more<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("tiny:t");
    let mut ear = Ear::of(&node);
    attach(&node, &topic).await;
    for key in ["a", "b", "c"] {
        set(&node, &topic, key, "1").await;
    }
    assert_limit(try_set(&node, &topic, "d", "1").await, "max_keys");
    set(&node, &topic, "c", "2").await;
    publish(&node, &topic, "\"a message is no key\"").await;
    remove(&node, &topic, "a").await;
    set(&node, &topic, "d", "1").await;
    assert_limit(try_set(&node, &topic, "a", "1").await, "max_keys");
    let (top, map) = snapshot(&node, &topic).await;
    assert_eq!(
        map,
        Map::from([("b", "1"), ("c", "2"), ("d", "1")].map(|(key, value)| (key.into(), value.into())))
    );
    assert_eq!(
        ear.all_until_now(&node).await.len(),
        7,
        "what was refused was not published"
    );
    assert_eq!(top.offset, 7);
}

pub(crate) async fn as_many_bytes_as_allowed_and_no_more<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("tiny:t");
    set(&node, &topic, "a", &text(30)).await;
    assert_limit(try_set(&node, &topic, "bb", &text(32)).await, "max_bytes");
    // Keys and values: 1 + 30 + 2 + 31.
    set(&node, &topic, "bb", &text(31)).await;
    assert_limit(try_set(&node, &topic, "a", &text(31)).await, "max_bytes");
    assert_limit(try_set(&node, &topic, "c", "1").await, "max_bytes");
    set(&node, &topic, "a", &text(30)).await;
    set(&node, &topic, "a", &text(29)).await;
    set(&node, &topic, "bb", &text(32)).await;
    remove(&node, &topic, "a").await;
    set(&node, &topic, "a", &text(29)).await;
    assert_limit(try_set(&node, &topic, "a", &text(30)).await, "max_bytes");
    assert_eq!(snapshot(&node, &topic).await.1.len(), 2);
    for key in ["a", "bb"] {
        remove(&node, &topic, key).await;
    }
    // An empty map has room for all of it again.
    set(&node, &topic, "a", &text(30)).await;
    set(&node, &topic, "bb", &text(31)).await;
}

pub(crate) async fn a_value_may_be_as_large_as_data<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("tiny:t");
    let refused = try_set(&node, &topic, "a", &text(SMALL + 1)).await;
    let too_large = BrokerError::TooLarge {
        size: SMALL + 1,
        limit: SMALL,
    };
    assert_eq!(refused, Err(too_large));
    set(&node, &topic, "a", &text(SMALL)).await;
    assert_eq!(snapshot(&node, &topic).await.1["a"], text(SMALL));
}
