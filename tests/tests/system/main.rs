//! What the whole must do, on real processes. Each file is one theme.

#![allow(clippy::print_stdout, reason = "output of a test is shown when it fails")]

mod ark;
mod arma;
mod backup;
mod configuration;
mod desk;
mod events;
mod example;
mod fanout;
mod figures;
mod kills;
mod monitoring;
mod mud;
mod operation;
mod page;
mod presence;
mod redis_faults;
mod rubbish;
mod socketio;
mod traces;
mod walk;
