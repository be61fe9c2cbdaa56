//! Is this Redis fit for use? Asked each time a connection is made.

use fred::clients::Client;
use fred::interfaces::{ClientLike, FredResult};
use fred::types::{ClusterHash, CustomCommand, Value};

use super::address::Kind;
use crate::clock;

/// The oldest version with sharded Pub/Sub.
const OLDEST: u64 = 7;

/// Why a server can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// What to change before it can.
    Ever(String),
    /// It may be different soon.
    Now(String),
}

pub(super) async fn fitness(client: &Client, kind: &Kind) -> FredResult<Result<(), Unfit>> {
    let info: String = client.info(None).await?;
    if let Err(unfit) = read(&info, kind) {
        return Ok(Err(unfit));
    }
    if *kind == Kind::Cluster {
        let state = cluster(client, "INFO").await?.as_string().unwrap_or_default();
        if field(&state, "cluster_state") != Some("ok") {
            return Ok(Err(Unfit::Now(
                "the Cluster is down: not enough of its masters are there".to_owned(),
            )));
        }
    }
    Ok(Ok(()))
}

/// CLUSTER INFO or CLUSTER SLOTS.
pub(super) async fn cluster(client: &Client, what: &str) -> FredResult<Value> {
    let command = CustomCommand::new_static("CLUSTER", ClusterHash::Random, false);
    client.custom(command, vec![what.to_owned()]).await
}

/// A field of INFO or CLUSTER INFO.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key == name).then_some(value.trim())
    })
}

fn read(info: &str, kind: &Kind) -> Result<(), Unfit> {
    let field = |name: &str| field(info, name);
    let ever = |why: &str| Err(Unfit::Ever(why.to_owned()));
    let version = field("redis_version").unwrap_or("unknown");
    let major: Option<u64> = version.split('.').next().and_then(|part| part.parse().ok());
    if major.is_none_or(|major| major < OLDEST) {
        return Err(Unfit::Ever(too_old(version)));
    }
    match (field("redis_mode"), kind) {
        (Some("sentinel"), _) => {
            return ever("this is a Sentinel: write redis-sentinel://host:port/service");
        }
        (Some("cluster"), Kind::Single | Kind::Sentinel { .. }) => {
            return ever("this Redis is part of a Cluster: write redis-cluster://host:port");
        }
        (Some("standalone"), Kind::Cluster) => {
            return ever("this Redis is not part of a Cluster: write redis://host:port");
        }
        _ => {}
    }
    if field("role") == Some("slave") && field("slave_read_only") != Some("0") {
        return match kind {
            Kind::Single => ever("this Redis is a read-only replica: connect to its primary"),
            Kind::Cluster | Kind::Sentinel { .. } => {
                Err(Unfit::Now("it is a replica and not the master".to_owned()))
            }
        };
    }
    match field("maxmemory_policy") {
        Some("noeviction") | None => Ok(()),
        Some(policy) => Err(Unfit::Ever(format!(
            "this Redis has maxmemory-policy {policy} and may throw away jobs and logs when it is full: \
             set maxmemory-policy noeviction (redis.conf, or CONFIG SET)"
        ))),
    }
}

pub(super) fn too_old(version: &str) -> String {
    format!("this Redis has version {version}; Tidegate needs 7.0 or newer: upgrade it or use another")
}

/// How many milliseconds Redis's clock is ahead of ours.
pub(super) async fn clock_ahead(client: &Client) -> FredResult<i64> {
    let before = local_ms();
    let command = CustomCommand::new_static("TIME", ClusterHash::Random, false);
    let (seconds, micros): (i64, i64) = client.custom(command, Vec::<String>::new()).await?;
    Ok(seconds * 1_000 + micros / 1_000 - i64::midpoint(before, local_ms()))
}

/// Milliseconds since 1970 by our clock.
pub(super) fn local_ms() -> i64 {
    i64::try_from(clock::now_ms()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, policy: &str, role: &str) -> String {
        format!(
            "# Server\r\nredis_version:{version}\r\n# Memory\r\nmaxmemory_policy:{policy}\r\n\
             # Replication\r\nrole:{role}\r\n"
        )
    }

    #[test]
    fn each_refusal_says_what_to_change() {
        let said_of = |text: &str, kind: &Kind| match read(text, kind) {
            Ok(()) => String::new(),
            Err(Unfit::Ever(why)) => why,
            Err(Unfit::Now(why)) => format!("now: {why}"),
        };
        let said = |text: &str| said_of(text, &Kind::Single);
        assert_eq!(said(&info("7.0.15", "noeviction", "master")), "");
        assert_eq!(said(&info("8.2.1", "noeviction", "master")), "");
        assert!(said(&info("6.2.14", "noeviction", "master")).contains("7.0 or newer"));
        assert!(said(&info("x", "noeviction", "master")).contains("7.0 or newer"));
        assert!(said("").contains("7.0 or newer"));
        assert!(said(&info("7.2.0", "allkeys-lru", "master")).contains("maxmemory-policy noeviction"));
        assert!(said(&info("7.2.0", "noeviction", "slave")).contains("primary"));
        assert_eq!(
            said(&(info("7.2.0", "noeviction", "slave") + "slave_read_only:0\r\n")),
            ""
        );
        let replica = info("7.2.0", "noeviction", "slave");
        assert!(said_of(&replica, &Kind::Cluster).starts_with("now: "));
        let fine = info("7.2.0", "noeviction", "master");
        let mode = |mode: &str| format!("{fine}redis_mode:{mode}\r\n");
        assert!(said(&mode("cluster")).contains("redis-cluster://"));
        assert!(said(&mode("sentinel")).contains("redis-sentinel://"));
        assert!(said_of(&mode("standalone"), &Kind::Cluster).contains("redis://"));
        assert_eq!(said_of(&mode("cluster"), &Kind::Cluster), "");
    }
}
