//! What a client wants to hear of topics that have more than it asked for.

use hashbrown::HashSet;

/// Stands for every name.
const ALL: &str = "*";
/// Most names of one client: as many as it may have subscriptions, and then some.
const NAMES: usize = 1_024;

/// The names under which a client hears publications.
#[derive(Debug, Default)]
pub(super) struct Chosen(HashSet<Box<str>>);

impl Chosen {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(ALL) || self.0.contains(name)
    }

    pub(super) fn set(&mut self, name: &str, chosen: bool) {
        if !chosen {
            self.0.remove(name);
        } else if self.0.len() < NAMES {
            self.0.insert(name.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_chooses_everything_hears_what_it_chose_by_name_also_afterwards() {
        let mut chosen = Chosen::default();
        assert!(!chosen.has("a"));
        chosen.set("a", true);
        chosen.set(ALL, true);
        assert!(chosen.has("a") && chosen.has("b"));
        chosen.set(ALL, false);
        assert!(chosen.has("a") && !chosen.has("b"));
        chosen.set("a", false);
        assert!(!chosen.has("a"));
        for number in 0..2 * NAMES {
            chosen.set(&number.to_string(), true);
        }
        assert_eq!(chosen.0.len(), NAMES);
    }
}
