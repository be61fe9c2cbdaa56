//! What frames and idle connections cost on this machine.
//!
//! `cargo run --release -p tidegate-gateway --example frame_cost -- [connections]`

#[path = "../tests/transport/echo.rs"]
mod server;

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context;
use tidegate_gateway::transport::accept::{self, ClientStream, Settings};
use tidegate_gateway::transport::ws::{Decoder, SendQueue, WebSocket};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What one read brings at most.
const READ: usize = 32 * 1024;
const LONG_ENOUGH: Duration = Duration::from_millis(500);
/// Reads that are timed together.
const BATCH: u32 = 50;

const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
async fn main() -> anyhow::Result<()> {
    println!("unmask, check and decode (reads of {READ} bytes):");
    for (name, opcode) in [("text", 0x81), ("binary", 0x82)] {
        for payload in [16, 128, 1024, 16 * 1024] {
            let (frame, megabytes) = decode(opcode, payload)?;
            println!("  {name:6} {payload:>6} bytes  {frame:>8.1} ns a frame  {megabytes:>8.0} MB/s");
        }
    }
    let count = std::env::args().nth(1).map_or(Ok(400), |count| count.parse())?;
    println!(
        "a connection over TCP: {} bytes, its queue: {}",
        size_of::<WebSocket<ClientStream>>(),
        size_of::<SendQueue>()
    );
    println!(
        "{count} idle connections: {} bytes of resident memory each, task included",
        idle(count).await?
    );
    Ok(())
}

/// Nanoseconds a frame, and megabytes of payload a second.
fn decode(opcode: u8, payload: usize) -> anyhow::Result<(f64, f64)> {
    let mut frame = vec![opcode];
    match u16::try_from(payload)? {
        short @ 0..126 => frame.push(0x80 | u8::try_from(short)?),
        medium => {
            frame.push(0xfe);
            frame.extend(medium.to_be_bytes());
        }
    }
    let key = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend(key);
    frame.extend((0..payload).map(|i| b'a' ^ key[i % 4]));
    let count = READ / frame.len();
    let stream = frame.repeat(count);
    let mut decoder = Decoder::new(READ);
    let mut scratch = vec![0; stream.len()];
    // The best batch: on a busy machine the others measure its other work.
    let mut best = Duration::MAX;
    let started = Instant::now();
    while started.elapsed() < LONG_ENOUGH {
        let batch = Instant::now();
        for _ in 0..BATCH {
            scratch.copy_from_slice(&stream);
            let mut rest = &mut scratch[..];
            while !rest.is_empty() {
                let step = decoder.decode(rest)?;
                black_box(step.message);
                rest = &mut rest[step.used..];
            }
        }
        best = best.min(batch.elapsed());
    }
    let frames = f64::from(BATCH) * f64::from(u32::try_from(count)?);
    let bytes = frames * f64::from(u32::try_from(payload)?);
    let seconds = best.as_secs_f64();
    Ok((seconds * 1e9 / frames, bytes / seconds / 1e6))
}

/// Resident bytes that each connection adds to the server. The clients here are bare sockets, which
/// live in the kernel.
async fn idle(count: usize) -> anyhow::Result<usize> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let metrics = accept::Metrics::register(&prometheus::Registry::new())?;
    let settings = Settings {
        connections: count,
        ..server::settings()
    };
    tokio::spawn(accept::serve(
        listener,
        server::router(READ),
        settings,
        metrics,
        CancellationToken::new(),
    ));
    // What is made once for all is there before the first measurement.
    let warm = count / 4;
    let mut clients = connect(address, warm).await?;
    let before = resident()?;
    clients.extend(connect(address, count - warm).await?);
    let after = resident()?;
    Ok(after.saturating_sub(before) / (count - warm).max(1))
}

async fn connect(address: SocketAddr, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    tokio::task::spawn_blocking(move || {
        (0..count)
            .map(|_| {
                let mut client =
                    TcpStream::connect(address).context("is the limit of open files (ulimit -n) too low?")?;
                client.write_all(HANDSHAKE)?;
                client.read_exact(&mut [0; 12])?;
                Ok(client)
            })
            .collect()
    })
    .await?
}

fn resident() -> anyhow::Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status").context("only Linux tells")?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("no VmRSS")?;
    let kib: usize = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib * 1024)
}
