//! Who is on the list.

use futures_util::stream::{self, StreamExt};
use tidegate_shared::broker::BrokerError;
use tidegate_shared::name::SessionId;
use tidegate_shared::presence::{ENTRY_LIMIT, ENTRY_TTL, NewMember};

use super::{count, enter, leave, members, sessions, somebody};
use crate::contract::World;
use crate::contract::broker::{json, topic};

pub(crate) async fn who_enters_is_seen_from_every_node<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await];
    let (here, elsewhere) = (topic("t"), topic("other"));
    let bare = NewMember {
        session: SessionId::new(),
        user: None,
        info: None,
    };
    let all = [somebody("ada"), bare, somebody("bo"), somebody("ada")];
    for (number, member) in all.iter().enumerate() {
        enter(&nodes[number % 2], &here, member).await;
    }
    for node in &nodes {
        let seen = members(node, &here).await;
        assert_eq!(count(node, &here).await, 4);
        for member in &all {
            let entry = seen.iter().find(|entry| entry.session == member.session);
            let entry = entry.expect("on the list");
            assert_eq!((&entry.user, &entry.info), (&member.user, &member.info));
            assert!(entry.since > 1_700_000_000_000);
        }
        assert!(members(node, &elsewhere).await.is_empty());
        assert_eq!(count(node, &elsewhere).await, 0);
    }
}

pub(crate) async fn who_leaves_is_gone_and_may_leave_again<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await];
    let topic = topic("t");
    let (ada, bo) = (somebody("ada"), somebody("bo"));
    enter(&nodes[0], &topic, &ada).await;
    enter(&nodes[1], &topic, &bo).await;
    for _ in 0..2 {
        leave(&nodes[0], &topic, ada.session).await;
        assert_eq!(sessions(&members(&nodes[1], &topic).await), [bo.session]);
    }
    leave(&nodes[0], &topic, bo.session).await;
    assert_eq!(count(&nodes[0], &topic).await, 1, "it is another node's");
    leave(&nodes[1], &topic, bo.session).await;
    assert_eq!(count(&nodes[0], &topic).await, 0);
}

pub(crate) async fn entering_again_changes_what_is_said_but_not_since_when<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("t");
    let first = somebody("ada");
    enter(&node, &topic, &first).await;
    let before = members(&node, &topic).await;
    enter(&node, &topic, &somebody("bo")).await;
    let again = NewMember {
        info: Some(json("{\"since\":5}")),
        user: None,
        ..first
    };
    for _ in 0..3 {
        enter(&node, &topic, &again).await;
    }
    let after = members(&node, &topic).await;
    assert_eq!(after.len(), 2);
    let entry = after.iter().find(|one| one.session == again.session);
    let entry = entry.expect("on the list");
    assert_eq!(
        (entry.since, &entry.user, &entry.info),
        (before[0].since, &None, &again.info)
    );
}

pub(crate) async fn a_list_has_a_limit<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await];
    let topic = topic("t");
    let entering = stream::iter(0..ENTRY_LIMIT).map(|number| {
        let member = NewMember {
            session: SessionId::new(),
            user: None,
            info: None,
        };
        nodes[number % 2].presence.enter(&topic, member, ENTRY_TTL)
    });
    let refused = entering
        .buffer_unordered(256)
        .filter(|entered| std::future::ready(entered.is_err()))
        .count()
        .await;
    assert_eq!(refused, 0);
    let one_more = somebody("ada");
    for node in &nodes {
        let refused = node.presence.enter(&topic, one_more.clone(), ENTRY_TTL).await;
        assert!(matches!(refused, Err(BrokerError::Limit(_))), "{refused:?}");
    }
    let seen = members(&nodes[0], &topic).await;
    assert_eq!(seen.len(), ENTRY_LIMIT);
    // Who is there may say more about itself, and who leaves makes room.
    let known = NewMember {
        session: seen[0].session,
        user: None,
        info: Some(json("1")),
    };
    for node in &nodes {
        leave(node, &topic, known.session).await;
    }
    enter(&nodes[0], &topic, &one_more).await;
    enter(&nodes[0], &topic, &one_more).await;
    assert_eq!(count(&nodes[1], &topic).await, ENTRY_LIMIT);
}
