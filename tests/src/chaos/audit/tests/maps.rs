//! The same for state topics, and for topics of which a slow client gets the newest only.

use serde_json::{Value, json};

use super::super::super::told::{removed, set};
use super::super::*;
use super::{carrying, lagged, reset, subscribed};

const STATE: Promise = Promise {
    maps: true,
    coalesces: false,
};
const LATEST: Promise = Promise {
    maps: true,
    coalesces: true,
};

fn with_map(told: Told, map: &Value) -> Told {
    match told {
        Told::Subscribed {
            epoch,
            offset,
            tag,
            recovered,
            ..
        } => Told::Subscribed {
            epoch,
            offset,
            tag,
            recovered,
            snapshot: map.clone(),
        },
        Told::Reset {
            epoch,
            offset,
            tag,
            reason,
            ..
        } => Told::Reset {
            epoch,
            offset,
            tag,
            reason,
            snapshot: map.clone(),
        },
        other => other,
    }
}

fn skipping(offset: u64, tag: &str, skipped: u64) -> Told {
    Told::Entry {
        offset,
        tag: tag.into(),
        data: set("k", &json!(offset)),
        skipped,
    }
}

/// The first complaint of one of several subscribers, heard one after the other.
fn of_several(promise: Promise, transcripts: &[&[Told]]) -> Result<Vec<Audit>, String> {
    let mut truth = Truth::default();
    let mut audits = Vec::new();
    for told in transcripts {
        let mut audit = Audit::new("s", "t", promise);
        for told in *told {
            audit.hear(told, &mut truth)?;
        }
        audits.push(audit);
    }
    Ok(audits)
}

#[test]
fn a_map_is_the_snapshot_and_what_changed_since() {
    let start = with_map(subscribed("e", 3, "c", None), &json!({ "a": 1, "b": 2 }));
    let told = [
        start,
        carrying(4, "d", set("b", &json!({ "x": 1 }))),
        carrying(5, "e", removed("a")),
        carrying(6, "f", set("c", &json!(3))),
    ];
    let audits = of_several(STATE, &[&told]).expect("honest");
    let map = Value::Object(audits[0].map().expect("a map").clone());
    assert_eq!(map, json!({ "b": { "x": 1 }, "c": 3 }));
}

#[test]
fn a_snapshot_that_does_not_fit_the_changes_is_found() {
    let one = [
        with_map(subscribed("e", 0, "", None), &json!({})),
        carrying(1, "a", set("k", &json!(1))),
    ];
    let honest = [with_map(subscribed("e", 1, "a", None), &json!({ "k": 1 }))];
    assert!(of_several(STATE, &[&one, &honest]).is_ok());
    for wrong in [json!({}), json!({ "k": 2 }), json!({ "k": 1, "l": 1 })] {
        let later = [with_map(subscribed("e", 1, "a", None), &wrong)];
        let error = of_several(STATE, &[&one, &later]).expect_err("another map");
        assert!(error.contains("is another"), "{error}");
        let reset = [
            with_map(subscribed("n", 0, "", None), &json!({})),
            with_map(reset("e", 1, "a", "epoch"), &wrong),
        ];
        assert!(of_several(STATE, &[&one, &reset]).is_err());
    }
    let none = [subscribed("e", 1, "a", None)];
    let error = of_several(STATE, &[&none]).expect_err("no map");
    assert!(error.contains("no map"), "{error}");
}

#[test]
fn a_state_topic_cannot_lag() {
    let told = [with_map(subscribed("e", 3, "c", None), &json!({})), lagged(4, 5)];
    let error = of_several(STATE, &[&told]).expect_err("its map would be wrong");
    assert!(error.contains("state topic"), "{error}");
}

#[test]
fn what_is_skipped_is_counted_and_allowed_only_where_it_may_be() {
    let start = with_map(subscribed("e", 3, "c", None), &json!({}));
    let told = [
        start.clone(),
        skipping(6, "f", 2),
        // One that comes later was left out; what it was left out for comes later still.
        skipping(7, "g", 1),
        skipping(9, "i", 0),
    ];
    assert!(of_several(LATEST, &[&told]).is_ok());
    let error = of_several(STATE, &[&told]).expect_err("it may not skip");
    assert!(error.contains("skips none"), "{error}");
    let told = [start.clone(), skipping(6, "f", 1)];
    let error = of_several(LATEST, &[&told]).expect_err("one is missing");
    assert!(error.contains("1 missing"), "{error}");
    let told = [
        start,
        skipping(5, "e", 3),
        with_map(subscribed("e", 5, "e", Some(true)), &Value::Null),
        skipping(8, "h", 1),
    ];
    assert!(
        of_several(LATEST, &[&told]).is_err(),
        "what was owed is over with the connection"
    );
}

#[test]
fn what_was_left_out_before_a_lag_is_owed_until_the_next_publication() {
    let promise = Promise {
        maps: false,
        coalesces: true,
    };
    let start = subscribed("e", 3, "c", None);
    let told = [start.clone(), lagged(6, 8), skipping(9, "i", 2)];
    assert!(of_several(promise, &[&told]).is_ok());
    let told = [start.clone(), lagged(6, 8), skipping(9, "i", 1)];
    let error = of_several(promise, &[&told]).expect_err("one is missing");
    assert!(error.contains("1 missing"), "{error}");
    assert!(of_several(promise, &[&[start, lagged(3, 8)]]).is_err());
}
