//! Engine.IO payloads, and the conversation that the packets in them make.
#![no_main]

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use tidegate_gateway::dialect::socketio::engine::{self, Packet};
use tidegate_gateway::dialect::socketio::{App, Conversation, Setting, Step};
use tidegate_shared::config::Config;

// Which application and whether the client recovers; the body.
fuzz_target!(|input: &[u8]| {
    let [how, body @ ..] = input else { return };
    let (mud, recovers) = (how & 1 > 0, how & 2 > 0);
    let mut conversation = Conversation::new(Setting {
        config: Arc::new(Config::default()),
        app: App::of_name(if mud { "mud" } else { "" }),
        needs_user: false,
        knows_user: false,
        recovers,
        session: "SESSION".into(),
        secret: "SECRET".into(),
        limit: 4_096,
        hold: 4_096,
    });
    let body = Bytes::copy_from_slice(body);
    if std::str::from_utf8(&body).is_ok() {
        let _ = engine::packet(&body);
    }
    let Ok(packets) = engine::payload(&body) else {
        return;
    };
    let mut answer = BytesMut::new();
    let mut out = Vec::new();
    for packet in packets {
        let steps = match packet {
            Packet::Text(text) => conversation.on_text(&text),
            Packet::Binary(bytes) => conversation.on_binary(bytes),
            _ => continue,
        };
        let Ok(steps) = steps else { break };
        for step in steps {
            if let Step::Say(said) = step {
                out.extend(said);
            }
        }
    }
    conversation.end(&mut out);
    for packet in &out {
        engine::append(&mut answer, packet);
    }
});
