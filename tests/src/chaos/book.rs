//! Where everything that happens in a run is written down: what subscribers were told, what was
//! acknowledged, which faults there were, and what was found wrong.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::audit::{Audit, Counts, Position};
use super::told::Told;
use super::topics;
use super::truth::{Place, Truth};

/// Events of one subscriber that are shown with a violation.
const LAST: usize = 25;
/// Faults that are shown with it.
const FAULTS: usize = 10;
/// Violations that are kept.
const MOST: usize = 20;

/// By subscriber and topic.
type Key = (String, String);

#[derive(Debug)]
pub struct Book {
    started: Instant,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    truth: Truth,
    views: HashMap<Key, View>,
    /// Of views that have ended.
    ended: Counts,
    faults: Vec<(Duration, String)>,
    kinds: BTreeMap<&'static str, u64>,
    losses: Vec<Instant>,
    losing: bool,
    counters: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
    worst_silence: Silence,
}

/// How long after service was back somebody had what it should have.
#[derive(Debug, Default, Clone)]
pub struct Silence {
    pub length: Duration,
    pub of: String,
    /// What it was told last.
    pub events: String,
}

#[derive(Debug)]
struct View {
    audit: Audit,
    last: VecDeque<(Duration, String)>,
    /// It was lied to: what follows says nothing.
    broken: bool,
}

/// The sums of a run.
#[derive(Debug)]
pub struct Sums {
    pub faults: BTreeMap<&'static str, u64>,
    pub counters: BTreeMap<&'static str, u64>,
    pub told: Counts,
    pub publications_known: usize,
    pub worst_silence: Silence,
    pub violations: Vec<String>,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            pages: Mutex::default(),
        }
    }
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        // A test that panicked while it wrote fails by its panic.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a subscriber stands.
    pub fn position(&self, who: &str, topic: &str) -> Option<Position> {
        let pages = self.pages();
        let view = pages.views.get(&(who.to_owned(), topic.to_owned()))?;
        view.audit.position().cloned()
    }

    pub fn is_broken(&self, who: &str, topic: &str) -> bool {
        let pages = self.pages();
        let view = pages.views.get(&(who.to_owned(), topic.to_owned()));
        view.is_some_and(|view| view.broken)
    }

    pub fn is_over(&self, who: &str, topic: &str) -> bool {
        let pages = self.pages();
        let view = pages.views.get(&(who.to_owned(), topic.to_owned()));
        view.is_some_and(|view| view.audit.is_over())
    }

    /// The map that a subscriber has of a state topic.
    pub fn map(&self, who: &str, topic: &str) -> Option<Map<String, Value>> {
        let pages = self.pages();
        let view = pages.views.get(&(who.to_owned(), topic.to_owned()))?;
        view.audit.map().cloned()
    }

    /// A follower of an event stream comes back with the last id that it was given.
    pub fn rewind(&self, who: &str, topic: &str) {
        view(&mut self.pages().views, who, topic).audit.rewind();
    }

    pub fn told(&self, who: &str, topic: &str, told: &Told) {
        let at = self.started.elapsed();
        let mut pages = self.pages();
        let Pages { truth, views, .. } = &mut *pages;
        let view = view(views, who, topic);
        view.note(at, format!("{told:?}"));
        if view.broken {
            return;
        }
        if let Err(wrong) = view.audit.hear(told, truth) {
            pages.violation(at, who, topic, &wrong);
        }
    }

    /// Something that happened to a subscriber besides what it was told.
    pub fn note(&self, who: &str, topic: &str, text: String) {
        let at = self.started.elapsed();
        view(&mut self.pages().views, who, topic).note(at, text);
    }

    /// Drops the view, and keeps its counts.
    pub fn end(&self, who: &str, topic: &str) {
        let mut pages = self.pages();
        if let Some(view) = pages.views.remove(&(who.to_owned(), topic.to_owned())) {
            pages.ended.add(&view.audit.counts);
        }
    }

    pub fn wrong(&self, who: &str, topic: &str, wrong: &str) {
        let at = self.started.elapsed();
        self.pages().violation(at, who, topic, wrong);
    }

    /// A publisher or Redis' own log says what a publication carries.
    pub fn carries(&self, place: &Place, data: &Value, who: &str) {
        let at = self.started.elapsed();
        let mut pages = self.pages();
        if let Err(wrong) = pages.truth.carries(place, data, who) {
            pages.violation(at, who, &place.topic, &wrong);
        }
    }

    /// A publisher that had asked at that time was told that its publication is there.
    pub fn acknowledged(&self, place: &Place, data: &Value, who: &str, asked: Instant) {
        self.carries(place, data, who);
        self.count("publications acknowledged", 1);
        self.pages().truth.acknowledged(place, asked);
    }

    /// Everybody has come to this place: what was acknowledged must lead there.
    pub fn settle(&self, at: &Place) {
        let now = self.started.elapsed();
        let mut pages = self.pages();
        let Pages {
            truth,
            losing,
            losses,
            ..
        } = &mut *pages;
        let settled = truth.settle(at, |when| *losing || losses.iter().any(|loss| *loss >= when));
        for (what, count) in [
            ("acknowledged and in the common history", settled.there),
            ("acknowledged and lost with Redis' data", settled.excused),
            ("acknowledged and trimmed unseen", settled.unknown),
        ] {
            *pages.counters.entry(what).or_default() += count;
        }
        for place in settled.vanished {
            let wrong =
                format!("{place:?} was acknowledged, Redis lost nothing, and {at:?} does not follow it");
            pages.violation(now, "a publisher", &at.topic, &wrong);
        }
    }

    pub fn follows(&self, place: &Place, previous: &str, who: &str) {
        let at = self.started.elapsed();
        let mut pages = self.pages();
        if let Err(wrong) = pages.truth.follows(place, previous, who) {
            pages.violation(at, who, &place.topic, &wrong);
        }
    }

    pub fn fault(&self, kind: &'static str, text: String) {
        let at = self.started.elapsed();
        let mut pages = self.pages();
        *pages.kinds.entry(kind).or_default() += 1;
        pages.faults.push((at, text));
    }

    /// A fault has ended, or a step of it was made.
    pub fn remark(&self, text: &str) {
        let at = self.started.elapsed();
        self.pages().faults.push((at, text.to_owned()));
    }

    /// From now on until [`Book::lost_data`] Redis acknowledges what it loses.
    pub fn losing_data(&self) {
        self.pages().losing = true;
    }

    pub fn lost_data(&self) {
        let mut pages = self.pages();
        pages.losing = false;
        pages.losses.push(Instant::now());
    }

    /// Whether what was acknowledged at that time may be lost.
    pub fn data_lost_since(&self, when: Instant) -> bool {
        let pages = self.pages();
        pages.losing || pages.losses.iter().any(|loss| *loss >= when)
    }

    pub fn count(&self, what: &'static str, by: u64) {
        *self.pages().counters.entry(what).or_default() += by;
    }

    /// So long after service was back a subscriber had what it should have.
    pub fn silence(&self, length: Duration, who: &str, topic: &str, remark: &str) {
        let mut pages = self.pages();
        if length > pages.worst_silence.length {
            let view = pages.views.get(&(who.to_owned(), topic.to_owned()));
            let events = view.map(View::events).unwrap_or_default();
            pages.worst_silence = Silence {
                length,
                of: format!("{who} on {topic}; {remark}"),
                events,
            };
        }
    }

    /// Who follows topics that begin like this.
    pub fn followed(&self, prefix: &str) -> Vec<(String, String)> {
        let pages = self.pages();
        let keys = pages.views.keys().filter(|(_, topic)| topic.starts_with(prefix));
        keys.cloned().collect()
    }

    pub fn has_violations(&self) -> bool {
        !self.pages().violations.is_empty()
    }

    pub fn sums(&self) -> Sums {
        let pages = self.pages();
        let mut told = pages.ended.clone();
        for view in pages.views.values() {
            told.add(&view.audit.counts);
        }
        Sums {
            faults: pages.kinds.clone(),
            counters: pages.counters.clone(),
            told,
            publications_known: pages.truth.publications(),
            worst_silence: pages.worst_silence.clone(),
            violations: pages.violations.clone(),
        }
    }
}

fn view<'a>(views: &'a mut HashMap<Key, View>, who: &str, topic: &str) -> &'a mut View {
    views
        .entry((who.to_owned(), topic.to_owned()))
        .or_insert_with(|| View {
            audit: Audit::new(who, topic, topics::promise(topic)),
            last: VecDeque::new(),
            broken: false,
        })
}

impl View {
    fn note(&mut self, at: Duration, text: String) {
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back((at, text));
    }

    fn events(&self) -> String {
        let mut text = String::new();
        for (when, event) in &self.last {
            let _ = writeln!(text, "    {:.3} s {event}", when.as_secs_f64());
        }
        text
    }
}

impl Pages {
    fn violation(&mut self, at: Duration, who: &str, topic: &str, wrong: &str) {
        let mut text = format!(
            "{:.3} s, {who} on {topic}: {wrong}\n  faults:\n",
            at.as_secs_f64()
        );
        let first = self.faults.len().saturating_sub(FAULTS);
        for (when, fault) in &self.faults[first..] {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "    {:.3} s {fault}", when.as_secs_f64());
        }
        if let Some(view) = self.views.get_mut(&(who.to_owned(), topic.to_owned())) {
            view.broken = true;
            text.push_str("  what it was told:\n");
            text.push_str(&view.events());
        }
        if self.violations.len() < MOST {
            self.violations.push(text);
        }
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.recovered += other.recovered;
        self.unrecovered += other.unrecovered;
        self.lagged += other.lagged;
        self.lagged_offsets += other.lagged_offsets;
        self.skipped += other.skipped;
        self.resets += other.resets;
    }
}
