//! Who serves which slot, as a Cluster's servers tell it. Plain values; the connections are in
//! [`super::layout`].

use fred::types::Value;

use super::address::Server;

/// The slots of every Cluster.
pub(super) const SLOTS: u16 = 16_384;

/// The slot of all keys with this hash tag.
pub(super) fn slot_of(tag: &str) -> u16 {
    fred::util::redis_keyslot(tag.as_bytes())
}

/// One server's view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// Grows with every change of the layout, and with each election. The server with the highest one
    /// knows best.
    pub(super) epoch: u64,
    /// First and last slot, and the master. In order and without overlap.
    pub(super) ranges: Vec<(u16, u16, Server)>,
    pub(super) replicas: Vec<Server>,
}

impl View {
    /// One master serves everything.
    pub(super) fn alone(server: Server, epoch: u64) -> Self {
        Self {
            epoch,
            ranges: vec![(0, SLOTS - 1, server)],
            replicas: Vec::new(),
        }
    }

    /// Reads the answer to CLUSTER SLOTS that `asked` gave. What can't be read counts as not served.
    pub(super) fn read(answer: Value, epoch: u64, asked: &Server) -> Self {
        let mut ranges = Vec::new();
        let mut replicas = Vec::new();
        for range in answer.into_array() {
            let mut parts = range.into_array().into_iter();
            let mut number = || u16::try_from(parts.next()?.as_u64()?).ok();
            let (Some(first), Some(last)) = (number(), number()) else {
                continue;
            };
            let mut servers = parts.filter_map(|server| read_server(server, asked));
            if let Some(master) = servers.next()
                && first <= last
                && last < SLOTS
            {
                ranges.push((first, last, master));
            }
            replicas.extend(servers);
        }
        ranges.sort();
        // Neighbours of the same master are one range, so that equal views are equal.
        let mut merged: Vec<(u16, u16, Server)> = Vec::with_capacity(ranges.len());
        for (first, last, master) in ranges {
            match merged.last_mut() {
                Some((_, before, same)) if *same == master && *before + 1 == first => *before = last,
                Some((_, before, _)) if *before >= first => {}
                _ => merged.push((first, last, master)),
            }
        }
        replicas.sort();
        replicas.dedup();
        Self {
            epoch,
            ranges: merged,
            replicas,
        }
    }

    /// How many slots nobody serves.
    pub(super) fn missing(&self) -> u16 {
        let served = self.ranges.iter().map(|(first, last, _)| last - first + 1);
        SLOTS - served.sum::<u16>()
    }

    pub(super) fn masters(&self) -> Vec<Server> {
        let mut masters: Vec<Server> = self.ranges.iter().map(|(_, _, master)| master.clone()).collect();
        masters.sort();
        masters.dedup();
        masters
    }
}

/// `[host, port, …]`. A host that the server does not know of itself is the one it was asked at.
fn read_server(value: Value, asked: &Server) -> Option<Server> {
    let mut parts = value.into_array().into_iter();
    let host = parts.next()?;
    let port = u16::try_from(parts.next()?.as_u64()?).ok()?;
    let host: Box<str> = match host.as_string().as_deref() {
        None | Some("") => asked.host.clone(),
        Some("?") => return None,
        Some(host) => host.into(),
    };
    Some(Server { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: u16) -> Server {
        Server {
            host: host.into(),
            port,
        }
    }

    fn entry(host: Value, port: i64) -> Value {
        Value::Array(vec![host, Value::Integer(port), Value::from("id")])
    }

    fn range(first: i64, last: i64, servers: Vec<Value>) -> Value {
        let mut parts = vec![Value::Integer(first), Value::Integer(last)];
        parts.extend(servers);
        Value::Array(parts)
    }

    #[test]
    fn a_view_is_read_in_order_with_neighbours_joined() {
        let answer = Value::Array(vec![
            range(8_000, 16_383, vec![entry(Value::Null, 2), entry("c".into(), 3)]),
            range(5_000, 7_999, vec![entry("a".into(), 1)]),
            range(0, 4_999, vec![entry("a".into(), 1), entry("?".into(), 4)]),
        ]);
        let view = View::read(answer, 7, &server("asked", 9));
        assert_eq!(
            view.ranges,
            [(0, 7_999, server("a", 1)), (8_000, 16_383, server("asked", 2))]
        );
        assert_eq!(view.replicas, [server("c", 3)]);
        assert_eq!((view.missing(), view.epoch), (0, 7));
        assert_eq!(view.masters(), [server("a", 1), server("asked", 2)]);
    }

    #[test]
    fn rubbish_serves_no_slot() {
        let asked = server("asked", 9);
        for answer in [
            Value::Null,
            Value::Array(vec![Value::Integer(1), range(5, 1, vec![entry("a".into(), 1)])]),
            Value::Array(vec![range(0, 70_000, vec![entry("a".into(), 1)])]),
            Value::Array(vec![
                range(0, 9, vec![entry("a".into(), 99_999)]),
                range(3, 4, vec![]),
            ]),
        ] {
            let view = View::read(answer, 0, &asked);
            assert_eq!((view.missing(), view.ranges.len()), (SLOTS, 0));
        }
        let overlapping = Value::Array(vec![
            range(0, 9, vec![entry("a".into(), 1)]),
            range(5, 12, vec![entry("b".into(), 1)]),
        ]);
        assert_eq!(View::read(overlapping, 0, &asked).missing(), SLOTS - 10);
    }

    #[test]
    fn the_slot_of_a_key_is_that_of_its_tag() {
        assert_eq!(slot_of("foo"), 12_182);
        assert_eq!(
            slot_of("t:chat:a"),
            fred::util::redis_keyslot(b"tg:{t:chat:a}:log")
        );
    }
}
