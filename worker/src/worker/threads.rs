//! The threads that handlers run on: a runtime of their own, so that handlers which block their thread
//! hold up neither the backend's connections nor the program that the worker is part of.

use tokio::runtime::{Builder, Handle, Runtime};

pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("handler")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    pub(crate) fn handle(&self) -> Option<Handle> {
        self.0.as_ref().map(|runtime| runtime.handle().clone())
    }
}

impl Drop for Threads {
    /// Does not wait for handlers that still block: their jobs have been given back.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
