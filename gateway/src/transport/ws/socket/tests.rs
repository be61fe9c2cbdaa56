use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;

use super::super::frame;
use super::super::wire::{self, BINARY, CLOSE, CONTINUATION, PING, TEXT};
use super::*;

const LIMIT: usize = 100_000;
const SOON: Duration = Duration::from_secs(5);
/// A deadline that is meant to pass.
const BRIEF: Duration = Duration::from_millis(50);

fn pair(capacity: usize) -> (DuplexStream, WebSocket<DuplexStream>) {
    let (client, server) = duplex(capacity);
    (client, WebSocket::new(server, Bytes::new(), LIMIT))
}

async fn next<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocket<S>) -> Incoming {
    let next = tokio::time::timeout(SOON, socket.next()).await.expect("in time");
    next.expect("not the end").expect("no violation")
}

fn queue(frames: &[Bytes]) -> SendQueue {
    let mut queue = SendQueue::new();
    for frame in frames {
        queue.push(frame.clone());
    }
    queue
}

#[test]
fn a_connection_is_small() {
    let size = size_of::<WebSocket<TcpStream>>();
    assert!(size <= 128, "{size} bytes over TCP");
    assert!(size_of::<SendQueue>() <= 48);
}

#[tokio::test]
async fn messages_of_one_read_come_one_by_one_and_leave_nothing_behind() {
    let (mut client, mut socket) = pair(4096);
    let sent = [
        wire::frame(TEXT, b"a"),
        wire::frame(PING, b"b"),
        wire::frame(BINARY, b"c"),
    ]
    .concat();
    client.write_all(&sent).await.expect("sent");
    assert_eq!(next(&mut socket).await, Incoming::Text("a".into()));
    assert!(socket.held() > 0);
    assert_eq!(next(&mut socket).await, Incoming::Ping("b".into()));
    assert_eq!(next(&mut socket).await, Incoming::Binary("c".into()));
    assert_eq!(socket.held(), 0);
}

#[tokio::test]
async fn what_came_with_the_handshake_is_read_first() {
    let (mut client, server) = duplex(4096);
    let all = [wire::frame(TEXT, b"first"), wire::frame(TEXT, b"second")].concat();
    let (early, late) = all.split_at(15);
    let mut socket = WebSocket::new(server, Bytes::copy_from_slice(early), LIMIT);
    assert_eq!(next(&mut socket).await, Incoming::Text("first".into()));
    client.write_all(late).await.expect("sent");
    assert_eq!(next(&mut socket).await, Incoming::Text("second".into()));
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_no_bytes() {
    let (mut client, mut socket) = pair(4096);
    let bytes = wire::frame(TEXT, "größer als ein Stück".as_bytes());
    for byte in &bytes[..bytes.len() - 1] {
        client.write_all(&[*byte]).await.expect("sent");
        let gave_up = futures_util::poll!(Box::pin(socket.next()));
        assert!(gave_up.is_pending());
    }
    assert!(socket.held() > 0);
    client.write_all(&bytes[bytes.len() - 1..]).await.expect("sent");
    assert_eq!(
        next(&mut socket).await,
        Incoming::Text("größer als ein Stück".into())
    );
    assert_eq!(socket.held(), 0);
}

#[tokio::test]
async fn a_message_larger_than_the_scratch_buffer_is_joined() {
    let (mut client, mut socket) = pair(1 << 20);
    let payload: Vec<u8> = (0..90_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let (first, second) = payload.split_at(50_001);
    let sent = [
        wire::part(BINARY, first),
        wire::frame(PING, b""),
        wire::frame(CONTINUATION, second),
    ]
    .concat();
    client.write_all(&sent).await.expect("sent");
    assert_eq!(next(&mut socket).await, Incoming::Ping(Bytes::new()));
    assert_eq!(next(&mut socket).await, Incoming::Binary(payload.into()));
    assert_eq!(socket.held(), 0);
}

#[tokio::test]
async fn the_end_of_the_stream_and_a_close_frame_are_ends() {
    let (client, mut socket) = pair(4096);
    drop(client);
    assert!(socket.next().await.is_none());
    assert!(socket.next().await.is_none());

    let (mut client, mut socket) = pair(4096);
    let sent = [
        wire::frame(CLOSE, &1000u16.to_be_bytes()),
        wire::frame(TEXT, b"late"),
    ]
    .concat();
    client.write_all(&sent).await.expect("sent");
    assert_eq!(
        next(&mut socket).await,
        Incoming::Close(Some((1000, Bytes::new())))
    );
    assert!(socket.next().await.is_none(), "nothing comes after a close frame");
    assert_eq!(socket.held(), 0);
}

#[tokio::test]
async fn a_violation_ends_reading_and_says_which_code_answers_it() {
    let (mut client, mut socket) = pair(4096);
    let sent = [
        wire::frame(TEXT, b"fine"),
        wire::frame(TEXT, b"\xff"),
        wire::frame(TEXT, b"late"),
    ]
    .concat();
    client.write_all(&sent).await.expect("sent");
    assert_eq!(next(&mut socket).await, Incoming::Text("fine".into()));
    let error = socket
        .next()
        .await
        .expect("not the end")
        .expect_err("a violation");
    assert_eq!(error.close_code(), Some(CloseCode::InvalidPayload));
    assert!(socket.next().await.is_none());
    assert_eq!(socket.held(), 0);
}

#[tokio::test]
async fn a_flood_of_small_frames_lets_other_tasks_run() {
    let (mut client, mut socket) = pair(1 << 16);
    client
        .write_all(&wire::frame(PING, b"").repeat(5000))
        .await
        .expect("sent");
    let mut received = 0;
    let mut polls = 0;
    let mut flood = Box::pin(async {
        while received < 5000 {
            next(&mut socket).await;
            received += 1;
        }
    });
    poll_fn(|cx| {
        polls += 1;
        flood.as_mut().poll(cx)
    })
    .await;
    assert!(polls > 10, "5,000 frames came in {polls} polls");
}

#[tokio::test]
async fn frames_are_written_in_order_through_a_stream_that_takes_little() {
    let (mut client, mut socket) = pair(7);
    let frames: Vec<_> = (0..200)
        .map(|i| frame::text(format!("message {i}").as_bytes()))
        .collect();
    let expected = frames.concat();
    let mut queue = queue(&frames);
    assert_eq!(queue.bytes(), expected.len());
    let read = async {
        let mut received = vec![0; expected.len()];
        client.read_exact(&mut received).await.expect("all of it");
        received
    };
    let (written, received) = tokio::join!(socket.flush(&mut queue), read);
    written.expect("written");
    assert_eq!(received, expected);
    assert_eq!((queue.bytes(), queue.is_empty()), (0, true));
}

#[tokio::test]
async fn a_write_that_is_given_up_goes_on_where_it_stopped() {
    let (mut client, mut socket) = pair(10);
    let frames = [frame::text(b"one and more"), frame::text(b"two")];
    let mut queue = queue(&frames);
    assert!(futures_util::poll!(Box::pin(socket.flush(&mut queue))).is_pending());
    let mut received = vec![0; 10];
    client.read_exact(&mut received).await.expect("the beginning");
    let (written, ()) = tokio::join!(socket.flush(&mut queue), async {
        let mut rest = vec![0; frames.concat().len() - 10];
        client.read_exact(&mut rest).await.expect("the rest");
        received.extend(rest);
    });
    written.expect("written");
    assert_eq!(received, frames.concat());
}

async fn read_all(client: &mut DuplexStream) -> Vec<u8> {
    let mut received = Vec::new();
    tokio::time::timeout(SOON, client.read_to_end(&mut received))
        .await
        .expect("in time")
        .expect("no error");
    received
}

#[tokio::test]
async fn closing_sends_what_waits_then_the_close_frame_and_waits_for_the_clients() {
    let (mut client, socket) = pair(4096);
    let queue = queue(&[frame::text(b"last words")]);
    let farewell = frame::close(3000, "shutdown");
    let closing = tokio::spawn(socket.close(queue, farewell.clone(), SOON));
    let expected = [frame::text(b"last words"), farewell].concat();
    let mut received = vec![0; expected.len()];
    client.read_exact(&mut received).await.expect("both frames");
    assert_eq!(received, expected);
    client
        .write_all(&wire::frame(TEXT, b"crossing"))
        .await
        .expect("sent");
    tokio::task::yield_now().await;
    assert!(!closing.is_finished(), "the client has not closed");
    client
        .write_all(&wire::frame(CLOSE, &3000u16.to_be_bytes()))
        .await
        .expect("sent");
    assert_eq!(read_all(&mut client).await, b"", "our side is shut down");
    drop(client);
    closing.await.expect("no panic").expect("clean");
}

#[tokio::test]
async fn a_client_that_never_closes_is_cut_at_the_deadline() {
    let (mut client, socket) = pair(4096);
    let error = socket
        .close(SendQueue::new(), frame::close(1001, ""), BRIEF)
        .await
        .expect_err("nobody answered");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(read_all(&mut client).await, frame::close(1001, ""));
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_at_the_deadline() {
    let (_client, socket) = pair(16);
    let queue = queue(&[frame::binary(&[0; 5000])]);
    let closing = socket.close(queue, frame::close(3001, "slow_consumer"), BRIEF);
    assert_eq!(closing.await.expect_err("stuck").kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn after_a_violation_a_client_in_the_middle_of_sending_still_gets_the_close_frame() {
    let (mut client, mut socket) = pair(1000);
    let sending = tokio::spawn(async move {
        let mut sent = vec![0x81, 0x05];
        sent.extend(vec![b'x'; 100_000]);
        client.write_all(&sent).await.expect("somebody reads");
        read_all(&mut client).await
    });
    let error = socket
        .next()
        .await
        .expect("not the end")
        .expect_err("a violation");
    let code = error.close_code().expect("still there");
    let farewell = frame::close(code.number(), code.name());
    socket
        .close(SendQueue::new(), farewell.clone(), SOON)
        .await
        .expect("clean");
    assert_eq!(sending.await.expect("no panic"), farewell);
}

#[tokio::test]
async fn after_a_violation_only_so_much_is_thrown_away() {
    let (mut client, mut socket) = pair(1000);
    client.write_all(&[0x81, 0x05]).await.expect("sent");
    let flood = tokio::spawn(async move { while client.write_all(&[0; 1000]).await.is_ok() {} });
    socket
        .next()
        .await
        .expect("not the end")
        .expect_err("a violation");
    socket
        .close(SendQueue::new(), frame::close(1002, ""), SOON)
        .await
        .expect("no deadline needed");
    flood.await.expect("it met an end");
}
