//! What the kernel is told about each client's socket: once, of the one that listens, from which the others have it.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpSocket;

/// A client that stopped reading otherwise parks megabytes in the kernel.
const SEND_BUFFER: usize = 64 * 1024;
/// Unsent bytes above which the socket takes no more: what waits stays where it can still be dropped.
#[cfg(target_os = "linux")]
const NOT_SENT_LOW_WATER: u32 = 16 * 1024;
/// Sent or probed without an answer for so long: the client is gone.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Finds clients that vanished while nothing was sent. WebSocket pings find them sooner; this is for
/// the rest.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A socket whose options can't be set still works: it is served without them.
pub(crate) fn set(listening: &TcpSocket) {
    if let Err(error) = try_set(listening) {
        tracing::debug!(%error, "a socket option cannot be set");
    }
}

fn try_set(listening: &TcpSocket) -> io::Result<()> {
    let socket = SockRef::from(listening);
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_notsent_lowat(NOT_SENT_LOW_WATER)?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn an_accepted_socket_has_every_option() {
        let listening = TcpSocket::new_v4().expect("a socket");
        try_set(&listening).expect("set");
        listening
            .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .expect("a free port");
        let listener = listening.listen(1).expect("listens");
        let address = listener.local_addr().expect("bound");
        let (_client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (stream, _) = accepted.expect("accepted");
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().expect("read"));
        assert!(socket.keepalive().expect("read"));
        #[cfg(target_os = "linux")]
        {
            // Linux doubles what is asked for, to account for its own book-keeping.
            assert_eq!(socket.send_buffer_size().expect("read"), 2 * SEND_BUFFER);
            assert_eq!(socket.tcp_notsent_lowat().expect("read"), NOT_SENT_LOW_WATER);
            assert_eq!(socket.tcp_user_timeout().expect("read"), Some(USER_TIMEOUT));
        }
    }
}
