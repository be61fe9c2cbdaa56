//! A small client of the native dialect. `follower` decides and knows no sockets; `connection` knows one
//! socket and decides nothing; `following` drives the two and reconnects; `ask` sends one command.

mod ask;
mod backoff;
mod connection;
mod follower;
mod following;
mod frame;
mod target;

pub(crate) use ask::ask;
pub(crate) use connection::{ConnectError, Connection, Lost};
pub(crate) use follower::{Body, Entry, Event, Follower};
pub(crate) use following::{Following, Notice, Step};
pub(crate) use frame::{Action, Command, Frame, Job};
pub(crate) use target::Target;
