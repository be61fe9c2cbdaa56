//! The two signals that end a process: the first asks, the second insists.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that the first SIGTERM or SIGINT cancels. A second one ends the process at once, with exit
/// code 1, and leaves running jobs to their leases.
pub(crate) fn on_signals() -> io::Result<CancellationToken> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let shutdown = CancellationToken::new();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        let name = either(&mut term, &mut int).await;
        tracing::info!("{name}: taking no more jobs; a second signal ends at once");
        asked.cancel();
        let name = either(&mut term, &mut int).await;
        tracing::warn!("{name} again: ending at once");
        std::process::exit(1);
    });
    Ok(shutdown)
}

async fn either(term: &mut Signal, int: &mut Signal) -> &'static str {
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}
