//! The live map of Arma Reforger beside what its clients do by themselves: game servers that feed it, and what
//! admins can have done. Markers and positions are the dialect's (`sync`); they are topics, and no worker is
//! needed for them.

mod admin;
mod places;
mod polled;
mod server;
mod settings;
mod simulated;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

use crate::call::CallContext;
use crate::worker::{Beat, WorkerBuilder};
use admin::{Admin, Announce, Clear, Kick};
use places::Places;
use settings::Settings;
use watch::Watch;

/// | variable | |
/// |---|---|
/// | `ARMA_SERVERS` | game servers to watch, separated by commas: `NAME=http://HOST/PATH` or `NAME=simulated:8` |
/// | `ARMA_POLL_SECONDS` | how often; 5 unless set |
/// | `ARMA_ADMINS` | users who may command, separated by commas |
pub(crate) fn register(worker: WorkerBuilder, environment: &dyn Fn(&str) -> Option<String>) -> WorkerBuilder {
    let Ok(places) = Places::new() else {
        return worker;
    };
    let (places, settings) = (Arc::new(places), Settings::of(environment));
    let admin = Arc::new(Admin {
        places: Arc::clone(&places),
        admins: settings.admins,
    });
    let poll = settings.poll;
    let worker = commands(worker, &admin);
    settings
        .servers
        .into_iter()
        .fold(worker, |worker, (key, server)| {
            let (places, name) = (Arc::clone(&places), format!("arma.{}", plain(key.as_str())));
            let watch = Watch::new(key, server, poll);
            worker.every(name, poll, move |beat: Beat| {
                let (places, watch) = (Arc::clone(&places), watch.clone());
                async move { watch.look(&places, &beat, beat.number()).await }
            })
        })
}

fn commands(worker: WorkerBuilder, admin: &Arc<Admin>) -> WorkerBuilder {
    let (clear, kick, announce) = (Arc::clone(admin), Arc::clone(admin), Arc::clone(admin));
    worker
        .method(
            "arma.clear_markers",
            move |which: Option<Clear>, context: CallContext| {
                let admin = Arc::clone(&clear);
                async move { admin.clear_markers(which, &context).await }
            },
        )
        .method("arma.kick", move |whom: Kick, context: CallContext| {
            let admin = Arc::clone(&kick);
            async move { admin.kick(whom, &context).await }
        })
        .method("arma.announce", move |what: Announce, context: CallContext| {
            let admin = Arc::clone(&announce);
            async move { admin.announce(what, &context).await }
        })
}

/// As a duty may be called.
fn plain(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.chars()
        .map(|c| if plain(c) { c } else { '_' })
        .take(48)
        .collect()
}
