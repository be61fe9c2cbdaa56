//! What really happened in the topics: what publishers were told, and what Redis' own logs say.
//!
//! A publication is known by topic, epoch, offset and tag. Of each it is known what it carries and which
//! tag stands before it. The first to say so is believed; whoever says something else later disagrees.

use std::collections::HashMap;

use serde_json::Value;

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
}

#[derive(Debug, Default)]
struct Known {
    data: Option<(Value, String)>,
    previous: Option<(String, String)>,
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

    pub fn publications(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_saw_another_predecessor_or_another_content_is_told_so() {
        let place = Place {
            topic: "t".into(),
            epoch: "e".into(),
            offset: 2,
            tag: "b".into(),
        };
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
}
