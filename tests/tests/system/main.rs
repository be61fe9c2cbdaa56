//! What the whole must do, on real processes. Each file is one theme.

mod backup;
mod configuration;
mod fanout;
mod kills;
mod redis_faults;
mod rubbish;
