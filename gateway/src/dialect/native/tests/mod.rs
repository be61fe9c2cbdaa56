//! The wire shapes of the native dialect.

mod commands;
mod replies;
