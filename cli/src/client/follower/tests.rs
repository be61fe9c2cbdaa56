use super::*;

fn seen(follower: &mut Follower, frames: &[&str]) -> Vec<String> {
    let mut seen = Vec::new();
    for text in frames {
        // The answer to the last that was asked.
        let id = format!(r#"{{"id":{},"type":"subscribed","topic":"t""#, follower.next_id);
        let text = text.replace(r#"{"type":"subscribed","topic":"t""#, &id);
        for event in follower.on_frame(Frame::parse(&text).expect("a frame")) {
            seen.push(match event {
                Event::Subscribed { again, .. } => format!("subscribed again={again}"),
                Event::Recovered { count, .. } => format!("recovered {count}"),
                Event::Missed { from, to, .. } => format!("missed {from}-{to}"),
                Event::Reset { reason, .. } => format!("reset {reason}"),
                Event::Entry(entry) => format!("entry {:?}", entry.offset.unwrap_or(0)),
                Event::Submitted { .. } => "submitted".to_owned(),
                Event::Refused { topic, refusal } => format!("refused {topic:?} {}", refusal.code),
                Event::GoAway { after_ms, .. } => format!("goaway {after_ms}"),
            });
        }
    }
    seen
}

fn connect(follower: &mut Follower) -> Vec<String> {
    follower.on_connected().expect("plain data")
}

fn subscribed(epoch: &str, offset: u64, recovered: &str) -> String {
    format!(
        r#"{{"type":"subscribed","topic":"t","epoch":"{epoch}","offset":{offset},"tag":"g{offset}"{recovered}}}"#
    )
}

fn message(offset: u64) -> String {
    format!(r#"{{"type":"message","topic":"t","data":1,"offset":{offset},"tag":"g{offset}"}}"#)
}

/// Subscribed at 5, and 6 was seen.
fn at_six() -> Follower {
    let mut follower = Follower::topics(["t".to_owned()]);
    assert_eq!(
        connect(&mut follower),
        [r#"{"id":1,"action":"subscribe","topic":"t"}"#]
    );
    let events = seen(&mut follower, &[&subscribed("e", 5, ""), &message(6)]);
    assert_eq!(events, ["subscribed again=false", "entry 6"]);
    follower
}

#[test]
fn a_new_connection_resumes_after_the_last_entry_and_repeats_none() {
    let mut follower = at_six();
    assert_eq!(
        connect(&mut follower),
        [r#"{"id":2,"action":"subscribe","topic":"t","since":{"epoch":"e","offset":6,"tag":"g6"}}"#]
    );
    let reply = subscribed("e", 8, r#","recovered":true"#);
    let frames = [
        &*reply,
        &message(6),
        &message(7),
        &message(8),
        &message(8),
        &message(9),
    ];
    assert_eq!(
        seen(&mut follower, &frames),
        ["recovered 2", "entry 7", "entry 8", "entry 9"]
    );
}

#[test]
fn a_connection_lost_in_the_middle_of_a_recovery_resumes_in_the_middle() {
    let mut follower = at_six();
    connect(&mut follower);
    seen(
        &mut follower,
        &[&subscribed("e", 9, r#","recovered":true"#), &message(7)],
    );
    let commands = connect(&mut follower);
    assert!(commands[0].contains(r#""offset":7,"tag":"g7""#), "{commands:?}");
}

#[test]
fn what_the_log_no_longer_holds_is_named() {
    let mut follower = at_six();
    connect(&mut follower);
    let frames = [&*subscribed("e", 20, r#","recovered":false"#), &message(21)];
    assert_eq!(seen(&mut follower, &frames), ["missed 7-20", "entry 21"]);
}

#[test]
fn another_epoch_or_a_fork_is_a_reset_and_its_low_offsets_are_given_out() {
    let mut follower = at_six();
    connect(&mut follower);
    let frames = [&*subscribed("f", 1, r#","recovered":false"#), &message(2)];
    assert_eq!(seen(&mut follower, &frames), ["reset epoch", "entry 2"]);

    let mut follower = at_six();
    connect(&mut follower);
    let frames = [&*subscribed("e", 4, r#","recovered":false"#), &message(5)];
    assert_eq!(seen(&mut follower, &frames), ["reset fork", "entry 5"]);

    let mut follower = at_six();
    let reset = r#"{"type":"reset","topic":"t","epoch":"f","offset":0,"tag":"","reason":"epoch"}"#;
    assert_eq!(
        seen(&mut follower, &[reset, &message(1)]),
        ["reset epoch", "entry 1"]
    );
}

#[test]
fn a_lag_moves_the_position_without_a_tag() {
    let mut follower = at_six();
    let lagged = r#"{"type":"lagged","topic":"t","from":7,"to":9}"#;
    assert_eq!(seen(&mut follower, &[lagged, &message(9)]), ["missed 7-9"]);
    let commands = connect(&mut follower);
    assert!(
        commands[0].ends_with(r#""since":{"epoch":"e","offset":9}}"#),
        "{commands:?}"
    );
}

#[test]
fn a_hole_that_nobody_announced_is_named() {
    let mut follower = at_six();
    assert_eq!(seen(&mut follower, &[&message(9)]), ["missed 7-8", "entry 9"]);
}

#[test]
fn a_topic_without_a_log_says_that_the_time_in_between_is_lost() {
    let mut follower = Follower::topics(["t".to_owned()]);
    let reply = r#"{"type":"subscribed","topic":"t"}"#;
    let push = r#"{"type":"message","topic":"t","data":null}"#;
    connect(&mut follower);
    assert_eq!(
        seen(&mut follower, &[reply, push]),
        ["subscribed again=false", "entry 0"]
    );
    assert_eq!(
        connect(&mut follower),
        [r#"{"id":2,"action":"subscribe","topic":"t"}"#]
    );
    assert_eq!(seen(&mut follower, &[reply]), ["subscribed again=true"]);
}

#[test]
fn a_job_is_submitted_until_it_is_accepted_and_then_followed() {
    let mut follower = Follower::job(Job {
        kind: "backup".into(),
        data: RawValue::from_string("{}".into()).expect("valid"),
        queue: None,
        key: "k".into(),
        priority: None,
    });
    assert_eq!(
        connect(&mut follower)[0],
        connect(&mut follower)[0].replace("\"id\":2", "\"id\":1")
    );
    let submitted = r#"{"type":"submitted","id":2,"job":{"state":"queued"},"topic":"job:x","epoch":"e","offset":1,"tag":"a"}"#;
    let job = |offset| format!(r#"{{"type":"job","topic":"job:x","offset":{offset},"tag":"b","job":{{}}}}"#);
    assert_eq!(
        seen(&mut follower, &[submitted, &job(2)]),
        ["submitted", "entry 2"]
    );
    assert_eq!(
        connect(&mut follower),
        [r#"{"id":3,"action":"subscribe","topic":"job:x","since":{"epoch":"e","offset":2,"tag":"b"}}"#]
    );
    let resumed = r#"{"type":"subscribed","id":3,"topic":"job:x","epoch":"e","offset":9,"tag":"z","recovered":false,
        "snapshot":{"state":"running"}}"#;
    assert_eq!(
        seen(&mut follower, &[resumed, &job(9), &job(10)]),
        ["missed 3-9", "entry 9", "entry 10"],
        "the snapshot stands for the last entry"
    );
}

#[test]
fn what_is_refused_for_good_is_no_longer_asked_for() {
    let mut follower = Follower::topics(["t".to_owned()]);
    connect(&mut follower);
    let temporary = r#"{"type":"error","id":1,"code":108,"message":"m","temporary":true}"#;
    assert_eq!(seen(&mut follower, &[temporary]), [r#"refused Some("t") 108"#]);
    assert!(!follower.is_idle());
    assert_eq!(connect(&mut follower).len(), 1);
    let for_good = r#"{"type":"error","id":2,"code":102,"message":"m","temporary":false}"#;
    assert_eq!(seen(&mut follower, &[for_good]), [r#"refused Some("t") 102"#]);
    assert!(follower.is_idle());
}

#[test]
fn frames_about_other_things_change_nothing() {
    let mut follower = at_six();
    let frames = [
        r#"{"type":"welcome","session":"s","ping_ms":25000}"#,
        r#"{"type":"subscribed","topic":"user:x","epoch":"e","offset":1,"tag":"a"}"#,
        r#"{"type":"message","topic":"other","data":1,"offset":1,"tag":"a"}"#,
        r#"{"type":"error","code":103,"message":"m","temporary":false}"#,
        r#"{"type":"something new"}"#,
        "{}",
    ];
    assert_eq!(seen(&mut follower, &frames), Vec::<String>::new());
}

#[test]
fn what_the_server_subscribes_by_itself_does_not_pass_for_the_answer() {
    let mut follower = at_six();
    connect(&mut follower);
    let unasked = r#"{"type":"subscribed", "topic":"t","epoch":"e","offset":9,"tag":"g9"}"#;
    let reply = subscribed("e", 10, r#","recovered":true"#);
    let frames = [unasked, &message(10), &*reply, &message(7), &message(8)];
    assert_eq!(
        seen(&mut follower, &frames),
        ["recovered 4", "entry 7", "entry 8"]
    );
}
