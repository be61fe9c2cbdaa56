//! What [`Presence`](tidegate_shared::presence::Presence) promises.

pub(crate) mod entries;
pub(crate) mod leases;
pub(crate) mod telling;

use std::time::Duration;

use tidegate_shared::backend::Backend;
use tidegate_shared::name::{SessionId, UserId};
use tidegate_shared::presence::{ENTRY_TTL, Member, NewMember};
use tidegate_shared::publication::{Body, Publication};
use tidegate_shared::topic::Topic;

use super::broker::json;

pub(crate) fn somebody(name: &str) -> NewMember {
    NewMember {
        session: SessionId::new(),
        user: Some(UserId::parse(name).expect("a user")),
        info: Some(json(&format!("{{\"name\": \"{name}\"}}"))),
    }
}

pub(crate) async fn enter(node: &Backend, topic: &Topic, member: &NewMember) {
    enter_for(node, topic, member, ENTRY_TTL).await;
}

pub(crate) async fn enter_for(node: &Backend, topic: &Topic, member: &NewMember, ttl: Duration) {
    let entered = node.presence.enter(topic, member.clone(), ttl).await;
    entered.expect("entered");
}

pub(crate) async fn leave(node: &Backend, topic: &Topic, session: SessionId) {
    node.presence.leave(topic, session).await.expect("left");
}

pub(crate) async fn keep(node: &Backend, topic: &Topic) -> usize {
    let kept = node
        .presence
        .keep(std::slice::from_ref(topic), ENTRY_TTL)
        .await
        .expect("kept");
    assert_eq!(kept.len(), 1);
    kept[0]
}

pub(crate) async fn members(node: &Backend, topic: &Topic) -> Vec<Member> {
    let members = node.presence.members(topic).await.expect("members");
    assert!(members.is_sorted_by_key(|member| member.since));
    members
}

pub(crate) async fn count(node: &Backend, topic: &Topic) -> usize {
    node.presence.count(topic).await.expect("a number")
}

pub(crate) fn sessions(members: &[Member]) -> Vec<SessionId> {
    members.iter().map(|member| member.session).collect()
}

/// Whether it is a joining, and of which session.
pub(crate) fn told(publication: &Publication) -> (bool, SessionId) {
    assert!(publication.place.is_none(), "it has no place in the log");
    match &publication.body {
        Body::Join { member } => (true, member.session),
        Body::Leave { member } => (false, member.session),
        other => panic!("{other:?}"),
    }
}
