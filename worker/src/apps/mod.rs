//! The systems that Tidegate serves: what each of them does with what its clients say. They use what handlers
//! and methods of anyone could use, and nothing else of this crate.

mod ark;
mod arma;
mod bedrock;
mod html;
mod mud;
mod pileup;

use tidegate_shared::config::{App, Worker as Settings};

use crate::worker::WorkerBuilder;

pub(crate) fn register(worker: WorkerBuilder, settings: &Settings) -> WorkerBuilder {
    let environment = |name: &str| std::env::var(name).ok();
    settings.apps.iter().fold(worker, |worker, app| match app {
        App::Arma => arma::register(worker, &environment),
        App::Pileup => pileup::register(worker, &settings.pileup),
        App::Mud => mud::register(worker, &environment),
        App::Ark => ark::register(worker, &settings.commands),
        App::Bedrock => bedrock::register(worker, &environment),
    })
}
