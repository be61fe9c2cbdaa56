//! The systems that Tidegate serves: what each of them does with what its clients say. They use what handlers
//! and methods of anyone could use, and nothing else of this crate.

mod mud;

use tidegate_shared::config::App;

use crate::worker::WorkerBuilder;

pub(crate) fn register(worker: WorkerBuilder, apps: &[App]) -> WorkerBuilder {
    let environment = |name: &str| std::env::var(name).ok();
    apps.iter().fold(worker, |worker, app| match app {
        App::Mud => mud::register(worker, &environment),
        App::Arma | App::Pileup | App::Ark | App::Bedrock => worker,
    })
}
