//! Traces: what a publication or a job went through, told to a receiver of OTLP over HTTP.
//!
//! A trace begins where a request brings a `traceparent` or, as long as traces are told at all, at a request that
//! publishes or submits. It travels with publications and jobs; without a receiver nothing is made, kept or sent.

mod context;
mod export;
mod span;

pub use context::TraceContext;
pub use span::{Kind, Span, Tracer};
