//! Messages of every dialect, as text and as bytes, from whoever came in by whatever path.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tidegate_gateway::dialect::{Entrance, Speaker, TABLE};
use tidegate_shared::name::{SessionId, UserId};

/// What may stand in a path.
const ROOMS: [&str; 4] = ["hall", "", "a{b}c", "\u{0}\u{1F600} %2f"];

// Which dialect; whether the message is binary, whether the client is known, and its room; the message.
fuzz_target!(|input: &[u8]| {
    let [which, how, message @ ..] = input else {
        return;
    };
    let Some(dialect) = TABLE.get(usize::from(*which) % TABLE.len()) else {
        return;
    };
    let (binary, known, room) = (
        how & 1 > 0,
        how & 2 > 0,
        ROOMS[usize::from(how >> 2) % ROOMS.len()],
    );
    let entrance = Entrance {
        app: dialect.app().into(),
        parameters: [("room".into(), room.into())].into(),
    };
    let user = UserId::parse("ann").ok().filter(|_| known);
    let speaker = Speaker {
        entrance: &entrance,
        user: user.as_ref(),
        session: SessionId::new(),
        time_ms: 1_700_000_000_000,
    };
    if !dialect.admits(&entrance) {
        return;
    }
    let _ = dialect.on_connect(&speaker);
    let message = Bytes::copy_from_slice(message);
    // Text has been checked to be UTF-8 before a dialect sees it.
    let decoded = if binary {
        dialect.decode_binary(&message, &speaker)
    } else if std::str::from_utf8(&message).is_ok() {
        dialect.decode(&message, &speaker)
    } else {
        return;
    };
    if let Err(error) = decoded {
        let _ = error.to_string();
    }
});
