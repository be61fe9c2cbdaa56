//! The session alone: no socket, no runtime, no sleep.

mod limits;

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::code::{CloseCode, ErrorCode};
use tidegate_shared::config::Config;
use tidegate_shared::job::{JobId, JobRecord, JobState, Submitted};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{JobType, QueueName};
use tidegate_shared::namespace::{Namespace, Namespaces};
use tidegate_shared::position::{Epoch, Position};
use tidegate_shared::topic::Topic;
use tokio::time::Instant;

use super::{COMMANDS, Effect, Operation, Outcome, Session, Work};
use crate::dialect::{Command, DecodeError, Failure, JobRequest, Reply, Request, RequestId};

fn session(change: impl FnOnce(&mut Config)) -> Session {
    let mut config = Config::default();
    change(&mut config);
    config.open_to_anyone();
    Session::new(Arc::new(config), Instant::now(), 1.0)
}

fn topic(name: &str) -> Topic {
    Topic::parse(name).expect("valid")
}

fn request(id: u32, command: Command) -> Request {
    Request::new(Some(RequestId::new(&id.to_string())), command)
}

fn publish(id: u32, name: &str) -> Request {
    request(
        id,
        Command::Publish {
            topic: topic(name),
            data: RawJson::null(),
            event: None,
            key: None,
        },
    )
}

fn subscribe(id: u32, name: &str) -> Request {
    request(
        id,
        Command::Subscribe {
            topic: topic(name),
            since: None,
            presence: false,
        },
    )
}

/// With a namespace `room` that has presence.
fn session_with_rooms() -> Session {
    session(|config| {
        let mut room = Namespace::new("room");
        room.presence = true;
        config.namespaces = Namespaces::new(Namespace::new("default"), [room]);
    })
}

fn submit(id: u32) -> Request {
    let job = JobRequest {
        kind: JobType::parse("x").expect("valid"),
        data: RawJson::null(),
        queue: None,
        key: None,
        priority: tidegate_shared::job::Priority::default(),
        delay: Duration::ZERO,
        timeout: None,
        max_attempts: None,
        concurrency: None,
        follow: true,
    };
    request(id, Command::Submit(Box::new(job)))
}

/// The operations that effects start, with the ids of the commands they belong to.
fn started(effects: Vec<Effect>) -> Vec<(String, Operation)> {
    effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Start(operation) => {
                let id = operation.ticket.id.as_ref().map(|id| id.as_str().to_owned());
                Some((id.unwrap_or_default(), *operation))
            }
            _ => None,
        })
        .collect()
}

fn only(effects: Vec<Effect>) -> Operation {
    let mut started = started(effects);
    assert_eq!(started.len(), 1, "one operation");
    started.remove(0).1
}

fn failures(effects: &[Effect]) -> Vec<ErrorCode> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Reply {
                reply: Reply::Failed(failure),
                ..
            } => Some(failure.code),
            _ => None,
        })
        .collect()
}

fn published() -> Outcome {
    Outcome::Replied(Reply::Published { position: None })
}

#[test]
fn a_topic_does_one_thing_at_a_time_and_other_topics_go_on() {
    let mut session = session(|config| {
        let mut without_log = Namespace::new("default");
        without_log.log_size = 0;
        config.namespaces = Namespaces::new(without_log, []);
    });
    let first = only(session.on_command(publish(1, "a")));
    assert!(session.on_command(publish(2, "a")).is_empty());
    assert!(session.on_command(publish(3, "a")).is_empty());
    let other = only(session.on_command(publish(4, "b")));
    session.on_done(other.ticket, published());
    let second = started(session.on_done(first.ticket, published()));
    assert_eq!(second[0].0, "2");
    let third = started(session.on_done(second.into_iter().next().expect("one").1.ticket, published()));
    assert_eq!(third[0].0, "3");
}

#[test]
fn publications_whose_order_the_backend_keeps_do_not_wait_for_each_other_but_all_else_does() {
    let mut session = session(|_| {});
    let first = only(session.on_command(publish(1, "a")));
    let second = only(session.on_command(publish(2, "a")));
    assert!(session.on_command(subscribe(3, "a")).is_empty());
    assert!(
        session.on_command(publish(4, "a")).is_empty(),
        "after the subscription"
    );
    assert!(session.on_command(publish(5, "a")).is_empty());
    assert!(
        session.on_done(second.ticket, published()).len() == 1,
        "the reply alone"
    );
    let mut join = started(session.on_done(first.ticket, published()));
    assert_eq!((join.len(), &*join[0].0), (1, "3"));
    let rest = started(session.on_done(join.remove(0).1.ticket, Outcome::Joined(Ok(()))));
    let ids: Vec<&str> = rest.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["4", "5"]);
}

#[test]
fn what_needs_no_time_waits_for_its_turn_all_the_same() {
    let mut session = session(|_| {});
    let join = only(session.on_command(subscribe(1, "a")));
    let unsubscribe = request(2, Command::Unsubscribe { topic: topic("a") });
    assert!(session.on_command(unsubscribe).is_empty());
    assert!(session.on_command(subscribe(3, "a")).is_empty());
    let effects = session.on_done(join.ticket, Outcome::Joined(Ok(())));
    assert!(effects.contains(&Effect::Leave(topic("a"))), "{effects:?}");
    assert_eq!(started(effects)[0].0, "3");
    assert_eq!(session.subscriptions().count(), 0);
}

#[test]
fn who_is_present_is_told_only_where_presence_is_kept() {
    let mut session = session_with_rooms();
    let asks = |name: &str| {
        let command = Command::Subscribe {
            topic: topic(name),
            since: None,
            presence: true,
        };
        request(1, command)
    };
    assert_eq!(
        failures(&session.on_command(asks("news"))),
        [ErrorCode::Forbidden]
    );
    let join = only(session.on_command(asks("room:1")));
    let Work::Join { lists, .. } = &join.work else {
        panic!("{:?}", join.work)
    };
    assert!(lists);
    session.on_done(join.ticket, Outcome::Joined(Ok(())));
    assert_eq!(session.subscriptions().count(), 1);
}

#[test]
fn who_leaves_a_list_is_answered_when_it_is_off_it() {
    let mut session = session_with_rooms();
    let join = only(session.on_command(subscribe(1, "room:1")));
    session.on_done(join.ticket, Outcome::Joined(Ok(())));
    let unsubscribe = Command::Unsubscribe {
        topic: topic("room:1"),
    };
    let effects = session.on_command(request(2, unsubscribe.clone()));
    assert_eq!(effects[0], Effect::Leave(topic("room:1")), "at once");
    let part = only(effects);
    assert!(matches!(part.work, Work::Part { announced: false, .. }));
    assert!(
        session.on_command(subscribe(3, "room:1")).is_empty(),
        "it waits for that"
    );
    let reply = Reply::Unsubscribed {
        topic: topic("room:1"),
    };
    let effects = session.on_done(part.ticket, Outcome::Replied(reply));
    assert!(matches!(only(effects).work, Work::Join { .. }));
    let mut other = session_with_rooms();
    let effects = other.on_command(request(4, unsubscribe));
    assert!(matches!(
        &effects[..],
        [Effect::Reply {
            reply: Reply::Unsubscribed { .. },
            ..
        }]
    ));
}

#[test]
fn too_many_commands_under_way_stop_the_reading_until_one_is_done() {
    let mut session = session(|_| {});
    let first = only(session.on_command(publish(0, "a")));
    for id in 1..COMMANDS {
        assert!(session.is_ready());
        session.on_command(publish(id.into(), "a"));
    }
    assert!(!session.is_ready());
    session.on_done(first.ticket, published());
    assert!(session.is_ready());
}

#[test]
fn subscriptions_that_are_being_made_count() {
    let mut session = session(|config| config.limits.subscriptions_per_connection = 2);
    let a = only(session.on_command(subscribe(1, "a")));
    let b = only(session.on_command(submit(2)));
    assert_eq!(
        failures(&session.on_command(subscribe(3, "c"))),
        [ErrorCode::LimitExceeded]
    );
    let failure = Failure::new(ErrorCode::Unavailable, "");
    session.on_done(a.ticket, Outcome::Joined(Err(failure.clone())));
    let c = only(session.on_command(subscribe(4, "c")));
    session.on_done(
        b.ticket,
        Outcome::Submitted {
            job: JobId::new(&QueueName::parse("q").expect("valid")),
            result: Err(failure),
            follow: true,
        },
    );
    session.on_done(c.ticket, Outcome::Joined(Ok(())));
    only(session.on_command(subscribe(5, "d")));
    assert_eq!(
        failures(&session.on_command(subscribe(6, "e"))),
        [ErrorCode::LimitExceeded]
    );
}

#[test]
fn a_job_that_is_followed_already_is_not_followed_twice() {
    let mut session = session(|_| {});
    let id = JobId::new(&QueueName::parse("q").expect("valid"));
    let job = Topic::of_job(&id);
    let join = only(session.on_command(subscribe(1, job.as_str())));
    let submitting = only(session.on_command(submit(2)));
    let waiting = session.on_done(submitting.ticket, submitted(&id));
    assert!(
        waiting.is_empty(),
        "it waits for the subscribe before it: {waiting:?}"
    );
    let effects = session.on_done(join.ticket, Outcome::Joined(Ok(())));
    assert!(
        effects.iter().any(|one| matches!(
            one,
            Effect::Reply {
                reply: Reply::Submitted { .. },
                ..
            }
        )),
        "{effects:?}"
    );
    assert!(started(effects).is_empty());
    assert_eq!(session.subscriptions().count(), 1);
    assert!(session.is_ready());
    assert_eq!((session.commands, session.joining), (0, 0));
}

#[test]
fn who_cannot_follow_is_told_that_the_job_was_submitted() {
    let mut session = session(|_| {});
    let id = JobId::new(&QueueName::parse("q").expect("valid"));
    let submitting = only(session.on_command(submit(1)));
    let follow = only(session.on_done(submitting.ticket, submitted(&id)));
    let super::Work::Follow { submitted, .. } = follow.work else {
        panic!("{:?}", follow.work)
    };
    let effects = session.on_done(
        follow.ticket,
        Outcome::Followed {
            joined: Err(Failure::new(ErrorCode::Unavailable, "gone")),
            submitted,
        },
    );
    let [
        Effect::Reply {
            reply: Reply::Submitted { .. },
            ..
        },
        Effect::Tell(_, failure),
    ] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(failure.code, ErrorCode::Unavailable);
    assert_eq!((session.commands, session.joining), (0, 0));
}

#[test]
fn rubbish_counts_in_a_row_and_what_comes_later_does_not() {
    let mut session = session(|_| {});
    let rubbish = || DecodeError::rubbish(None, "no");
    let closes = |effects: &[Effect]| effects.contains(&Effect::Close(CloseCode::BadRequest));
    for _ in 0..9 {
        assert!(!closes(&session.on_rubbish(rubbish())));
    }
    for _ in 0..20 {
        assert!(!closes(
            &session.on_rubbish(DecodeError::unsupported(None, "later"))
        ));
    }
    session.on_command(request(1, Command::Ping));
    for _ in 0..9 {
        assert!(!closes(&session.on_rubbish(rubbish())));
    }
    assert!(closes(&session.on_rubbish(rubbish())));
}

#[test]
fn a_client_is_pinged_and_given_up_only_if_nothing_comes_back() {
    let start = Instant::now();
    let mut session = Session::new(Arc::new(Config::default()), start, 1.0);
    assert_eq!(session.deadline(), start + Duration::from_secs(25));
    assert!(session.on_tick(start).is_empty());
    let first = session.deadline();
    assert_eq!(session.on_tick(first), [Effect::Ping]);
    assert_eq!(session.deadline(), first + Duration::from_secs(10));
    session.on_sign_of_life();
    assert!(session.on_tick(session.deadline()).is_empty());
    let second = session.deadline();
    assert_eq!(second, first + Duration::from_secs(25));
    assert_eq!(session.on_tick(second), [Effect::Ping]);
    assert_eq!(session.on_tick(session.deadline()), [Effect::Abandon]);
}

fn submitted(id: &JobId) -> Outcome {
    let record = JobRecord {
        id: id.clone(),
        kind: JobType::parse("x").expect("valid"),
        queue: QueueName::parse("q").expect("valid"),
        state: JobState::Queued,
        attempt: 0,
        percent: None,
        message: None,
        progress: None,
        result: None,
        error: None,
        user: None,
        created_at: 1,
        started_at: None,
        finished_at: None,
        timeout_ms: None,
        max_attempts: 3,
        concurrency: None,
        run_at: None,
        cancelling: false,
        dead_letter: false,
        traceparent: None,
    };
    Outcome::Submitted {
        job: id.clone(),
        result: Ok(Box::new(Submitted {
            record,
            position: Position::start(Epoch::random()),
            duplicate: false,
        })),
        follow: true,
    }
}
