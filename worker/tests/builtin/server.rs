//! Servers that jobs call: one that answers as it is told, and one that is no server of HTTP at all.

use std::net::SocketAddr;

use axum::Router;
use tidegate_shared::config;
use tidegate_worker::WebhookHandler;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Serves until the test ends. Gives its URL, without a slash at the end.
pub(crate) async fn serve(router: Router) -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Reads the head of each request, answers these bytes, and closes.
pub(crate) async fn rubbish(answer: Vec<u8>) -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut buffer = [0; 1024];
                match stream.read(&mut buffer).await {
                    Ok(1..) => head.extend_from_slice(&buffer),
                    _ => break,
                }
            }
            // Whether the client still listens is what is being tested.
            let _ = stream.write_all(&answer).await;
        }
    });
    url
}

async fn listen() -> (TcpListener, String) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(any).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

pub(crate) const SECRET: &str = "correct horse";

/// May call this machine.
pub(crate) fn handler() -> WebhookHandler {
    WebhookHandler::new(&config::Webhook {
        secret: Some(SECRET.into()),
        allow_private: true,
    })
}
