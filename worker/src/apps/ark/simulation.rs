//! What a job does where no program does it: nothing, in steps, with a progress that is true of them.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tidegate_shared::job::{LogLevel, Percent};
use tokio::time::sleep;

use super::kind::Kind;
use super::teller::Teller;
use super::work::{Of, Order};
use crate::context::Context;
use crate::failure::JobFailure;

/// What a step takes.
const STEP: Duration = Duration::from_millis(100);

/// Goes on where an earlier attempt has come to.
pub(super) async fn run<const K: usize>(
    kind: Kind,
    order: &Order,
    context: &Context<Of<K>>,
    teller: &Teller,
) -> Result<Value, JobFailure> {
    let before: u64 = context.restored()?.unwrap_or_default();
    let total: u64 = kind.stages().iter().map(|stage| u64::from(stage.steps)).sum();
    let mut done = 0;
    for stage in kind.stages() {
        let end = done + u64::from(stage.steps);
        if end <= before {
            done = end;
            continue;
        }
        if let Some(status) = stage.status {
            teller.status(status);
        }
        teller.line(LogLevel::Info, stage.message);
        while done < end {
            context.progress(Percent::of(done, total).get(), stage.message);
            tokio::select! {
                stopped = context.stopped() => return Err(stopped.into()),
                () = sleep(STEP) => done += 1,
            }
        }
        context.checkpoint(&done).await?;
    }
    let last = kind.stages().last().map_or("", |stage| stage.message);
    context.progress(100.0, last);
    Ok(result(kind, order, context.record().created_at))
}

fn result(kind: Kind, order: &Order, created_at: u64) -> Value {
    let parameters = &order.parameters;
    let named = |name: &str, otherwise: String| {
        let given = parameters.get(name).and_then(Value::as_str);
        given.map_or(otherwise, str::to_owned)
    };
    let build = || named("buildId", (created_at / 1_000).to_string());
    let backup = || named("backupId", format!("backup-{created_at}"));
    match kind {
        Kind::InstallServer | Kind::UpdateServer => json!({
            "buildId": build(),
            "installPath": format!("runtime/cache/server_builds/ASA/{}", build()),
        }),
        Kind::ActivateBuild => json!({ "buildId": build() }),
        Kind::BackupInstance | Kind::RestoreBackup => json!({ "backupId": backup() }),
        Kind::VerifyBackup => json!({ "backupId": backup(), "valid": true }),
        Kind::PruneBackups => json!({ "removed": 0 }),
        Kind::SyncMods => {
            let mods = parameters.get("modIds").and_then(Value::as_array);
            json!({ "synced": mods.map_or(0, Vec::len) })
        }
        Kind::StartInstance | Kind::StopInstance | Kind::RestartInstance => Value::Object(Map::new()),
    }
}
