//! What gateway and worker share: the vocabulary (topic, position, publication, job, codes), the
//! [`Broker`](broker::Broker) and [`JobQueue`](job::JobQueue) traits with their two backends, and the
//! configuration. Knows nothing of sockets, dialects or job handlers.

pub mod backend;
pub mod broker;
pub mod call;
pub mod clock;
pub mod code;
pub mod config;
pub mod control;
pub mod embedded;
pub mod feed;
pub mod iso;
pub mod job;
pub mod json;
pub mod name;
pub mod namespace;
pub mod nodes;
pub mod pileup;
pub mod position;
pub mod presence;
pub mod publication;
pub mod readiness;
pub mod redis;
pub mod supervisor;
pub mod telemetry;
#[cfg(feature = "test-support")]
pub mod testing;
pub mod tls;
pub mod topic;
pub mod trace;
pub mod web;
