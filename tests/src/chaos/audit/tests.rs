//! Made-up transcripts: honest ones pass, and every kind of lie is found.

use serde_json::{Value, json};

use super::*;

#[path = "tests/maps.rs"]
mod maps;

fn subscribed(epoch: &str, offset: u64, tag: &str, recovered: Option<bool>) -> Told {
    Told::Subscribed {
        epoch: epoch.into(),
        offset,
        tag: tag.into(),
        recovered,
        snapshot: Value::Null,
    }
}

fn entry(offset: u64, tag: &str) -> Told {
    carrying(offset, tag, json!({ "number": offset, "tag": tag }))
}

fn carrying(offset: u64, tag: &str, data: Value) -> Told {
    Told::Entry {
        offset,
        tag: tag.into(),
        data,
        skipped: 0,
    }
}

fn job(offset: u64, tag: &str, state: &str) -> Told {
    carrying(offset, tag, json!({ "state": state }))
}

fn lagged(from: u64, to: u64) -> Told {
    Told::Lagged { from, to }
}

fn reset(epoch: &str, offset: u64, tag: &str, reason: &str) -> Told {
    Told::Reset {
        epoch: epoch.into(),
        offset,
        tag: tag.into(),
        reason: reason.into(),
        snapshot: Value::Null,
    }
}

/// The first complaint about a transcript, with what Redis' log says of offsets and their predecessors.
fn complaint(told: &[Told], log: &[(u64, &str, &str)]) -> Option<String> {
    let mut truth = Truth::default();
    for (offset, tag, previous) in log {
        let place = Place {
            topic: "t".into(),
            epoch: "e".into(),
            offset: *offset,
            tag: (*tag).into(),
        };
        truth.follows(&place, previous, "Redis").expect("one log");
    }
    let mut audit = Audit::new("s", "t", Promise::default());
    told.iter().find_map(|told| audit.hear(told, &mut truth).err())
}

#[track_caller]
fn passes(told: &[Told]) {
    assert_eq!(complaint(told, &[]), None);
}

#[track_caller]
fn fails(told: &[Told], with: &str) {
    let complaint = complaint(told, &[]).expect("a complaint");
    assert!(complaint.contains(with), "{complaint}");
}

#[test]
fn an_honest_transcript_passes() {
    passes(&[
        subscribed("e", 4, "d", None),
        entry(5, "e"),
        subscribed("e", 6, "f", Some(true)),
        entry(6, "f"),
        entry(7, "g"),
        lagged(8, 9),
        entry(10, "j"),
        reset("e", 9, "y", "fork"),
        entry(10, "z"),
        subscribed("n", 1, "a", Some(false)),
        entry(2, "b"),
        reset("m", 0, "", "epoch"),
        entry(1, "a"),
    ]);
}

#[test]
fn an_offset_twice_or_out_of_order_is_found() {
    let start = subscribed("e", 0, "", None);
    fails(
        &[start.clone(), entry(1, "a"), entry(2, "b"), entry(2, "b")],
        "again",
    );
    fails(
        &[start.clone(), entry(1, "a"), entry(2, "b"), entry(1, "a")],
        "out of order",
    );
    fails(&[start, entry(1, "a"), lagged(2, 3), entry(3, "c")], "again");
}

#[test]
fn an_offset_that_is_missing_without_a_word_is_found() {
    fails(&[subscribed("e", 0, "", None), entry(2, "b")], "missing");
    fails(
        &[
            subscribed("e", 0, "", None),
            entry(1, "a"),
            subscribed("e", 3, "c", Some(true)),
            entry(3, "c"),
        ],
        "missing",
    );
    fails(
        &[subscribed("e", 0, "", None), lagged(1, 3), entry(5, "e")],
        "missing",
    );
    fails(&[entry(1, "a")], "before any position");
}

#[test]
fn a_wrong_range_is_found() {
    fails(&[subscribed("e", 3, "c", None), lagged(3, 5)], "lagged 3 to 5");
    fails(&[subscribed("e", 3, "c", None), lagged(5, 6)], "lagged 5 to 6");
    fails(&[subscribed("e", 3, "c", None), lagged(4, 3)], "lagged 4 to 3");
    fails(&[lagged(1, 3)], "before any position");
}

#[test]
fn a_recovery_that_was_none_is_found() {
    let start = subscribed("e", 3, "c", None);
    let recovered = |epoch, offset, tag| subscribed(epoch, offset, tag, Some(true));
    fails(&[start.clone(), recovered("n", 3, "c")], "another epoch");
    fails(&[start.clone(), recovered("e", 2, "b")], "back from");
    fails(&[start.clone(), recovered("e", 3, "x")], "another tag");
    fails(
        &[start.clone(), recovered("e", 4, "d"), entry(4, "x")],
        "led to tag",
    );
    fails(
        &[start.clone(), recovered("e", 6, "f"), lagged(4, 5)],
        "and then lagged",
    );
    fails(&[start.clone(), subscribed("e", 3, "c", None)], "recovered: None");
    fails(&[subscribed("e", 3, "c", Some(true))], "recovered: Some(true)");
}

#[test]
fn a_fork_that_was_not_told_is_found_by_the_log_and_by_others() {
    let told = [
        subscribed("e", 3, "c", None),
        subscribed("e", 4, "y", Some(true)),
        entry(4, "y"),
    ];
    let complaint = complaint(&told, &[(4, "y", "x")]).expect("a complaint");
    assert!(complaint.contains("another history"), "{complaint}");

    let mut truth = Truth::default();
    let mut told_right = Audit::new("right", "t", Promise::default());
    let mut told_wrong = Audit::new("wrong", "t", Promise::default());
    for told in [subscribed("e", 3, "x", None), entry(4, "y")] {
        told_right.hear(&told, &mut truth).expect("honest");
    }
    told_wrong
        .hear(&subscribed("e", 3, "c", None), &mut truth)
        .expect("honest so far");
    assert!(told_wrong.hear(&entry(4, "y"), &mut truth).is_err());
}

#[test]
fn another_content_than_was_acknowledged_or_one_twice_is_found() {
    let mut truth = Truth::default();
    let place = Place {
        topic: "t".into(),
        epoch: "e".into(),
        offset: 1,
        tag: "a".into(),
    };
    truth
        .carries(&place, &json!({ "number": 9 }), "publisher")
        .expect("first");
    let mut audit = Audit::new("s", "t", Promise::default());
    audit
        .hear(&subscribed("e", 0, "", None), &mut truth)
        .expect("honest");
    assert!(audit.hear(&entry(1, "a"), &mut truth).is_err());

    let same = |offset, tag| carrying(offset, tag, json!({ "number": 9 }));
    fails(
        &[subscribed("e", 0, "", None), same(1, "a"), same(2, "b")],
        "second time",
    );
    passes(&[
        subscribed("e", 0, "", None),
        same(1, "a"),
        reset("e", 0, "", "fork"),
        same(1, "b"),
    ]);
}

#[test]
fn a_reset_with_a_wrong_reason_is_found() {
    let start = subscribed("e", 3, "c", None);
    fails(&[start.clone(), reset("e", 1, "a", "epoch")], "reset for");
    fails(&[start, reset("n", 1, "a", "fork")], "reset for");
    fails(&[reset("n", 1, "a", "epoch")], "before any position");
}

#[test]
fn nothing_follows_the_terminal_entry_of_a_job() {
    let start = subscribed("e", 1, "a", None);
    fails(
        &[start.clone(), job(2, "b", "succeeded"), job(3, "c", "succeeded")],
        "terminal",
    );
    fails(
        &[start.clone(), job(2, "b", "failed"), job(3, "c", "running")],
        "terminal",
    );
    passes(&[
        start,
        job(2, "b", "running"),
        job(3, "c", "succeeded"),
        reset("e", 2, "y", "fork"),
        job(3, "z", "succeeded"),
    ]);
}

#[test]
fn a_follower_of_an_event_stream_goes_on_from_its_last_id() {
    let mut truth = Truth::default();
    let mut audit = Audit::new("s", "t", Promise::default());
    for told in [subscribed("e", 3, "c", None), entry(4, "d"), lagged(5, 6)] {
        audit.hear(&told, &mut truth).expect("honest");
    }
    audit.rewind();
    assert_eq!(audit.position().map(|held| held.offset), Some(4));
    for told in [subscribed("e", 5, "e", Some(true)), entry(5, "e")] {
        audit.hear(&told, &mut truth).expect("honest");
    }
    assert!(audit.hear(&entry(5, "e"), &mut truth).is_err());
}
