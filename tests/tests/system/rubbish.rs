//! Input that no honest client sends. The process must answer as documented, and go on.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use system_tests::client::Client;
use system_tests::raw::{Raw, Reply, announce, frame, frame_with, opcode};
use system_tests::{Stack, stack};

const FIN: u8 = 0x80;
/// The default of `limits.message`.
const LARGEST: usize = 64 * 1024;

async fn ensure_alive(stack: &mut Stack, after: &str) -> Result<()> {
    stack.gateways[0]
        .process
        .ensure_running()
        .with_context(|| after.to_owned())?;
    let mut client = Client::connect(&stack.url_of(0))
        .await
        .with_context(|| after.to_owned())?;
    client.call("pong", json!({ "action": "ping" })).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_against_the_protocol_are_answered_by_the_documented_close_code() -> Result<()> {
    let text = opcode::TEXT;
    let half = vec![b'a'; LARGEST / 2 + 1];
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("an unmasked frame", frame_with(FIN | text, false, b"{}"), 1002),
        ("reserved bit 1", frame_with(FIN | 0x40 | text, true, b"{}"), 1002),
        ("reserved bit 2", frame_with(FIN | 0x20 | text, true, b"{}"), 1002),
        ("reserved bit 3", frame_with(FIN | 0x10 | text, true, b"{}"), 1002),
        ("a reserved data opcode", frame(3, b""), 1002),
        ("a reserved control opcode", frame(11, b""), 1002),
        (
            "a continuation of nothing",
            frame(opcode::CONTINUATION, b"{}"),
            1002,
        ),
        (
            "a message inside a message",
            [frame_with(text, true, b"{"), frame(text, b"{}")].concat(),
            1002,
        ),
        ("a ping in fragments", frame_with(opcode::PING, true, b"x"), 1002),
        ("a ping of 126 bytes", frame(opcode::PING, &[0; 126]), 1002),
        ("a close of one byte", frame(opcode::CLOSE, &[3]), 1002),
        (
            "close code 1005",
            frame(opcode::CLOSE, &1005_u16.to_be_bytes()),
            1002,
        ),
        (
            "close code 999",
            frame(opcode::CLOSE, &999_u16.to_be_bytes()),
            1002,
        ),
        (
            "a close reason that is no UTF-8",
            frame(opcode::CLOSE, &[0x03, 0xe8, 0xff]),
            1007,
        ),
        ("invalid UTF-8", frame(text, b"\"\xc3\x28\""), 1007),
        ("an overlong encoding", frame(text, b"\"\xc0\xaf\""), 1007),
        ("a surrogate", frame(text, b"\"\xed\xa0\x80\""), 1007),
        ("UTF-8 cut off at the end", frame(text, b"\"\xe2\x82"), 1007),
        (
            "invalid UTF-8 in the second fragment",
            [
                frame_with(text, true, b"\"\xe2"),
                frame(opcode::CONTINUATION, b"\x28\xa1\""),
            ]
            .concat(),
            1007,
        ),
        (
            "one byte more than allowed, announced",
            announce(text, LARGEST as u64 + 1),
            1009,
        ),
        (
            "half of all memory, announced",
            announce(text, u64::MAX / 2),
            1009,
        ),
        (
            "more than allowed, in fragments",
            [frame_with(text, true, &half), frame(opcode::CONTINUATION, &half)].concat(),
            1009,
        ),
        (
            "a good close",
            frame(opcode::CLOSE, &1000_u16.to_be_bytes()),
            1000,
        ),
    ];
    stack()
        .gateways(1)
        .run(async |stack| {
            for (name, bytes, code) in cases {
                let mut raw = Raw::connect(stack.gateways[0].port).await?;
                raw.send(&bytes).await?;
                let answered = raw.close_code().await.with_context(|| name.to_owned())?;
                ensure!(answered == code, "{name}: closed with {answered}, not {code}");
                ensure_alive(stack, name).await?;
            }
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_cut_off_harms_nobody() -> Result<()> {
    stack()
        .gateways(1)
        .run(async |stack| {
            let whole = frame(opcode::TEXT, br#"{"action":"subscribe","topic":"news"}"#);
            for length in 0..whole.len() {
                let mut raw = Raw::connect(stack.gateways[0].port).await?;
                raw.send(&whole[..length]).await?;
                raw.shut().await?;
                // A close frame or nothing, but an end in any case.
                while raw.reply().await? != Reply::End {}
            }
            ensure_alive(stack, "frames that were cut off").await
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_command_is_error_103_and_the_connection_stays() -> Result<()> {
    let deep = "[".repeat(LARGEST / 2);
    let cases = [
        "",
        "rubbish",
        "42",
        "[]",
        "{}",
        "null",
        "{\"action\":5}",
        "{\"action\":\"fly\"}",
        "{\"action\":\"subscribe\"}",
        "{\"action\":\"subscribe\",\"topic\":\"\"}",
        "{\"action\":\"subscribe\",\"topic\":\"a b\"}",
        "{\"action\":\"subscribe\",\"topic\":\"a{b}\"}",
        "{\"action\":\"subscribe\",\"topic\":7}",
        "{\"action\":\"subscribe\",\"topic\":\"news\",\"since\":{\"epoch\":1,\"offset\":\"x\"}}",
        "{\"action\":\"subscribe\",\"topic\":\"news\",\"since\":{\"epoch\":\"a\",\"offset\":-1}}",
        "{\"action\":\"publish\",\"topic\":\"news\"}",
        "{\"action\":\"publish\",\"topic\":\"\\ud800\",\"data\":1}",
        "{\"action\":\"submit\",\"job\":{\"type\":\"backup\",\"data\":{},\"delay_ms\":-5}}",
        "{\"action\":\"submit\"}",
        "{\"action\":\"ping\"} {\"action\":\"ping\"}",
        deep.as_str(),
    ];
    stack()
        .gateways(1)
        .run(async |stack| {
            let mut client = Client::connect(&stack.url_of(0)).await?;
            for case in cases {
                let shown: String = case.chars().take(80).collect();
                client.send_text(case).await?;
                let error = client.frame().await.with_context(|| shown.clone())?;
                ensure!(
                    error["type"] == "error" && error["code"] == 103,
                    "{shown}: {error}"
                );
                ensure!(error["temporary"] == false, "{shown}: {error}");
                ensure!(
                    error["message"].as_str().is_some_and(|text| text.len() > 10),
                    "{shown}: {error}"
                );
                // A good command between them: ten in a row would end it.
                client
                    .call("pong", json!({ "action": "ping" }))
                    .await
                    .with_context(|| shown.clone())?;
            }
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_frames_in_a_row_that_are_no_command_close_with_3501() -> Result<()> {
    stack()
        .gateways(1)
        .run(async |stack| {
            let mut raw = Raw::connect(stack.gateways[0].port).await?;
            for _ in 0..10 {
                raw.send(&frame(opcode::TEXT, b"rubbish")).await?;
            }
            ensure!(raw.close_code().await? == 3501);
            ensure_alive(stack, "ten in a row").await
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_forbidden_get_their_own_code() -> Result<()> {
    stack()
        .gateways(1)
        .run(async |stack| {
            let mut client = Client::connect(&stack.url_of(0)).await?;
            client.subscribe("news").await?;
            let job = format!("job:default.0.{}", "0".repeat(32));
            let cases = [
                (json!({ "action": "subscribe", "topic": "news" }), 105),
                (json!({ "action": "subscribe", "topic": job }), 104),
                (json!({ "action": "publish", "topic": job, "data": 1 }), 102),
                (
                    json!({ "action": "publish", "topic": "jobs:default", "data": 1 }),
                    102,
                ),
                (json!({ "action": "publish", "topic": "user:me", "data": 1 }), 102),
                (
                    json!({ "action": "set", "topic": "news", "key": "a", "value": 1 }),
                    102,
                ),
                (
                    json!({ "action": "subscribe", "topic": "other", "presence": true }),
                    102,
                ),
            ];
            for (command, code) in cases {
                let error = client.ask(command.clone()).await?;
                ensure!(error["code"] == code, "{command}: {error}");
                ensure!(error["type"] == "error", "{command}: {error}");
            }
            for number in 1..128 {
                client.subscribe(&format!("room:{number}")).await?;
            }
            let error = client
                .ask(json!({ "action": "subscribe", "topic": "one too many" }))
                .await?;
            ensure!(error["code"] == 103, "white space: {error}");
            let error = client
                .ask(json!({ "action": "subscribe", "topic": "room:128" }))
                .await?;
            ensure!(error["code"] == 106, "the 129th subscription: {error}");
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn data_over_the_limit_is_error_114_and_http_says_413() -> Result<()> {
    stack()
        .gateways(1)
        .settings("[[namespace]]\nname = \"small\"\nmax_data = \"1KiB\"\n")
        .run(async |stack| {
            let data = Value::from("x".repeat(1_100));
            let mut client = Client::connect(&stack.url_of(0)).await?;
            let error = client
                .ask(json!({ "action": "publish", "topic": "small:a", "data": data }))
                .await?;
            ensure!(error["code"] == 114, "{error}");
            let (status, problem) = stack
                .post("/api/publish", &json!({ "topic": "small:a", "data": data }))
                .await?;
            ensure!(status == 413 && problem["code"] == 114, "{status} {problem}");
            client.publish("small:a", Value::from("x".repeat(1_000))).await?;
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_that_are_none_are_refused_over_http() -> Result<()> {
    let good = "GET /ws HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let cases = [
        (
            "no upgrade",
            "GET /ws HTTP/1.1\r\nHost: t\r\n\r\n".to_owned(),
            &["400", "426"][..],
        ),
        (
            "version 8",
            good.replace("Version: 13", "Version: 8") + "\r\n",
            &["400", "426"],
        ),
        (
            "no key",
            good.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "") + "\r\n",
            &["400"],
        ),
        (
            "a short key",
            good.replace("dGhlIHNhbXBsZSBub25jZQ==", "abc") + "\r\n",
            &["400"],
        ),
        (
            "a strange origin",
            format!("{good}Origin: http://evil.example\r\n\r\n"),
            &["403"],
        ),
        ("POST", good.replace("GET", "POST") + "\r\n", &["400", "405"]),
        ("another path", good.replace("/ws", "/nowhere") + "\r\n", &["404"]),
        ("no HTTP", "\0\u{1}\u{2} rubbish\r\n\r\n".to_owned(), &["400"]),
        (
            "endless headers",
            format!("{good}X: {}\r\n\r\n", "y".repeat(300_000)),
            &["400", "431"],
        ),
    ];
    stack()
        .gateways(1)
        .run(async |stack| {
            for (name, request, allowed) in cases {
                let mut raw = Raw::plain(stack.gateways[0].port).await?;
                let head = raw.upgrade(&request).await.with_context(|| name.to_owned())?;
                let status = head.split(' ').nth(1).unwrap_or_default();
                ensure!(allowed.contains(&status), "{name}: {head}");
                ensure_alive(stack, name).await?;
            }
            Ok(())
        })
        .await
}
