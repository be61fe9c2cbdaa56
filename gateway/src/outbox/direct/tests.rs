//! What is written past a connection's task, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use bytes::Bytes;
use prometheus::Registry;
use tidegate_shared::name::SessionId;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::super::{Ending, Frames, Metrics, Outbox, Put, Tally};
use crate::dialect::Format;
use crate::transport::accept::Writer;
use crate::transport::ws::SendQueue;

/// Larger than what a client's socket takes that nobody reads from.
const MUCH: usize = 64 * 1024 * 1024;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An outbox whose task rests, and its client.
struct Rig {
    outbox: Outbox,
    client: TcpStream,
    metrics: Metrics,
    wakes: Arc<Wakes>,
}

impl Rig {
    async fn with_limit(limit: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (server, client) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let (_, half) = server.expect("accepted").0.into_split();
        half.writable().await.expect("open");
        let outbox = Outbox::new(SessionId::new(), Format::NATIVE, limit);
        let rig = Self {
            outbox: outbox.writing_to(Some(Writer::new(half)), &SendQueue::new()),
            client: client.expect("connected"),
            metrics: Metrics::register(&Registry::new()).expect("fresh"),
            wakes: Arc::default(),
        };
        rig.rest();
        rig
    }

    /// The task has nothing to do.
    fn rest(&self) {
        let waker = Waker::from(self.wakes.clone());
        assert!(self.outbox.poll_take(&Context::from_waker(&waker)).is_pending());
    }

    fn put(&self, byte: u8, size: usize) -> Put {
        self.outbox.put(Frames::control(Bytes::from(vec![byte; size])))
    }

    fn flush(&self) {
        self.outbox.flush(&mut Tally::new(&self.metrics));
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }

    async fn read(&mut self, size: usize) -> Vec<u8> {
        let mut read = vec![0; size];
        self.client.read_exact(&mut read).await.expect("it comes");
        read
    }

    /// What the task takes.
    fn taken(&self) -> Vec<Frames> {
        std::iter::from_fn(|| self.outbox.take()).collect()
    }
}

#[tokio::test]
async fn what_is_put_while_the_task_rests_is_written_without_it() {
    let mut rig = Rig::with_limit(1_000).await;
    rig.put(b'a', 3);
    rig.put(b'b', 2);
    rig.flush();
    assert_eq!(rig.read(5).await, b"aaabb");
    assert_eq!(rig.wakes(), 0);
    assert!(rig.outbox.wrote().is_some(), "it was traffic");
    assert!(rig.outbox.wrote().is_none(), "told once");
    assert_eq!(rig.metrics.sent_bytes.get(), 5);
    assert_eq!(
        rig.put(b'c', 1),
        Put::Queued { wake: true, bytes: 1 },
        "the next one needs a flush as well"
    );
}

#[tokio::test]
async fn nobody_writes_between_what_the_task_has_taken_and_its_end() {
    let rig = Rig::with_limit(1_000).await;
    rig.put(b'a', 3);
    assert_eq!(rig.taken().len(), 1);
    rig.rest();
    rig.put(b'b', 2);
    rig.flush();
    assert_eq!(rig.wakes(), 1, "it is the task's to write");
    assert_eq!(rig.taken().len(), 1);
    rig.outbox.written();
    rig.rest();
    rig.put(b'c', 1);
    rig.flush();
    assert_eq!((rig.wakes(), rig.taken().len()), (1, 0));
}

#[tokio::test]
async fn what_the_socket_does_not_take_is_left_to_the_task_from_the_very_byte_on() {
    let mut rig = Rig::with_limit(2 * MUCH).await;
    for byte in [b'a', b'b'] {
        rig.put(byte, MUCH);
    }
    rig.flush();
    assert_eq!(rig.wakes(), 1);
    let left = rig.taken();
    assert!(left[0].is_begun() && !left[1].is_begun());
    let rest = left[0].bytes().len();
    assert!(rest < MUCH, "the socket took something");
    assert_eq!(left[1].bytes().len(), MUCH);
    let read = rig.read(MUCH - rest).await;
    assert!(read.iter().all(|byte| *byte == b'a'));
    assert_eq!(rig.outbox.close(), 0, "what was written is counted no more");
}

#[tokio::test]
async fn a_frame_that_was_begun_outlives_an_overflow() {
    let rig = Rig::with_limit(MUCH).await;
    rig.put(b'a', MUCH);
    rig.flush();
    let overflow = rig.put(b'b', MUCH);
    assert_eq!(
        overflow,
        Put::Overflowed {
            messages: 0,
            bytes: 0
        }
    );
    rig.flush();
    let left = rig.taken();
    assert!(left.len() == 1 && left[0].is_begun());
    let waker = Waker::noop();
    let end = rig.outbox.poll_take(&Context::from_waker(waker));
    assert!(matches!(
        end,
        std::task::Poll::Ready(super::super::Taken::End(Ending::Slow))
    ));
}

#[tokio::test]
async fn an_ending_is_the_tasks() {
    let rig = Rig::with_limit(1_000).await;
    rig.put(b'a', 1);
    rig.outbox.end(Ending::Slow);
    rig.flush();
    assert_eq!((rig.wakes(), rig.taken().len()), (1, 1));
}
