//! `[limits]`: what one node gives to clients at most.

use std::time::Duration;

use super::file::{MIB, MILLIS_100, keep, seconds};
use super::mistake::Wrong;
use super::quantity;
use super::section::Section;

const KIB: u64 = 1 << 10;
/// What a publication needs in an outbox beside its `data`.
const FRAME: usize = 1 << 10;

/// Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// 0: from the file descriptor limit.
    pub connections: usize,
    /// 0: any number, as below.
    pub connections_per_user: usize,
    pub connections_per_address: usize,
    /// Of all clients of the node together, with a burst of twice as many.
    pub handshakes_per_second: u32,
    /// Of one connection, with a burst of twice as many.
    pub commands_per_second: u32,
    pub subscriptions_per_connection: usize,
    /// That the node listens to for its clients.
    pub topics: usize,
    /// Calls that one user, or one connection without a name, has under way on one node.
    pub calls_per_user: usize,
    /// Jobs of one user that have not ended, on all nodes.
    pub jobs_per_user: usize,
    /// Largest WebSocket message; a larger one closes with 1009.
    pub message: usize,
    /// Largest `data` where the namespace sets no other.
    pub data: usize,
    /// Lists and objects within each other, in `data`.
    pub depth: usize,
    /// Most that waits to be written to one connection.
    pub outbox: usize,
    /// Largest head of a request.
    pub head: usize,
    /// Largest body of a request. Absent: what the largest `data` needs.
    pub body: Option<usize>,
    /// For the request's head and the upgrade.
    pub handshake_timeout: Duration,
    /// Interval of the server's WebSocket pings.
    pub ping: Duration,
    pub pong_timeout: Duration,
    /// A connection over which nothing but pings has gone for so long is closed. Zero: never.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 0,
            connections_per_user: 0,
            connections_per_address: 0,
            handshakes_per_second: 2_000,
            commands_per_second: 50,
            subscriptions_per_connection: 128,
            topics: 1_000_000,
            calls_per_user: 32,
            jobs_per_user: 128,
            message: 64 * 1024,
            data: 64 * 1024,
            depth: 64,
            outbox: 1024 * 1024,
            head: 16 * 1024,
            body: None,
            handshake_timeout: Duration::from_secs(10),
            ping: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            idle_timeout: Duration::ZERO,
        }
    }
}

pub(super) fn read(section: &mut Section<'_, '_, '_>, limits: &mut Limits) {
    counts(section, limits);
    // A `subscribe` with the longest topic and a position has about 400 bytes.
    keep(&mut limits.message, section.size("message", &(512..=64 * MIB)));
    keep(&mut limits.data, section.size("data", &(1..=64 * MIB)));
    // At 128 levels parsers begin to refuse.
    keep(&mut limits.depth, section.number("depth", &(1..=120)));
    keep(&mut limits.outbox, section.size("outbox", &(4 * KIB..=KIB * MIB)));
    keep(&mut limits.head, section.size("head", &(2 * KIB..=MIB)));
    if let Some(body) = section.size("body", &(KIB..=64 * MIB)) {
        limits.body = Some(body);
    }
    keep(
        &mut limits.handshake_timeout,
        section.time("handshake_timeout", &(MILLIS_100..=Duration::from_secs(300))),
    );
    keep(
        &mut limits.ping,
        section.time("ping", &(MILLIS_100..=Duration::from_secs(3600))),
    );
    keep(
        &mut limits.pong_timeout,
        section.time("pong_timeout", &(MILLIS_100..=Duration::from_secs(600))),
    );
    keep(
        &mut limits.idle_timeout,
        section.time("idle_timeout", &seconds(0, 30 * 86_400)),
    );
    let key = if section.has("outbox") { "outbox" } else { "data" };
    check_outbox(section, key, limits.data, limits.outbox);
}

fn counts(section: &mut Section<'_, '_, '_>, limits: &mut Limits) {
    keep(
        &mut limits.connections,
        section.number("connections", &(0..=10_000_000)),
    );
    keep(
        &mut limits.connections_per_user,
        section.number("connections_per_user", &(0..=1_000_000)),
    );
    keep(
        &mut limits.connections_per_address,
        section.number("connections_per_address", &(0..=1_000_000)),
    );
    keep(
        &mut limits.handshakes_per_second,
        section.number("handshakes_per_second", &(0..=1_000_000)),
    );
    keep(
        &mut limits.commands_per_second,
        section.number("commands_per_second", &(0..=1_000_000)),
    );
    keep(
        &mut limits.subscriptions_per_connection,
        section.number("subscriptions_per_connection", &(1..=100_000)),
    );
    keep(&mut limits.topics, section.number("topics", &(0..=100_000_000)));
    keep(
        &mut limits.calls_per_user,
        section.number("calls_per_user", &(1..=10_000)),
    );
    // As many as the list of a user's jobs tells.
    keep(
        &mut limits.jobs_per_user,
        section.number("jobs_per_user", &(0..=256)),
    );
}

/// An outbox that can't hold one publication would close its connection at the first large one.
pub(super) fn check_outbox(section: &mut Section<'_, '_, '_>, key: &str, data: usize, outbox: usize) {
    if data.saturating_add(FRAME) > outbox {
        let show = |bytes: usize| quantity::show_size(bytes.try_into().unwrap_or(u64::MAX));
        let wrong = Wrong::new(
            format!(
                "an outbox of {} cannot hold a publication with {} of data",
                show(outbox),
                show(data)
            ),
            format!(
                "set `limits.outbox` to {} or more",
                show(data.saturating_add(FRAME))
            ),
        );
        section.wrong(key, section.place_of(key), wrong);
    }
}
