//! What tests of every crate share: real Redis servers that can be killed, paused and restarted. Behind
//! the feature `test-support`; nothing of it is in a release.

mod redis_server;
mod resp;

pub use redis_server::RedisServer;
pub use resp::Reply;
