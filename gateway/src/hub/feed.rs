//! How far the subscribers of one topic have been brought, and what is known beyond.
//!
//! Pure: publications and pages of the log go in, what to hand on comes out, always contiguous. Two
//! bounded lists make that possible without a buffer for each subscriber. `held` is what arrived while
//! nothing could be handed on (a hole is being repaired, or the first subscriber is still reading).
//! `history` is what was handed on while somebody was joining: it links the joiner's read to the rest.

use std::sync::Arc;

use tidegate_shared::position::{Offset, Position};
use tidegate_shared::publication::Publication;

use super::list::List;

#[derive(Debug, Default)]
pub(super) struct Feed {
    state: State,
    held: Held,
    history: List,
    /// Offset of the newest publication that arrived live. Live ones come in order, so one that is not
    /// beyond it belongs to another history.
    heard: Offset,
    /// Of the repair that may run; an older one that still runs must not touch anything.
    repair: u32,
    /// Counts what makes earlier reads of the log doubtful.
    doubts: u32,
    /// The repair is to take everybody to the top of the log, whatever they have.
    reset: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody has read the log yet.
    #[default]
    Unknown,
    /// Everybody has everything up to here.
    Live(Position),
    /// The same, and what comes next is being read.
    Repairing(Position),
    /// The topic has no log: whatever arrives goes on.
    Open,
}

/// What is to be done with a publication that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    Deliver,
    /// Known already, or kept for later.
    Nothing,
    /// Something is missing before it: start the repair with this number.
    Hole(u32),
}

/// Where somebody who has read up to some position stands among those who are live.
#[derive(Debug, PartialEq)]
pub(super) enum Admission {
    /// Hand over these, and it is where all others are.
    Level(Vec<Arc<Publication>>),
    /// Ahead of the others: it must not get again what it has.
    Ahead,
    /// Something has happened since that makes the read doubtful: read anew.
    Stale,
    /// Ask again when the repair has ended.
    Wait,
    /// Read on from the position: what follows it is no longer at hand.
    ReadOn,
    /// The read does not fit to what the others have: start the repair with this number, wait for its
    /// end, and read anew.
    Disagree(u32),
}

/// How a repair goes on after a page of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    ReadOn,
    Done,
}

#[derive(Debug, Default)]
struct Held {
    list: List,
    /// So many of the list had arrived before the read that is under way.
    before_read: usize,
    /// Something was dropped, or may have been missed, since that read began.
    incomplete: bool,
}

impl Feed {
    /// The position of everybody who is live.
    pub(super) fn position(&self) -> Option<Position> {
        match self.state {
            State::Unknown | State::Open => None,
            State::Live(last) | State::Repairing(last) => Some(last),
        }
    }

    /// The same, unless a repair may change it soon.
    pub(super) fn live(&self) -> Option<Position> {
        match self.state {
            State::Live(last) => Some(last),
            State::Unknown | State::Open | State::Repairing(_) => None,
        }
    }

    pub(super) fn is_repairing(&self, repair: u32) -> bool {
        matches!(self.state, State::Repairing(_)) && self.repair == repair
    }

    /// A live publication with a place in the log. `joining`: somebody is.
    pub(super) fn arrive(&mut self, publication: &Arc<Publication>, joining: bool) -> Arrival {
        let Some(place) = publication.place else {
            return Arrival::Deliver;
        };
        match self.state {
            State::Open => Arrival::Deliver,
            State::Unknown => {
                if joining {
                    self.held.push(publication);
                }
                Arrival::Nothing
            }
            State::Repairing(_) => {
                self.held.push(publication);
                Arrival::Nothing
            }
            State::Live(last) => {
                let in_order = place.position.offset > self.heard;
                if place.follows(&last) {
                    self.heard = place.position.offset;
                    self.advance(publication, joining);
                    return Arrival::Deliver;
                }
                if in_order && is_known(publication, &last) {
                    self.heard = place.position.offset;
                    return Arrival::Nothing;
                }
                self.held.push(publication);
                Arrival::Hole(self.begin_repair(last))
            }
        }
    }

    /// Publications may have been missed. Gives the number of the repair to start, if one is needed.
    pub(super) fn suspect(&mut self) -> Option<u32> {
        self.doubts = self.doubts.wrapping_add(1);
        match self.state {
            State::Unknown | State::Repairing(_) => {
                self.held.incomplete = true;
                None
            }
            State::Live(last) => Some(self.begin_repair(last)),
            State::Open => None,
        }
    }

    /// The topic has no log.
    pub(super) fn open(&mut self) {
        self.state = State::Open;
    }

    /// Somebody has read the log up to `top`, having asked after this topic's publications, and for
    /// `doubts`, before.
    pub(super) fn admit(&mut self, top: Position, doubts: u32) -> Admission {
        if doubts != self.doubts {
            return Admission::Stale;
        }
        let last = match self.state {
            State::Unknown | State::Open => {
                self.state = State::Live(top);
                self.heard = 0;
                return Admission::Level(Vec::new());
            }
            State::Repairing(_) => return Admission::Wait,
            State::Live(last) => last,
        };
        if top.epoch != last.epoch {
            return Admission::Disagree(self.begin_repair(last));
        }
        if top.offset > last.offset {
            return Admission::Ahead;
        }
        if top == last {
            return Admission::Level(Vec::new());
        }
        if top.offset == last.offset {
            return Admission::Disagree(self.begin_repair(last));
        }
        let next = |one: &Arc<Publication>| {
            one.place
                .is_some_and(|place| place.position.offset == top.offset + 1)
        };
        let found = self.history.iter().position(next);
        match found {
            None => Admission::ReadOn,
            Some(first) if self.history.get(first).is_some_and(|one| follows(one, &top)) => {
                Admission::Level(self.history.iter().skip(first).cloned().collect())
            }
            Some(_) => Admission::Disagree(self.begin_repair(last)),
        }
    }

    /// Appends to `out` what was held and now follows. Gives the number of the repair to start if
    /// something is missing. To be called when [`Feed::admit`] was the first.
    pub(super) fn settle(&mut self, joining: bool, out: &mut Vec<Arc<Publication>>) -> Option<u32> {
        let State::Live(_) = self.state else { return None };
        let incomplete = std::mem::take(&mut self.held.incomplete);
        self.drain(joining, out);
        match self.state {
            State::Live(last) if incomplete || !self.held.list.is_empty() => Some(self.begin_repair(last)),
            _ => None,
        }
    }

    /// The position that the repair must read after. What arrives from now on is newer than the read.
    pub(super) fn begin_read(&mut self) -> Option<Position> {
        let State::Repairing(last) = self.state else {
            return None;
        };
        self.held.before_read = self.held.list.len();
        self.held.incomplete = false;
        Some(last)
    }

    /// The read that began last gave `publications`, contiguous from the position on, with the log's
    /// top at `top`. Appends to `out` what follows.
    pub(super) fn read(
        &mut self,
        publications: &[Arc<Publication>],
        top: &Position,
        joining: bool,
        out: &mut Vec<Arc<Publication>>,
    ) -> Progress {
        let State::Repairing(mut last) = self.state else {
            return Progress::Done;
        };
        for publication in publications {
            if follows(publication, &last) {
                self.advance(publication, joining);
                out.push(publication.clone());
                last = self.position().unwrap_or(last);
            }
        }
        if last != *top {
            return Progress::ReadOn;
        }
        self.conclude(joining, out)
    }

    /// Takes the subscribers to `position`, which does not follow from where they were; they are told
    /// by the caller.
    pub(super) fn jump(&mut self, position: Position) {
        if let State::Repairing(_) = self.state {
            self.state = State::Repairing(position);
            self.reset = false;
            self.doubts = self.doubts.wrapping_add(1);
            self.history.clear();
        }
    }

    /// Ends the repair at the top of the log, if everything that arrived meanwhile fits.
    pub(super) fn conclude(&mut self, joining: bool, out: &mut Vec<Arc<Publication>>) -> Progress {
        // What had arrived before the log was read was in it, and so is known by now. If it is not, the
        // backend has lost it since: the log is the truth.
        for _ in 0..std::mem::take(&mut self.held.before_read) {
            self.held.list.pop();
        }
        self.drain(joining, out);
        let State::Repairing(last) = self.state else {
            return Progress::Done;
        };
        if self.held.incomplete || !self.held.list.is_empty() {
            return Progress::ReadOn;
        }
        self.state = State::Live(last);
        self.heard = 0;
        Progress::Done
    }

    /// Some subscriber has seen another history than the rest: all must be told to start anew. Gives
    /// the number of the repair to start, if none runs.
    pub(super) fn disown(&mut self) -> Option<u32> {
        self.reset = true;
        match self.state {
            State::Live(last) => Some(self.begin_repair(last)),
            State::Unknown | State::Repairing(_) | State::Open => None,
        }
    }

    /// A number that stays the same for as long as what was read of the log can be relied on.
    pub(super) fn doubts(&self) -> u32 {
        self.doubts
    }

    /// Whether the repair must not lead on from where the subscribers are.
    pub(super) fn must_reset(&self) -> bool {
        self.reset
    }

    /// Nobody is live any more: the position is forgotten.
    pub(super) fn forget(&mut self, joining: bool) {
        self.state = State::Unknown;
        self.reset = false;
        self.history.clear();
        if joining {
            // What was handed on while they were reading is remembered nowhere now.
            self.held.incomplete = true;
        } else {
            self.held = Held::default();
        }
    }

    /// Nobody is joining any more.
    pub(super) fn joined(&mut self) {
        self.history = List::default();
        if self.state == State::Unknown {
            self.held = Held::default();
        }
    }

    fn begin_repair(&mut self, last: Position) -> u32 {
        self.state = State::Repairing(last);
        self.repair = self.repair.wrapping_add(1);
        self.repair
    }

    /// Takes from the front of what is held: what follows goes to `out`, what is known away.
    fn drain(&mut self, joining: bool, out: &mut Vec<Arc<Publication>>) {
        while let Some(publication) = self.held.list.get(0) {
            let Some(last) = self.position() else { return };
            let is_next = follows(publication, &last);
            if !is_next && !is_known(publication, &last) {
                return;
            }
            let Some(publication) = self.held.list.pop() else {
                return;
            };
            if is_next {
                self.advance(&publication, joining);
                out.push(publication);
            }
        }
    }

    fn advance(&mut self, publication: &Arc<Publication>, joining: bool) {
        let Some(place) = publication.place else { return };
        match &mut self.state {
            State::Unknown | State::Open => {}
            State::Live(last) | State::Repairing(last) => *last = place.position,
        }
        if joining {
            self.history.push(publication.clone());
            self.history.trim();
        }
    }
}

fn follows(publication: &Publication, last: &Position) -> bool {
    publication.place.is_some_and(|place| place.follows(last))
}

/// Whether somebody at `last` has had it, as far as one can tell.
fn is_known(publication: &Publication, last: &Position) -> bool {
    publication.place.is_some_and(|place| {
        let at = place.position;
        at.epoch == last.epoch && (at.offset < last.offset || at == *last)
    })
}

impl Held {
    fn push(&mut self, publication: &Arc<Publication>) {
        self.list.push(publication.clone());
        if self.list.is_over() {
            self.list.clear();
            self.before_read = 0;
            self.incomplete = true;
        }
    }
}
