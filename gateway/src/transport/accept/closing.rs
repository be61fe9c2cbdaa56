//! The end of a port: whoever had connected is accepted, and nobody is reset.
//!
//! What a kernel has in its queue when a port closes is reset, and a proxy that has sent a request there does not
//! send it a second time. So newcomers are first kept from connecting at all: their first packet is dropped, and
//! when they repeat it, after a second, the port is closed, which sends them elsewhere.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};

use super::concerns_one_connection;

/// For connections that were being made to be there: a few round trips.
const SETTLE: Duration = Duration::from_millis(200);
/// Most connections that are accepted in that time.
const LAST: usize = 4_096;

/// Hands on who had connected, to the last, and closes the port.
pub(super) async fn close(listener: TcpListener, mut receive: impl FnMut(TcpStream, SocketAddr)) {
    if let Err(error) = deafen(&listener) {
        tracing::debug!(%error, "who connects while the port closes may be reset");
    }
    let settled = Instant::now() + SETTLE;
    let mut left = LAST;
    while left > 0 {
        left -= 1;
        match timeout_at(settled, listener.accept()).await {
            Ok(Ok((stream, peer))) => receive(stream, peer),
            Ok(Err(error)) if concerns_one_connection(&error) => {}
            Ok(Err(_)) | Err(_) => break,
        }
    }
    for (stream, peer) in waiting(listener).take(left) {
        receive(stream, peer);
    }
}

/// Drops every packet that would begin a connection.
#[cfg(target_os = "linux")]
fn deafen(listener: &TcpListener) -> std::io::Result<()> {
    use socket2::{SockFilter, SockRef};
    // Classic BPF over the TCP header, as `bpf_asm` would make it of
    //   ldb [13]; and #2; jeq #0, pass, drop; pass: ret #-1; drop: ret #0
    // where byte 13 has the flags and 2 is SYN (RFC 9293 §3.1).
    let program = [
        SockFilter::new(0x30, 0, 0, 13),
        SockFilter::new(0x54, 0, 0, 2),
        SockFilter::new(0x15, 0, 1, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
        SockFilter::new(0x06, 0, 0, 0),
    ];
    SockRef::from(listener).attach_filter(&program)
}

#[cfg(not(target_os = "linux"))]
fn deafen(_: &TcpListener) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// What the kernel still has. Not asked of the runtime, which may not have heard of it yet.
fn waiting(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        loop {
            match listener.as_ref()?.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true).ok()?;
                    return Some((TcpStream::from_std(stream).ok()?, peer));
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(_) => return None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Connections are made all the time while the port closes: each is either accepted or refused, and none is reset.
    #[cfg(target_os = "linux")]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_who_could_connect_is_reset() {
        for _ in 0..3 {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("bound");
            let connected = std::sync::Arc::new(AtomicUsize::new(0));
            let knocking: Vec<_> = (0..4)
                .map(|_| {
                    let connected = connected.clone();
                    tokio::spawn(async move {
                        let mut kept = Vec::new();
                        while let Ok(stream) = TcpStream::connect(address).await {
                            connected.fetch_add(1, Ordering::SeqCst);
                            kept.push(stream);
                        }
                    })
                })
                .collect();
            while connected.load(Ordering::SeqCst) < 50 {
                tokio::task::yield_now().await;
            }
            let mut accepted = 0;
            let mut kept = Vec::new();
            close(listener, |stream, _| {
                accepted += 1;
                kept.push(stream);
            })
            .await;
            for one in knocking {
                one.await.expect("no panic");
            }
            assert_eq!(accepted, connected.load(Ordering::SeqCst));
        }
    }
}
