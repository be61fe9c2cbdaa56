//! What a client may ask for at most.

use super::*;

#[test]
fn more_commands_than_allowed_are_refused_and_a_flood_is_closed() {
    let mut session = session(|config| config.limits.commands_per_second = 10);
    let now = Instant::now();
    let mut answers = (0..60).map(|id| session.on_request(request(id, Command::Ping), now));
    assert!(
        answers
            .by_ref()
            .take(20)
            .all(|effects| failures(&effects).is_empty())
    );
    for effects in answers.by_ref().take(20) {
        assert_eq!(failures(&effects), [ErrorCode::TooManyRequests]);
        assert_eq!(effects.len(), 1);
    }
    let flood = answers.next().expect("more");
    assert_eq!(failures(&flood), [ErrorCode::TooManyRequests]);
    assert!(
        flood.contains(&Effect::Close(CloseCode::RateLimited)),
        "{flood:?}"
    );
}

#[test]
fn who_is_a_bit_too_fast_stays_and_who_is_quiet_keeps_nothing() {
    let mut session = session(|config| config.limits.commands_per_second = 10);
    let start = Instant::now();
    let close = Effect::Close(CloseCode::RateLimited);
    for step in 0..1_000 {
        let now = start + Duration::from_millis(step * 60);
        assert!(
            !session
                .on_request(request(1, Command::Ping), now)
                .contains(&close),
            "16 a second"
        );
    }
    session.on_age(start + Duration::from_secs(70));
    assert!(session.rate.is_none());
}

#[test]
fn who_comes_back_may_subscribe_to_all_it_had_at_once() {
    let mut session = session(|config| {
        config.limits.commands_per_second = 1;
        config.limits.subscriptions_per_connection = 50;
    });
    let now = Instant::now();
    for id in 0..50 {
        let join = only(session.on_request(subscribe(id, &format!("t{id}")), now));
        session.on_done(join.ticket, Outcome::Joined(Ok(())));
    }
    let mut refused = (0..10).map(|id| failures(&session.on_request(subscribe(id, "t1"), now)));
    assert!(
        refused.any(|codes| codes == [ErrorCode::TooManyRequests]),
        "only once"
    );
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    let mut session = session(|config| config.limits.depth = 3);
    let mut deep = publish(1, "a");
    let mut nested = |text: &'static str| {
        let data = RawJson::parse(&bytes::Bytes::from_static(text.as_bytes())).expect("JSON");
        deep.command = Command::Publish {
            topic: topic("a"),
            data,
            event: None,
            key: None,
        };
        session.on_command(deep.clone())
    };
    assert_eq!(failures(&nested("[[[[1]]]]")), [ErrorCode::BadRequest]);
    assert!(failures(&nested(r#"[[["[[[["]]]"#)).is_empty());
}
