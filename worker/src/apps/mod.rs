//! The systems that Tidegate serves: what each of them does with what its clients say. They use what handlers
//! and methods of anyone could use, and nothing else of this crate.

use tidegate_shared::config::App;

use crate::worker::WorkerBuilder;

pub(crate) fn register(worker: WorkerBuilder, apps: &[App]) -> WorkerBuilder {
    apps.iter().fold(worker, |worker, app| match app {
        App::Arma | App::Pileup | App::Mud | App::Ark | App::Bedrock => worker,
    })
}
