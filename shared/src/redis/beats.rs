//! The heartbeats of a worker: its leases, renewed queue by queue. In a Cluster each queue may be elsewhere;
//! those that are in reach are renewed whatever becomes of the others.

use std::collections::BTreeMap;
use std::time::Duration;

use super::broker::{milliseconds, text};
use super::commands::{CallError, Commands};
use super::keys::Keys;
use super::scripts::Script;
use crate::job::{Beat, Lease};

/// Most leases one script renews.
const BATCH: usize = 256;

/// One answer for each lease, in their order.
pub(super) async fn renew(
    commands: &Commands,
    keys: &Keys,
    leases: &[Lease],
    lease: Duration,
) -> Result<Vec<Beat>, CallError> {
    let mut slots: BTreeMap<(&str, u16), Vec<usize>> = BTreeMap::new();
    for (index, lease) in leases.iter().enumerate() {
        slots
            .entry((lease.job.queue(), lease.job.shard()))
            .or_default()
            .push(index);
    }
    let mut beats = vec![Beat::Lost; leases.len()];
    let mut trouble = None;
    for chunk in slots.values().flat_map(|indexes| indexes.chunks(BATCH)) {
        let slot = keys.of_job(&leases[chunk[0]].job);
        let mut arguments = vec![milliseconds(lease)];
        for &index in chunk {
            arguments.push(text(leases[index].job.as_str()));
            arguments.push(text(&leases[index].token.to_string()));
        }
        let names = vec![slot.records(), slot.leases()];
        match commands.run(Script::Heartbeat, &slot.tag, names, arguments).await {
            Ok(answer) => {
                for (&index, answer) in chunk.iter().zip(answer.into_array()) {
                    beats[index] = match answer.as_i64() {
                        Some(1) => Beat::Extended,
                        Some(2) => Beat::Cancel,
                        _ => Beat::Lost,
                    };
                }
            }
            Err(error) => trouble = Some(error),
        }
    }
    trouble.map_or(Ok(beats), Err)
}
