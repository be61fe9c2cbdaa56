//! Topics of each kind.

use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{Draft, From};
use tidegate_shared::name::{EventName, SessionId};
use tidegate_shared::position::{Epoch, Position, Tag};
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;

use super::{attach, data, json, publish, publish_numbers, read, send, top, topic};
use crate::contract::{Ear, World};

/// Checks that a topic has no log, whatever is asked of it.
async fn assert_no_log(node: &Backend, topic: &Topic) {
    let after = Position {
        epoch: Epoch::random(),
        offset: 3,
        tag: Tag::random(),
    };
    for from in [From::Now, From::Newest, From::After(after.into())] {
        let page = read(node, topic, from).await;
        assert!(
            page.top.is_none()
                && page.publications.is_empty()
                && page.lost.is_none()
                && page.snapshot.is_none(),
            "{page:?}"
        );
    }
}

pub(crate) async fn fire_and_forget_has_no_positions<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    let topic = topic("fire:t");
    attach(&listener, &topic).await;
    for number in 1..=50 {
        let answer = publish(&publisher, &topic, &number.to_string()).await;
        assert_eq!((answer.position, answer.duplicate), (None, false));
    }
    let heard = ear.take(50).await;
    assert!(heard.iter().all(|one| one.place.is_none() && one.topic == topic));
    let expected: Vec<String> = (1..=50).map(|number| number.to_string()).collect();
    assert_eq!(data(&heard), expected);
    assert!(heard[0].time_ms > 1_700_000_000_000);
    assert_no_log(&listener, &topic).await;
}

fn labelled(data: &str) -> Draft {
    Draft {
        exclude: Some(SessionId::new()),
        ..Draft::new(Body::Message {
            data: json(data),
            event: Some(EventName::parse("player.joined/ä").expect("valid")),
        })
    }
}

pub(crate) async fn a_bare_topic_carries_the_data_only<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    let topic = topic("bare:t");
    attach(&listener, &topic).await;
    for number in 1..=50 {
        let answer = send(&publisher, &topic, labelled(&number.to_string())).await;
        assert_eq!((answer.position, answer.duplicate), (None, false));
    }
    let heard = ear.take(50).await;
    let expected: Vec<String> = (1..=50).map(|number| number.to_string()).collect();
    assert_eq!(data(&heard), expected);
    for one in heard {
        assert!(one.place.is_none() && one.exclude.is_none() && one.topic == topic);
        assert!(matches!(one.body, Body::Message { event: None, .. }));
    }
    assert_no_log(&listener, &topic).await;
}

pub(crate) async fn event_and_excluded_session_travel_along<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    for name in ["t", "fire:t"] {
        let (topic, draft) = (topic(name), labelled("{\"x\":1}"));
        attach(&listener, &topic).await;
        send(&publisher, &topic, draft.clone()).await;
        publish(&publisher, &topic, "2").await;
        let heard = ear.take(2).await;
        assert_eq!((&heard[0].body, heard[0].exclude), (&draft.body, draft.exclude));
        assert!(heard[1].exclude.is_none());
        assert!(matches!(heard[1].body, Body::Message { event: None, .. }));
        if name == "t" {
            assert_eq!(read(&publisher, &topic, From::Newest).await.publications, heard);
        }
    }
}

pub(crate) async fn a_users_inbox_is_a_topic<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    let topic = topic("user:ann@example.com");
    attach(&node, &topic).await;
    let positions = publish_numbers(&node, &topic, 2).await;
    assert_eq!(top(&node, &topic).await, positions[1]);
    assert_eq!(
        ear.take(2).await,
        read(&node, &topic, From::Newest).await.publications
    );
}
