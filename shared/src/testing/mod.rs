//! What tests of every crate share: real Redis servers that can be killed, paused and restarted, alone, as
//! a Cluster, or with a replica under Sentinels. Behind the feature `test-support`; nothing of it is in a
//! release.

mod redis_cluster;
mod redis_sentinel;
mod redis_server;
mod resp;

use std::io;
use std::time::{Duration, Instant};

pub use redis_cluster::{RedisCluster, slot_of};
pub use redis_sentinel::RedisSentinel;
pub use redis_server::RedisServer;
pub use resp::Reply;

/// How long servers may take to find each other, or to agree.
const AGREEMENT: Duration = Duration::from_secs(40);
/// Between two looks at servers that have not agreed yet.
const POLL: Duration = Duration::from_millis(20);

/// Looks again until it is so.
async fn wait_until<F: Future<Output = io::Result<bool>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> io::Result<()> {
    let deadline = Instant::now() + AGREEMENT;
    while !look().await? {
        if Instant::now() > deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("waited {AGREEMENT:?} in vain for {what}"),
            ));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// A command whose error is an error.
async fn command(server: &RedisServer, arguments: &[&str]) -> io::Result<Reply> {
    match server.command(arguments).await? {
        Reply::Error(text) => Err(io::Error::other(format!("{}: {text}", arguments.join(" ")))),
        reply => Ok(reply),
    }
}

/// Whether the answer has this line, whatever ends it.
fn has_line(reply: &Reply, line: &str) -> bool {
    reply.to_string().lines().any(|one| one.trim_end() == line)
}
