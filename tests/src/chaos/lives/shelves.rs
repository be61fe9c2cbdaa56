//! What Redis itself says of the jobs: who has which, and what became of each.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use tidegate_shared::testing::{RedisServer, Reply};

use super::lane::Life;
use super::ledger::Ledger;

const BASE: &str = "tg:{q:default:0}:";
/// Jobs that one script looks at.
const BATCH: usize = 200;

/// The jobs that this worker runs, with the number of the attempt.
const HELD: &str = "
local held = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local job = redis.call('HMGET', KEYS[2] .. id, 'worker', 'e')
  if job[1] == ARGV[1] then
    -- Behind what stands for `\"attempt\":`.
    held[#held + 1], held[#held + 2] = id, string.match(job[2], '\\5(%d+)')
  end
end
return held";

/// The number of the last entry of each job's log, and how many entries of it are ends.
const ENDS: &str = "
local found = {}
for _, id in ipairs(ARGV) do
  local ends = 0
  for _, entry in ipairs(redis.call('LRANGE', KEYS[1] .. id .. ':log', 0, -1)) do
    local state = string.match(entry, '\\4(%l+)\\5')
    if state == 'succeeded' or state == 'failed' or state == 'cancelled' then
      ends = ends + 1
    end
  end
  -- Version, epoch, tag, time, what the attempt holds, and the number.
  local top = string.match(redis.call('HGET', KEYS[1] .. id, 'e') or '', '^%S+ %S+ %S+ %S+ %S+ (%d+)')
  found[#found + 1], found[#found + 2] = top or '', tostring(ends)
end
return found";

pub async fn held_by(redis: &RedisServer, worker: &str) -> Result<Vec<(String, u64)>> {
    let (lease, records) = (format!("{BASE}lease"), format!("{BASE}job:"));
    let name = format!("\"{worker}\"");
    let reply = redis
        .command(&["EVAL", HELD, "2", &lease, &records, &name])
        .await?;
    let pairs = reply.items().chunks_exact(2);
    pairs
        .map(|pair| Ok((pair[0].to_string(), pair[1].to_string().parse()?)))
        .collect()
}

/// Every job ended once, at what its follower saw last, and none is anywhere else.
pub async fn audit(redis: &RedisServer, lives: &[Life], ledger: &Ledger) -> Result<()> {
    let ids: HashSet<&str> = lives.iter().map(|life| life.id.as_str()).collect();
    if ids.len() != lives.len() {
        ledger.wrong(format!("{} jobs have {} ids", lives.len(), ids.len()));
    }
    for batch in lives.chunks(BATCH) {
        let records = format!("{BASE}job:");
        let mut command = vec!["EVAL", ENDS, "1", &records];
        command.extend(batch.iter().map(|life| life.id.as_str()));
        let reply = redis.command(&command).await?;
        ensure!(
            reply.items().len() == batch.len() * 2,
            "an answer of another shape"
        );
        for (life, pair) in batch.iter().zip(reply.items().chunks_exact(2)) {
            let (top, ends) = (pair[0].to_string(), pair[1].to_string());
            if top != life.offset.to_string() || ends != "1" {
                ledger.wrong(format!(
                    "{}: seen to end at {}; its log goes to {top} and has {ends} ends",
                    life.id, life.offset
                ));
            }
        }
    }
    for part in ["ready", "due", "retry", "lease"] {
        let left = size(redis, part).await?;
        if left > 0 {
            ledger.wrong(format!("{left} jobs are left in `{part}`"));
        }
    }
    let mut ended = 0;
    for part in ["succeeded", "cancelled", "dead"] {
        ended += size(redis, part).await?;
    }
    if ended != lives.len() {
        ledger.wrong(format!(
            "{ended} jobs are listed as ended, and {} were followed to their ends",
            lives.len()
        ));
    }
    Ok(())
}

async fn size(redis: &RedisServer, part: &str) -> Result<usize> {
    let reply: Reply = redis.command(&["ZCARD", &format!("{BASE}{part}")]).await?;
    let size = reply.integer().context("a number")?;
    Ok(usize::try_from(size)?)
}
