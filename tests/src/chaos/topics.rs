//! The topics of a run, one or more for everything that a namespace can promise.

use rand::Rng;
use rand::rngs::SmallRng;

use super::audit::Promise;

/// Within what one connection may follow.
const MANY: u64 = 110;

/// Settings of every gateway of a run. Small outboxes, so that a nap is enough to fall behind.
pub const SETTINGS: &str = "[limits]
commands_per_second = 0
outbox = \"128KiB\"
ping = \"4s\"
pong_timeout = \"8s\"

[sse]
heartbeat = \"2s\"

[drain]
grace = \"1s\"
max = \"4s\"

[[namespace]]
name = \"plain\"
log_size = 100

[[namespace]]
name = \"tiny\"
log_size = 3

[[namespace]]
name = \"long\"
log_size = 2000

[[namespace]]
name = \"fading\"
log_size = 50
log_ttl = \"1s\"

[[namespace]]
name = \"many\"
log_size = 20

[[namespace]]
name = \"newest\"
log_size = 200
slow = \"latest\"

[[namespace]]
name = \"patient\"
log_size = 300
slow = \"catch-up\"

[[namespace]]
name = \"state\"
kind = \"state\"
log_size = 100

[[namespace]]
name = \"brief\"
kind = \"state\"
log_size = 3

[[namespace]]
name = \"wide\"
kind = \"state\"
log_size = 1000
slow = \"catch-up\"

[[namespace]]
name = \"board\"
kind = \"state\"
log_size = 100
slow = \"latest\"
";

/// What publishers write to and subscribers follow.
pub fn all() -> Vec<String> {
    [
        "plain:0",
        "tiny:0",
        "state:0",
        "newest:0",
        "long:0",
        "patient:0",
        "brief:0",
        "plain:1",
        "board:0",
        "tiny:1",
        "wide:0",
        "state:1",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Topics that one subscriber follows with little in them, so that nodes have many to come back to.
pub fn many(group: u64) -> impl Iterator<Item = String> {
    (0..MANY).map(move |number| format!("many:{group}-{number}"))
}

/// One of the topics of some group.
pub fn one_of_many(groups: u64, random: &mut SmallRng) -> String {
    let (group, number) = (random.random_range(0..groups), random.random_range(0..MANY));
    format!("many:{group}-{number}")
}

pub fn promise(topic: &str) -> Promise {
    let namespace = topic.split(':').next().unwrap_or_default();
    Promise {
        maps: matches!(namespace, "state" | "brief" | "wide" | "board"),
        coalesces: matches!(namespace, "newest" | "board"),
    }
}

/// Keys of a state topic's map. A wide one is read from Redis in portions.
pub fn keys(topic: &str) -> u32 {
    if topic.starts_with("wide:") { 400 } else { 12 }
}

/// Bytes that a publication is made longer by, where slow subscribers are to fall behind.
pub fn padding(topic: &str) -> usize {
    let heavy = ["newest:", "patient:", "board:"];
    if heavy.iter().any(|one| topic.starts_with(one)) {
        3_000
    } else {
        0
    }
}
