//! Is this Redis fit for use? Asked each time a connection is made.

use std::time::{SystemTime, UNIX_EPOCH};

use fred::clients::Client;
use fred::interfaces::{ClientLike, FredResult};
use fred::types::{ClusterHash, CustomCommand};

/// The oldest version with sharded Pub/Sub.
const OLDEST: u64 = 7;

/// What to change before this Redis can be used, if anything.
pub(super) async fn unfit(client: &Client) -> FredResult<Option<String>> {
    let info: String = client.info(None).await?;
    Ok(read(&info))
}

fn read(info: &str) -> Option<String> {
    let field = |name: &str| {
        info.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key == name).then_some(value.trim())
        })
    };
    let version = field("redis_version").unwrap_or("unknown");
    let major: Option<u64> = version.split('.').next().and_then(|part| part.parse().ok());
    if major.is_none_or(|major| major < OLDEST) {
        return Some(too_old(version));
    }
    if field("role") == Some("slave") && field("slave_read_only") != Some("0") {
        return Some("this Redis is a read-only replica: connect to its primary".to_owned());
    }
    match field("maxmemory_policy") {
        Some("noeviction") | None => None,
        Some(policy) => Some(format!(
            "this Redis has maxmemory-policy {policy} and may throw away jobs and logs when it is full: \
             set maxmemory-policy noeviction (redis.conf, or CONFIG SET)"
        )),
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
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
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
        let said = |text: &str| read(text).unwrap_or_default();
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
    }
}
