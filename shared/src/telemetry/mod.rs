//! What a process tells about itself: the log on standard error, and which build it is. Metrics are
//! declared beside what they measure.

mod build;
mod log;

pub use build::Build;
pub use log::{LogError, init};
