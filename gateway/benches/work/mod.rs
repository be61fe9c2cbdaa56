//! The pure parts that every message goes through, each as a piece of work that can be done again and again.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use tidegate_gateway::dialect::native::Native;
use tidegate_gateway::dialect::{Dialect, Entrance, Speaker};
use tidegate_gateway::transport::ws::Decoder;
use tidegate_gateway::transport::ws::frame::{self, Kind};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::SessionId;
use tidegate_shared::position::{Epoch, Position, Tag};
use tidegate_shared::publication::{Body, Place, Publication};
use tidegate_shared::topic::Topic;

/// Does it once.
pub(crate) type Work = Box<dyn FnMut()>;

/// As `limits.message` is by default.
const LIMIT: usize = 64 * 1024;

/// All of it, by name.
pub(crate) fn all() -> Vec<(&'static str, Work)> {
    vec![
        ("encode a publication, 128 B", encode(128)),
        ("encode a publication, 1 KiB", encode(1024)),
        ("decode a frame, 180 B", decode_frame()),
        ("decode the command publish, 128 B", decode_command(&publish(128))),
        (
            "decode the command publish, 1 KiB",
            decode_command(&publish(1024)),
        ),
        (
            "decode the command subscribe",
            decode_command(r#"{"action":"subscribe","id":1,"topic":"load:17"}"#),
        ),
        ("parse a topic", parse_topic()),
    ]
}

/// The frame that all subscribers of a node share.
fn encode(bytes: usize) -> Work {
    let publication = Publication {
        topic: Topic::of_session(SessionId::new()),
        place: Some(Place {
            position: Position {
                epoch: Epoch::random(),
                offset: 123_456,
                tag: Tag::random(),
            },
            previous: Tag::random(),
        }),
        time_ms: 1_700_000_000_000,
        body: Body::Message {
            data: RawJson::trusted(data(bytes).into()),
            event: None,
        },
        exclude: None,
        trace: None,
    };
    let (mut text, mut out) = (Vec::new(), BytesMut::new());
    Box::new(move || {
        text.clear();
        out.clear();
        Native.encode_publication(black_box(&publication), &mut text);
        frame::append_message(&mut out, Kind::Text, &text, None);
        black_box(&out);
    })
}

/// A masked frame that arrives in one piece.
fn decode_frame() -> Work {
    let text = publish(128);
    let mask = [7, 90, 33, 201];
    let masked = text
        .bytes()
        .zip(mask.iter().cycle())
        .map(|(byte, mask)| byte ^ mask);
    let mut whole = vec![0x81, 0xfe];
    whole.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    whole.extend(mask);
    whole.extend(masked);
    let mut input = whole.clone();
    let mut decoder = Decoder::new(LIMIT);
    Box::new(move || {
        input.copy_from_slice(&whole);
        let taken = decoder.decode(black_box(&mut input));
        assert!(taken.is_ok_and(|taken| taken.message.is_some()));
    })
}

fn decode_command(text: &str) -> Work {
    let (message, entrance) = (Bytes::copy_from_slice(text.as_bytes()), Entrance::default());
    let session = SessionId::new();
    Box::new(move || {
        let speaker = Speaker {
            entrance: &entrance,
            user: None,
            session,
            time_ms: 0,
        };
        assert!(Native.decode(black_box(&message), &speaker).is_ok());
    })
}

fn parse_topic() -> Work {
    Box::new(|| {
        assert!(Topic::parse(black_box("bedrock:servers:17")).is_ok());
    })
}

fn publish(bytes: usize) -> String {
    format!(
        r#"{{"action":"publish","topic":"load:17","data":{}}}"#,
        data(bytes)
    )
}

fn data(bytes: usize) -> String {
    format!(r#"{{"x":"{}"}}"#, "y".repeat(bytes - 8))
}
