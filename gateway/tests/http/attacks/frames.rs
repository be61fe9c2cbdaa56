//! Frames that are larger than they may be, at once or bit by bit, or become so.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::Scene;
use crate::node::config;
use crate::wire::Wire;

const LIMIT: usize = 64 * 1024;

/// A client's frame with a mask of zeros, which changes nothing.
fn frame(first: u8, announced: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    if let Ok(short) = u16::try_from(announced) {
        frame.push(0xfe);
        frame.extend(short.to_be_bytes());
    } else {
        frame.push(0xff);
        frame.extend(announced.to_be_bytes());
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn whole(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, payload.len() as u64, payload)
}

async fn open(scene: &Scene, extensions: &str) -> Wire {
    let mut wire = Wire::connect(scene.node.client).await;
    wire.send(format!(
        "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n"
    ))
    .await;
    assert_eq!(wire.answer().await.map(|answer| answer.status), Some(101));
    wire
}

/// The code of the close frame that comes at last.
async fn close_code(wire: &mut Wire) -> u16 {
    loop {
        let head = wire.bytes(2).await;
        let length = match head[1] {
            126 => u64::from(u16::from_be_bytes(wire.bytes(2).await.try_into().expect("two"))),
            127 => u64::from_be_bytes(wire.bytes(8).await.try_into().expect("eight")),
            short => short.into(),
        };
        let payload = wire.bytes(usize::try_from(length).expect("small")).await;
        if head[0] & 0xf == 8 {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

#[tokio::test]
async fn a_huge_frame_is_refused_by_what_it_announces() {
    let scene = Scene::open(config()).await;
    for announced in [LIMIT as u64 + 1, u64::from(u32::MAX), (1 << 63) - 1] {
        let mut wire = open(&scene, "").await;
        wire.send(frame(0x81, announced, b"{")).await;
        assert_eq!(close_code(&mut wire).await, 1009, "{announced}");
    }
    let mut wire = open(&scene, "").await;
    wire.send(frame(0x81, u64::MAX, b"")).await;
    assert_eq!(close_code(&mut wire).await, 1002, "no length has 64 bits");
    scene
        .assert_harmless("tidegate_connections_closed_total{code=\"1009\"}", 3.0)
        .await;
}

#[tokio::test]
async fn a_message_in_many_fragments_is_refused_when_it_has_become_too_large() {
    let scene = Scene::open(config()).await;
    let mut wire = open(&scene, "").await;
    wire.send(whole(0x01, &[b'x'; 1_000])).await;
    for _ in 0..70 {
        wire.send(whole(0x00, &[b'x'; 1_000])).await;
    }
    assert_eq!(close_code(&mut wire).await, 1009);
    scene
        .assert_harmless("tidegate_connections_closed_total{code=\"1009\"}", 1.0)
        .await;
}

#[tokio::test]
async fn a_compressed_message_counts_by_what_it_becomes() {
    let scene = Scene::open(config()).await;
    let mut wire = open(&scene, "sec-websocket-extensions: permessage-deflate\r\n").await;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b'x'; 64 << 20]).expect("in memory");
    let bomb = encoder.finish().expect("in memory");
    assert!(bomb.len() > 40_000, "{} bytes", bomb.len());
    let mut sent = whole(0x41, &bomb[..20_000]);
    sent.extend(whole(0x80, &bomb[20_000..40_000]));
    wire.send(sent).await;
    assert_eq!(close_code(&mut wire).await, 1009);
    scene
        .assert_harmless("tidegate_connections_closed_total{code=\"1009\"}", 1.0)
        .await;
}
