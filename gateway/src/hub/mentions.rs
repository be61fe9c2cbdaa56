//! Who came and went on a topic while somebody was joining it, so that who reads the presence list on
//! the way in is told all that has changed since.

use std::sync::Arc;

use tidegate_shared::name::SessionId;
use tidegate_shared::publication::{Body, Publication};

use super::list::List;

#[derive(Debug, Default)]
pub(super) struct Mentions {
    list: List,
    /// How many there have been, those included that are no longer at hand.
    count: u64,
}

impl Mentions {
    /// Takes in a run of publications of which some may be mentions.
    pub(super) fn hear(&mut self, run: &[Arc<Publication>]) {
        for one in run.iter().filter(|one| mentioned(one).is_some()) {
            self.list.push(one.clone());
            self.count += 1;
        }
        self.list.trim();
    }

    /// What to ask with later for what comes from now on.
    pub(super) fn mark(&self) -> u64 {
        self.count
    }

    /// What has come since, unless that was too much.
    pub(super) fn since(&self, mark: u64) -> Option<Vec<Arc<Publication>>> {
        let missed = usize::try_from(self.count.checked_sub(mark)?).ok()?;
        let known = self.list.len().checked_sub(missed)?;
        Some(self.list.iter().skip(known).cloned().collect())
    }

    /// Nobody is joining any more.
    pub(super) fn forget(&mut self) {
        self.list.clear();
    }
}

/// Who came or went by this publication, if it says so.
pub(super) fn mentioned(publication: &Publication) -> Option<SessionId> {
    match &publication.body {
        Body::Join { member } | Body::Leave { member } => Some(member.session),
        Body::Message { .. } | Body::Set { .. } | Body::Remove { .. } | Body::Job { .. } => None,
    }
}
