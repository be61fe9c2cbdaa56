//! Joining and leaving as publications.

use tidegate_shared::broker::From;
use tidegate_shared::publication::Body;

use super::{enter, leave, members, somebody, told};
use crate::contract::broker::{attach, offsets, publish, read, top, topic};
use crate::contract::{Ear, World};

pub(crate) async fn coming_and_going_is_told_once<W: World>(world: W) {
    let (listener, node) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    for name in ["seen:t", "seen-fire:t", "seen-state:t"] {
        let topic = topic(name);
        attach(&listener, &topic).await;
        let (ada, bo) = (somebody("ada"), somebody("bo"));
        for member in [&ada, &ada, &bo, &ada] {
            enter(&node, &topic, member).await;
        }
        let seen = members(&node, &topic).await;
        for session in [ada.session, ada.session, bo.session] {
            leave(&node, &topic, session).await;
        }
        let heard = ear.all_until_now(&listener).await;
        let story: Vec<_> = heard.iter().map(|one| told(one)).collect();
        assert_eq!(
            story,
            [
                (true, ada.session),
                (true, bo.session),
                (false, ada.session),
                (false, bo.session)
            ],
            "{name}"
        );
        for publication in &heard {
            assert_eq!(publication.topic, topic);
            let (Body::Join { member } | Body::Leave { member }) = &publication.body else {
                unreachable!("looked at above");
            };
            assert!(seen.contains(member), "{member:?}");
        }
    }
}

pub(crate) async fn what_is_told_is_in_no_log_and_touches_no_number<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    let topic = topic("seen:t");
    let start = top(&node, &topic).await;
    attach(&node, &topic).await;
    let ada = somebody("ada");
    enter(&node, &topic, &ada).await;
    assert_eq!(top(&node, &topic).await, start);
    publish(&node, &topic, "1").await;
    leave(&node, &topic, ada.session).await;
    publish(&node, &topic, "2").await;
    let heard = ear.take(4).await;
    assert_eq!(told(&heard[0]), (true, ada.session));
    assert_eq!(told(&heard[2]), (false, ada.session));
    let (first, second) = (heard[1].place.expect("a log"), heard[3].place.expect("a log"));
    assert!(first.follows(&start) && second.follows(&first.position));
    let page = read(&node, &topic, From::Newest).await;
    assert_eq!(offsets(&page.publications), [1, 2]);
}

pub(crate) async fn where_the_namespace_does_not_ask_nothing_is_told<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    // A bare topic carries data only, whatever its namespace asks.
    for name in ["t", "fire:t", "bare:t", "seen-bare:t"] {
        let topic = topic(name);
        attach(&node, &topic).await;
        let ada = somebody("ada");
        enter(&node, &topic, &ada).await;
        assert_eq!(members(&node, &topic).await.len(), 1, "{name}");
        leave(&node, &topic, ada.session).await;
    }
    assert!(ear.all_until_now(&node).await.is_empty());
}
