//! A node of a test's own, on free ports and the embedded backend.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tidegate_gateway::{Listeners, Options, RunError};
use tidegate_shared::backend::Backend;
use tidegate_shared::config::Config;
use tidegate_shared::embedded::Store;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::wire::{Answer, DEADLINE, ask};

pub(crate) const KEY: &str = "the-test-key";

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) client: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) backend: Backend,
    pub(crate) shutdown: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

/// On free ports, with one API key and anonymous clients.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.gateway.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.gateway.admin_listen = config.gateway.listen;
    config.drain.grace = std::time::Duration::ZERO;
    // Tests are quicker than clients.
    config.limits.commands_per_second = 0;
    config.auth.api_keys = vec![Sha256::digest(KEY).into()];
    for endpoint in &mut config.endpoints {
        endpoint.anonymous = true;
    }
    config
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::start_with(config(), Options::default())
    }

    pub(crate) fn start_with(config: Config, options: Options) -> Self {
        let backend = Store::new(config.namespaces.clone()).open();
        Self::start_on(backend, config, options)
    }

    /// Anyone may do everything there.
    pub(crate) fn start_on(backend: Backend, mut config: Config, options: Options) -> Self {
        config.open_to_anyone();
        Self::start_closed(backend, config, options)
    }

    /// Clients may do what the configuration says.
    pub(crate) fn start_closed(backend: Backend, config: Config, options: Options) -> Self {
        let listeners = Listeners::bind(&config).expect("free ports");
        let client = listeners.client.local_addr().expect("bound");
        let admin = listeners.admin.as_ref().and_then(|admin| admin.local_addr().ok());
        let shutdown = CancellationToken::new();
        let running = tidegate_gateway::run(
            listeners,
            backend.clone(),
            Arc::new(config),
            options,
            shutdown.clone(),
        );
        Self {
            client,
            admin: admin.expect("bound"),
            backend,
            task: tokio::spawn(running),
            shutdown,
        }
    }

    /// `POST` with the key.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string()).await
    }

    pub(crate) async fn post_text(&self, path: &str, body: &str) -> Answer {
        ask(
            self.client,
            format!(
                "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {KEY}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                self.client,
                body.len()
            ),
        )
        .await
    }

    /// Any method without a body, with the key.
    pub(crate) async fn call(&self, method: &str, path: &str) -> Answer {
        ask(
            self.client,
            format!(
                "{method} {path} HTTP/1.1\r\nhost: {}\r\nx-api-key: {KEY}\r\n\r\n",
                self.client
            ),
        )
        .await
    }

    /// What the node's `run` gave, once it has ended.
    pub(crate) async fn ended(self) -> Result<(), RunError> {
        tokio::time::timeout(DEADLINE, self.task)
            .await
            .expect("it ends in time")
            .expect("it does not panic")
    }
}
