//! Handlers for Tidegate jobs: write one, register it, run it.

mod admin;
mod backup;
mod context;
mod failure;
mod job;
mod run;
mod worker;

pub use backup::{Backup, BackupHandler, BackupInput, BackupOutput, BackupProgress};
pub use context::Context;
pub use failure::{JobFailure, Stopped};
pub use job::{Handler, Job};
pub use run::{RunError, run};
pub use worker::{BuildError, Worker, WorkerBuilder, WorkerError};
