//! A TCP proxy before Redis that can swallow publications: a connection that answers and is deaf.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(super) struct Proxy {
    port: u16,
    deaf: Arc<AtomicBool>,
}

impl Proxy {
    pub(super) async fn start(redis: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let deaf = Arc::new(AtomicBool::new(false));
        let switch = deaf.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", redis)).await.expect("Redis");
                tokio::spawn(pass(client, server, switch.clone()));
            }
        });
        Self { port, deaf }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn deafen(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::Relaxed);
    }
}

async fn pass(client: TcpStream, server: TcpStream, deaf: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let forward = tokio::io::copy(&mut from_client, &mut to_server);
    let backward = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = from_server.read(&mut buffer).await?;
            let chunk = &buffer[..count];
            // Publications and answers come in chunks of their own here, where little happens.
            let publication = chunk.windows(8).any(|part| part == b"smessage");
            if count == 0 {
                return std::io::Result::Ok(());
            }
            if !(publication && deaf.load(Ordering::Relaxed)) {
                to_client.write_all(chunk).await?;
            }
        }
    };
    tokio::select! {
        _ = forward => {}
        _ = backward => {}
    }
}
