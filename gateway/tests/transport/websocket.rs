//! Handshake, messages and mistakes.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::client::{HANDSHAKE, LIMIT, SOON, Server, assert_echoes, masked, read_all, read_head};
use crate::echo;

#[tokio::test]
async fn another_implementations_client_gets_its_messages_back() {
    let server = Server::start(echo::settings()).await;
    let url = format!("ws://{}/", server.address);
    let (mut client, response) = tokio_tungstenite::connect_async(&url).await.expect("connected");
    assert_eq!(response.status(), 101);
    let messages = [
        Message::text("hello"),
        Message::text(""),
        Message::text("κόσμε 😀".repeat(2000)),
        Message::binary(Bytes::from(vec![0xff; 125])),
        Message::binary(Bytes::from(vec![0xff; 126])),
        Message::binary(Bytes::from(vec![7; 65_535])),
        Message::binary(Bytes::from(vec![7; 65_536])),
        Message::binary(Bytes::from(vec![7; LIMIT])),
    ];
    for message in messages {
        client.send(message.clone()).await.expect("sent");
        let answer = timeout(SOON, client.next())
            .await
            .expect("in time")
            .expect("open")
            .expect("no error");
        assert!(
            answer == message,
            "{} bytes came back as {}",
            message.len(),
            answer.len()
        );
    }
    client.send(Message::Ping("payload".into())).await.expect("sent");
    assert_eq!(
        client.next().await.expect("open").expect("no error"),
        Message::Pong("payload".into())
    );
    let bye = CloseFrame {
        code: 3999.into(),
        reason: "bye".into(),
    };
    client.close(Some(bye)).await.expect("sent");
    let Some(Ok(Message::Close(Some(answer)))) = client.next().await else {
        panic!("no close frame came back");
    };
    assert_eq!(u16::from(answer.code), 3999);
    assert!(client.next().await.is_none());
    server.end().await;
}

#[tokio::test]
async fn every_protocol_mistake_gets_its_close_code_and_the_process_goes_on() {
    let server = Server::start(echo::settings()).await;
    let length_64 = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[1, 2, 3, 4]].concat();
    let mistakes: &[(&str, Vec<u8>, u16)] = &[
        ("unmasked", b"\x81\x05hello".to_vec(), 1002),
        ("rsv1", masked(0xc1, b"x"), 1002),
        ("rsv2", masked(0xa1, b"x"), 1002),
        ("rsv3", masked(0x91, b"x"), 1002),
        ("opcode 3", masked(0x83, b"x"), 1002),
        ("opcode 15", masked(0x8f, b"x"), 1002),
        ("fragmented ping", masked(0x09, b"x"), 1002),
        (
            "long ping",
            [&[0x89, 0xfe, 0, 126, 1, 2, 3, 4][..], &[0; 126]].concat(),
            1002,
        ),
        ("nothing to continue", masked(0x80, b"x"), 1002),
        (
            "message in message",
            [masked(0x01, b"x"), masked(0x81, b"y")].concat(),
            1002,
        ),
        ("length not minimal", vec![0x82, 0xfe, 0, 1, 1, 2, 3, 4, 5], 1002),
        ("length of 2^63", length_64(1 << 63), 1002),
        ("close of one byte", masked(0x88, b"x"), 1002),
        ("close code 1005", masked(0x88, &1005u16.to_be_bytes()), 1002),
        ("close reason not UTF-8", masked(0x88, b"\x03\xe8\xff"), 1007),
        ("text not UTF-8", masked(0x81, b"\xff"), 1007),
        ("text cut in a character", masked(0x81, b"\xe2\x82"), 1007),
        ("fragment not UTF-8", masked(0x01, b"ok \xc0"), 1007),
        ("length above the limit", length_64(LIMIT as u64 + 1), 1009),
        ("length of 2^63 - 1", length_64(u64::MAX >> 1), 1009),
    ];
    for (name, bytes, code) in mistakes {
        let mut stream = server.open().await;
        // More follows, as from a client that does not notice: it must not turn our end into a reset.
        let sent = [bytes.clone(), vec![0xaa; 10_000]].concat();
        stream.write_all(&sent).await.expect("sent");
        stream.shutdown().await.expect("shut down");
        let answer = read_all(&mut stream).await;
        assert_eq!(answer.first(), Some(&0x88), "{name}: {answer:02x?}");
        let got = u16::from_be_bytes([answer[2], answer[3]]);
        assert_eq!(got, *code, "{name}");
        assert_eq!(
            answer.len(),
            2 + usize::from(answer[1]),
            "{name}: nothing follows"
        );
    }
    assert_echoes(&server).await;
    server.end().await;
}

#[tokio::test]
async fn frames_sent_together_with_the_handshake_are_not_lost() {
    let server = Server::start(echo::settings()).await;
    let mut stream = server.raw().await;
    let early = [HANDSHAKE, &masked(0x81, b"one"), &masked(0x81, b"two")[..4]].concat();
    stream.write_all(&early).await.expect("sent");
    let head = read_head(&mut stream).await;
    assert!(
        head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{head}"
    );
    let mut answer = [0; 5];
    timeout(SOON, stream.read_exact(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(&answer, b"\x81\x03one");
    stream.write_all(&masked(0x81, b"two")[4..]).await.expect("sent");
    timeout(SOON, stream.read_exact(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(&answer, b"\x81\x03two");
    server.end().await;
}

#[tokio::test]
async fn a_request_that_is_no_handshake_gets_a_problem_document() {
    let server = Server::start(echo::settings()).await;
    let handshake = std::str::from_utf8(HANDSHAKE).expect("text");
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "426"),
        (handshake.replace("GET", "POST"), "405"),
        (handshake.replace("Version: 13", "Version: 8"), "426"),
        (handshake.replace("dGhl", ""), "400"),
        (
            handshake.replace("Host: x", "Host: x\r\nOrigin: https://evil.test"),
            "403",
        ),
    ] {
        let mut stream = server.raw().await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        let head = read_head(&mut stream).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}\n{head}"
        );
        assert!(head.contains("content-type: application/problem+json"), "{head}");
    }
    assert_echoes(&server).await;
    server.end().await;
}
