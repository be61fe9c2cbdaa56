//! Methods: what clients call and get answered at once.

mod builtin;
mod context;
mod http;
mod method;

pub(crate) use builtin::register;
pub(crate) use context::Begun;
pub use context::CallContext;
pub use http::{HttpAnswer, HttpRequest};
pub use method::Method;
