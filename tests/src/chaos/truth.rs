//! What really happened in the topics: what publishers were told, and what Redis' own logs say.
//!
//! A publication is known by topic, epoch, offset and tag. Of each it is known what it carries, which tag
//! stands before it and, on a state topic, what the map is after it. The first to say so is believed;
//! whoever says something else later disagrees.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use serde_json::{Map, Value};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub topic: String,
    pub epoch: String,
    pub offset: u64,
    pub tag: String,
}

#[derive(Debug, Default)]
pub struct Truth {
    known: HashMap<Place, Known>,
    /// What publishers were promised, and when they had asked for it.
    acknowledged: Vec<(Place, Instant)>,
}

#[derive(Debug, Default)]
struct Known {
    data: Option<(Value, String)>,
    previous: Option<(String, String)>,
    map: Option<(u64, String)>,
}

/// What became of a topic's acknowledged publications.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// They are in the history that all subscribers have come to.
    pub there: u64,
    /// Redis lost its data meanwhile.
    pub excused: u64,
    /// Nobody saw what came after them: trimmed before anybody looked.
    pub unknown: u64,
    pub vanished: Vec<Place>,
}

impl Truth {
    /// Somebody says what a publication carries.
    pub fn carries(&mut self, place: &Place, data: &Value, who: &str) -> Result<(), String> {
        let known = self.known.entry(place.clone()).or_default();
        match &known.data {
            Some((there, by)) if there != data => {
                Err(format!("{place:?} carries {data} to {who}, but {there} to {by}"))
            }
            Some(_) => Ok(()),
            None => {
                known.data = Some((data.clone(), who.to_owned()));
                Ok(())
            }
        }
    }

    /// Somebody saw it right after the publication with this tag.
    pub fn follows(&mut self, place: &Place, previous: &str, who: &str) -> Result<(), String> {
        let known = self.known.entry(place.clone()).or_default();
        match &known.previous {
            Some((there, by)) if there != previous => Err(format!(
                "{place:?} follows tag {previous:?} for {who}, but {there:?} for {by}: another history"
            )),
            Some(_) => Ok(()),
            None => {
                known.previous = Some((previous.to_owned(), who.to_owned()));
                Ok(())
            }
        }
    }

    /// Somebody has this map after that publication.
    pub fn maps(&mut self, place: &Place, map: &Map<String, Value>, who: &str) -> Result<(), String> {
        let digest = digest(map);
        let known = self.known.entry(place.clone()).or_default();
        match &known.map {
            Some((there, by)) if *there != digest => {
                let map = Value::Object(map.clone());
                Err(format!(
                    "the map at {place:?} is another for {who} than for {by}: {map}"
                ))
            }
            Some(_) => Ok(()),
            None => {
                known.map = Some((digest, who.to_owned()));
                Ok(())
            }
        }
    }

    /// A publisher that had asked then was told that its publication has this place.
    pub fn acknowledged(&mut self, place: &Place, asked: Instant) {
        self.acknowledged.push((place.clone(), asked));
    }

    /// Everybody has come to `at`. What was acknowledged must lead there, unless Redis lost data after it
    /// was asked for.
    pub fn settle(&mut self, at: &Place, lost_since: impl Fn(Instant) -> bool) -> Settled {
        let mut settled = Settled::default();
        let (mine, others) = std::mem::take(&mut self.acknowledged)
            .into_iter()
            .partition(|(place, _)| place.topic == at.topic);
        self.acknowledged = others;
        let mut mine: Vec<(Place, Instant)> = mine;
        mine.sort_by_key(|(place, _)| std::cmp::Reverse(place.offset));
        let mut behind = Some(at.clone());
        for (place, asked) in mine {
            if lost_since(asked) {
                settled.excused += 1;
                continue;
            }
            if place.epoch == at.epoch {
                while let Some(one) = &behind
                    && one.offset > place.offset
                {
                    behind = self.before(one);
                }
            }
            match &behind {
                _ if place.epoch != at.epoch || place.offset > at.offset => settled.vanished.push(place),
                None => settled.unknown += 1,
                Some(there) if *there == place => settled.there += 1,
                Some(_) => settled.vanished.push(place),
            }
        }
        settled
    }

    fn before(&self, place: &Place) -> Option<Place> {
        let (tag, _) = self.known.get(place)?.previous.as_ref()?;
        Some(Place {
            offset: place.offset.checked_sub(1)?,
            tag: tag.clone(),
            ..place.clone()
        })
    }

    pub fn publications(&self) -> usize {
        self.known.len()
    }
}

/// Does not depend on the order of the keys.
fn digest(map: &Map<String, Value>) -> u64 {
    map.iter().fold(0, |sum: u64, (key, value)| {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        value.hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn place(offset: u64, tag: &str) -> Place {
        Place {
            topic: "t".into(),
            epoch: "e".into(),
            offset,
            tag: tag.into(),
        }
    }

    /// a, b, c, d at 1 to 4; nobody knows what is before c.
    fn four() -> Truth {
        let mut truth = Truth::default();
        truth.follows(&place(4, "d"), "c", "Redis").expect("one log");
        truth.follows(&place(2, "b"), "a", "Redis").expect("one log");
        truth
    }

    #[test]
    fn who_saw_another_predecessor_or_another_content_is_told_so() {
        let place = place(2, "b");
        let mut truth = Truth::default();
        assert!(truth.carries(&place, &json!(1), "publisher").is_ok());
        assert!(truth.carries(&place, &json!(1), "subscriber").is_ok());
        assert!(truth.carries(&place, &json!(2), "subscriber").is_err());
        assert!(truth.follows(&place, "a", "Redis").is_ok());
        assert!(truth.follows(&place, "a", "subscriber").is_ok());
        let error = truth.follows(&place, "x", "subscriber").expect_err("a fork");
        assert!(
            error.contains("another history") && error.contains("Redis"),
            "{error}"
        );
    }

    #[test]
    fn who_has_another_map_at_the_same_place_is_told_so() {
        let map = |value: Value| value.as_object().expect("an object").clone();
        let mut truth = Truth::default();
        let there = map(json!({ "a": 1, "b": { "c": 2 } }));
        truth.maps(&place(2, "b"), &there, "one").expect("the first");
        truth.maps(&place(2, "b"), &there, "other").expect("the same");
        for wrong in [json!({ "a": 1 }), json!({ "a": 1, "b": { "c": 3 } }), json!({})] {
            let error = truth.maps(&place(2, "b"), &map(wrong), "other");
            assert!(error.is_err_and(|error| error.contains("than for one")));
        }
    }

    #[test]
    fn an_acknowledged_publication_that_is_not_in_the_history_has_vanished() {
        let now = Instant::now();
        let mut truth = four();
        truth.acknowledged(&place(4, "d"), now);
        truth.acknowledged(&place(3, "c"), now);
        truth.acknowledged(&place(2, "b"), now);
        let settled = truth.settle(&place(4, "d"), |_| false);
        assert_eq!((settled.there, settled.unknown), (2, 1), "{settled:?}");
        assert_eq!(settled.vanished, []);

        truth.acknowledged(&place(3, "x"), now);
        assert_eq!(truth.settle(&place(4, "d"), |_| false).vanished, [place(3, "x")]);
        truth.acknowledged(&place(5, "e"), now);
        assert_eq!(truth.settle(&place(4, "d"), |_| false).vanished, [place(5, "e")]);
        let elsewhere = Place {
            epoch: "n".into(),
            ..place(3, "c")
        };
        truth.acknowledged(&elsewhere, now);
        assert_eq!(truth.settle(&place(4, "d"), |_| false).vanished, [elsewhere]);
    }

    #[test]
    fn what_was_lost_with_redis_data_is_excused_and_other_topics_wait() {
        let now = Instant::now();
        let mut truth = four();
        truth.acknowledged(&place(3, "x"), now);
        let other = Place {
            topic: "u".into(),
            ..place(9, "z")
        };
        truth.acknowledged(&other, now);
        let settled = truth.settle(&place(4, "d"), |_| true);
        assert_eq!((settled.excused, settled.vanished.len()), (1, 0));
        let settled = truth.settle(&other, |_| false);
        assert_eq!(settled.there, 1);
    }
}
