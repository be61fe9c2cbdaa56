//! How often each address has given a password that was wrong.
//!
//! Pure: times come in. Remembers a limited number of addresses; the rest share one place.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

/// Wrong passwords from one address before it has to wait for each further one. An office behind one
/// address may begin to work at the same time, and only those under way and wrong ones count.
const FREE: u32 = 20;
/// How long an address that has guessed so often waits for its next guess.
const PAUSE: Duration = Duration::from_secs(3);
/// Addresses that are remembered.
const ADDRESSES: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// When all guesses of the address are forgotten.
    of: HashMap<IpAddr, Instant>,
}

impl Guesses {
    /// Whether one more may come from there; if so, it counts as a guess.
    pub(super) fn may(&mut self, from: Option<IpAddr>, now: Instant) -> bool {
        let place = self.place(from, now);
        let forgotten = self.of.get(&place).copied().unwrap_or(now).max(now);
        if forgotten + PAUSE > now + PAUSE * FREE {
            return false;
        }
        self.of.insert(place, forgotten + PAUSE);
        true
    }

    /// What counted as a guess was none.
    pub(super) fn forgive(&mut self, from: Option<IpAddr>) {
        let place = network(from);
        let place = if self.of.contains_key(&place) {
            place
        } else {
            NOWHERE
        };
        if let Some(forgotten) = self.of.get_mut(&place) {
            *forgotten = forgotten.checked_sub(PAUSE).unwrap_or(*forgotten);
        }
    }

    /// Where guesses from there are counted.
    fn place(&mut self, from: Option<IpAddr>, now: Instant) -> IpAddr {
        let place = network(from);
        if self.of.len() >= ADDRESSES && !self.of.contains_key(&place) {
            self.of.retain(|_, forgotten| *forgotten > now);
            if self.of.len() >= ADDRESSES {
                return NOWHERE;
            }
        }
        place
    }
}

/// Where the address is not known or there are too many.
const NOWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// An IPv6 network counts as one address: whoever has one has 2⁶⁴ addresses.
fn network(from: Option<IpAddr>) -> IpAddr {
    match from.map(|address| address.to_canonical()) {
        None => NOWHERE,
        Some(IpAddr::V4(address)) => IpAddr::V4(address),
        Some(IpAddr::V6(address)) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::unnecessary_wraps, reason = "as requests have it")]
    fn address(last: u32) -> Option<IpAddr> {
        Some(IpAddr::from(last.to_be_bytes()))
    }

    #[test]
    fn guesses_are_forgotten_one_after_the_other() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for _ in 0..FREE {
            assert!(guesses.may(address(1), now));
        }
        assert!(!guesses.may(address(1), now));
        assert!(guesses.may(address(2), now));
        let later = now + PAUSE;
        assert!(guesses.may(address(1), later));
        assert!(!guesses.may(address(1), later));
        guesses.forgive(address(1));
        assert!(guesses.may(address(1), later));
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        let of = |last: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 7, 1, 2, 3, last]));
        for last in 0..100 {
            assert_eq!(guesses.may(of(last), now), u32::from(last) < FREE);
        }
        assert_eq!(
            network(Some("::ffff:1.2.3.4".parse().expect("an address"))),
            IpAddr::from([1, 2, 3, 4])
        );
    }

    #[test]
    fn however_many_addresses_guess_no_more_than_some_are_remembered() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..u32::try_from(ADDRESSES).expect("fits") + 500 {
            guesses.may(address(number), now);
        }
        assert!(guesses.of.len() <= ADDRESSES + 1);
        assert!(!guesses.may(address(0xffff_ffff), now), "they share one place");
        assert!(
            guesses.may(address(0xffff_ffff), now + Duration::from_secs(600)),
            "until the others are forgotten"
        );
    }
}
