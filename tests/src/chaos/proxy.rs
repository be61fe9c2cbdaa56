//! A TCP proxy of our own before Redis: it stalls, cuts, half-closes and refuses at will, and leads to
//! another server when it is told to. Never changes a byte.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const BUFFER: usize = 16 * 1024;

/// What is done to the bytes that want to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Connections stay, and nothing passes.
    Stalled,
    /// Commands reach Redis, its answers and publications do not come back.
    Deaf,
    /// New connections end at once.
    Refused,
}

#[derive(Debug, Clone, Copy)]
struct Orders {
    way: Way,
    target: u16,
    /// Connections of an earlier generation are cut.
    generation: u64,
    /// Those of an earlier generation get the end of Redis' stream, but what they send still passes.
    halved: u64,
}

#[derive(Debug)]
pub struct Proxy {
    pub port: u16,
    orders: watch::Sender<Orders>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(port: u16, target: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let (orders, watching) = watch::channel(Orders {
            way: Way::Open,
            target,
            generation: 0,
            halved: 0,
        });
        let accepting = tokio::spawn(accept(listener, watching));
        Ok(Self {
            port,
            orders,
            accepting,
        })
    }

    pub fn set(&self, way: Way) {
        self.orders.send_modify(|orders| orders.way = way);
    }

    /// Ends every connection there is.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| orders.generation += 1);
    }

    /// Says on every connection that Redis will send no more, and goes on taking what is sent to it.
    pub fn half_close(&self) {
        self.orders.send_modify(|orders| orders.halved += 1);
    }

    /// New connections lead to another server; those that are there stay where they are.
    pub fn lead_to(&self, target: u16) {
        self.orders.send_modify(|orders| orders.target = target);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, orders: watch::Receiver<Orders>) {
    while let Ok((stream, _)) = listener.accept().await {
        let now = *orders.borrow();
        if now.way == Way::Refused {
            continue;
        }
        tokio::spawn(carry(stream, orders.clone(), now));
    }
}

/// One connection, both ways, until either end or an order ends it.
async fn carry(client: TcpStream, orders: watch::Receiver<Orders>, born: Orders) {
    let address = SocketAddr::from(([127, 0, 0, 1], born.target));
    let Ok(server) = TcpStream::connect(address).await else {
        return;
    };
    // Latency is not what this proxy is for; failing to set it changes nothing else.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pump(from_client, to_server, orders.clone(), born, false);
    let down = pump(from_server, to_client, orders, born, true);
    tokio::join!(up, down);
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut orders: watch::Receiver<Orders>,
    born: Orders,
    answers: bool,
) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let now = *orders.borrow_and_update();
        if now.generation != born.generation || (answers && now.halved != born.halved) {
            return;
        }
        let held = match now.way {
            Way::Open | Way::Refused => false,
            Way::Stalled => true,
            Way::Deaf => answers,
        };
        tokio::select! {
            changed = orders.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            read = from.read(&mut buffer), if !held => {
                let Ok(length @ 1..) = read else { return };
                let written = tokio::select! {
                    written = to.write_all(&buffer[..length]) => written.is_ok(),
                    () = cut(&mut orders, born.generation) => false,
                };
                if !written {
                    return;
                }
            }
        }
    }
}

/// Resolves when connections of this generation are to end.
async fn cut(orders: &mut watch::Receiver<Orders>, generation: u64) {
    // An error means that the proxy is gone, which ends them as well.
    let _ = orders.wait_for(|orders| orders.generation != generation).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        port
    }

    #[tokio::test]
    async fn it_carries_stalls_and_goes_on_halves_cuts_and_refuses() {
        let port = crate::ports::free().expect("a port");
        let proxy = Proxy::start(port, echo().await).await.expect("a proxy");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
        let mut byte = [0];
        stream.write_all(b"a").await.expect("sent");
        stream.read_exact(&mut byte).await.expect("the echo");

        proxy.set(Way::Stalled);
        stream.write_all(b"b").await.expect("sent");
        let stalled = timeout(Duration::from_millis(100), stream.read_exact(&mut byte)).await;
        assert!(stalled.is_err(), "nothing may pass");
        proxy.set(Way::Open);
        stream.read_exact(&mut byte).await.expect("what was held");
        assert_eq!(&byte, b"b");

        proxy.half_close();
        assert_eq!(stream.read(&mut byte).await.expect("the end"), 0);
        stream.write_all(b"c").await.expect("this way is open");

        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
        stream.write_all(b"a").await.expect("sent");
        stream.read_exact(&mut byte).await.expect("the echo");
        proxy.cut();
        assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)));

        proxy.set(Way::Refused);
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("accepted");
        assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)));
    }
}
