//! The queues that a worker serves, as texts name them: `name`, or `name:weight`.

use std::ops::RangeInclusive;

use super::ServedQueue;
use super::mistake::{Wrong, echo};
use super::quantity::{number, within};
use super::value::queue;

/// Most queues that one worker serves: it asks each in turn.
const QUEUES: usize = 256;
/// Of a queue, against a worker's others.
const WEIGHT: RangeInclusive<u64> = 1..=1_000;

/// A queue to be served, `name` or `name:weight`, behind others.
pub(super) fn one(text: &str, before: &[ServedQueue]) -> Result<ServedQueue, Wrong> {
    let (name, weight) = match text.split_once(':') {
        None => (text, 1),
        Some((name, weight)) => {
            let weight = number(weight).and_then(|number| within(number, &WEIGHT, |n| n.to_string()))?;
            (name, u32::try_from(weight).unwrap_or(u32::MAX))
        }
    };
    let name = queue(name)?;
    if before.iter().any(|other| other.name == name) {
        return Err(Wrong::new(
            format!("the queue {} comes twice", echo(name.as_str())),
            "remove one",
        ));
    }
    Ok(ServedQueue { name, weight })
}

/// The same separated by commas; who comes twice counts once.
pub(super) fn queues(text: &str) -> Result<Vec<ServedQueue>, Wrong> {
    let mut queues: Vec<ServedQueue> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let queue = one(part, &[])?;
        if !queues.iter().any(|other| other.name == queue.name) {
            queues.push(queue);
        }
    }
    some_queues(&queues)?;
    Ok(queues)
}

/// A worker without queues would never do anything.
pub(super) fn some_queues(queues: &[ServedQueue]) -> Result<(), Wrong> {
    match queues.len() {
        0 => Err(Wrong::new(
            "no queue is named",
            "name one at least, as \"default\"",
        )),
        1..=QUEUES => Ok(()),
        many => Err(Wrong::new(
            format!("{many} queues are too many"),
            format!("at most {QUEUES} are allowed"),
        )),
    }
}
