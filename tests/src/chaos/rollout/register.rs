//! Who was cut by which restart, when everybody knocked, and what of it is to be told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Refusals that are kept word for word.
const MOST: usize = 20;

#[derive(Debug)]
pub(super) struct Register {
    began: Instant,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    /// How many restarts have begun.
    restart: usize,
    knocks: Vec<Duration>,
    turned_away: u64,
    cuts: Vec<Cut>,
    /// Who follows its topic, and who did and will again: by which restart it was cut.
    there: BTreeSet<u64>,
    known: BTreeSet<u64>,
    /// The last return of one whom a restart has cut.
    returns: BTreeMap<usize, Duration>,
    cut_by: HashMap<u64, usize>,
    refusals: Vec<String>,
    refused: u64,
}

#[derive(Debug)]
struct Cut {
    who: u64,
    restart: usize,
    at: Duration,
    told: bool,
    code: Option<u16>,
}

impl Default for Register {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            pages: Mutex::default(),
        }
    }
}

impl Register {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is cut from now on is cut by the next restart.
    pub(super) fn begins(&self) {
        self.pages().restart += 1;
    }

    /// Somebody begins a handshake.
    pub(super) fn knocks(&self) {
        let at = self.began.elapsed();
        self.pages().knocks.push(at);
    }

    /// A handshake came to nothing.
    pub(super) fn turned_away(&self) {
        self.pages().turned_away += 1;
    }

    pub(super) fn follows(&self, who: u64) {
        let at = self.began.elapsed();
        let mut pages = self.pages();
        pages.there.insert(who);
        pages.known.insert(who);
        if let Some(restart) = pages.cut_by.remove(&who) {
            pages.returns.insert(restart, at);
        }
    }

    /// How many of those who have ever been there are not.
    pub(super) fn away(&self) -> usize {
        let pages = self.pages();
        pages.known.len() - pages.there.len()
    }

    /// `told`: it was told before when to come back.
    pub(super) fn cut(&self, who: u64, told: bool, code: Option<u16>) {
        let at = self.began.elapsed();
        let mut pages = self.pages();
        let restart = pages.restart;
        pages.there.remove(&who);
        pages.cut_by.insert(who, restart);
        pages.cuts.push(Cut {
            who,
            restart,
            at,
            told,
            code,
        });
    }

    /// A publication was not accepted.
    pub(super) fn refused(&self, why: &str) {
        let at = self.began.elapsed().as_secs_f64();
        let mut pages = self.pages();
        pages.refused += 1;
        if pages.refusals.len() < MOST {
            pages.refusals.push(format!("{at:.3} s: {why}"));
        }
    }

    pub(super) fn report(&self, clients: u64) -> Value {
        let pages = self.pages();
        let restarts: Vec<Value> = (1..=pages.restart)
            .map(|restart| pages.restart(restart))
            .collect();
        let mut by_client: HashMap<(u64, usize), u64> = HashMap::new();
        let mut codes: BTreeMap<String, u64> = BTreeMap::new();
        for cut in &pages.cuts {
            *by_client.entry((cut.who, cut.restart)).or_default() += 1;
            let code = cut
                .code
                .map_or_else(|| "none".to_owned(), |code| code.to_string());
            *codes.entry(code).or_default() += 1;
        }
        let untold = pages.cuts.iter().filter(|cut| !cut.told).count();
        let twice = by_client.values().filter(|cuts| **cuts > 1).count();
        #[expect(clippy::cast_precision_loss, reason = "numbers of clients")]
        let mean = pages.cuts.len() as f64 / clients.max(1) as f64;
        json!({
            "restarts": restarts,
            "cuts_of_a_client_in_the_mean": mean,
            "cut_twice_by_one_restart": twice,
            "cut_without_goaway": untold,
            "close_codes": codes,
            "handshakes_that_came_to_nothing": pages.turned_away,
            "refused_publications": pages.refused,
            "refusals": pages.refusals,
        })
    }
}

impl Pages {
    /// While the clients of one node go and come back: all handshakes, of whomever.
    fn restart(&self, restart: usize) -> Value {
        let cuts: Vec<&Cut> = self.cuts.iter().filter(|cut| cut.restart == restart).collect();
        let from = cuts.iter().map(|cut| cut.at).min().unwrap_or_default();
        let to = self.returns.get(&restart).copied().unwrap_or(from);
        let (mean, peak) = spread(&self.knocks, from, to);
        json!({
            "cut": cuts.len(),
            "seconds_from_the_first_cut_to_the_last_return": (to.saturating_sub(from)).as_secs_f64(),
            "handshakes_per_second_in_the_mean": mean,
            "handshakes_per_second_at_the_peak": peak,
            "peak_to_mean": f64::from(peak) / mean.max(f64::MIN_POSITIVE),
        })
    }
}

/// The mean per second and the most in one second of what happened in that time.
fn spread(happened: &[Duration], from: Duration, to: Duration) -> (f64, u32) {
    let mut seconds: BTreeMap<u64, u32> = BTreeMap::new();
    for at in happened.iter().filter(|at| (from..=to).contains(at)) {
        *seconds.entry(at.saturating_sub(from).as_secs()).or_default() += 1;
    }
    let all: u32 = seconds.values().sum();
    let length = to.saturating_sub(from).as_secs_f64().max(1.0);
    (
        f64::from(all) / length,
        seconds.values().copied().max().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_fullest_second_of_the_time_looked_at() {
        let at = |tenths: &[u64]| -> Vec<Duration> {
            tenths
                .iter()
                .map(|tenths| Duration::from_millis(tenths * 100))
                .collect()
        };
        let (from, to) = (Duration::from_secs(1), Duration::from_secs(5));
        assert_eq!(
            spread(&at(&[0, 5, 9, 10, 19, 25, 26, 27, 50, 51]), from, to),
            (1.5, 3)
        );
        assert_eq!(spread(&[], from, to), (0.0, 0));
    }

    #[test]
    fn who_is_cut_twice_by_one_restart_is_told_and_who_is_cut_by_two_is_not() {
        let register = Register::default();
        for who in 0..3 {
            register.follows(who);
        }
        register.begins();
        register.cut(0, true, Some(1012));
        assert_eq!(register.away(), 1);
        register.follows(0);
        assert_eq!(register.away(), 0);
        register.begins();
        register.cut(0, true, Some(1012));
        assert_eq!(register.report(3)["cut_twice_by_one_restart"], 0);
        register.follows(0);
        register.cut(0, false, None);
        let report = register.report(3);
        assert_eq!(report["cut_twice_by_one_restart"], 1);
        assert_eq!(report["cut_without_goaway"], 1);
        assert_eq!(report["cuts_of_a_client_in_the_mean"], 1.0);
        assert_eq!(report["restarts"][0]["cut"], 1);
    }
}
