//! The hub's promise, under everything that can go wrong below it.

mod at_hand;
mod audit;
mod flaky;
mod promise;
