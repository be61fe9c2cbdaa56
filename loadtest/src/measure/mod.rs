//! What a run has cost, as the kernel tells it.

mod kernel;
mod process;

pub(crate) use kernel::Kernel;
pub(crate) use process::{Process, Usage};
