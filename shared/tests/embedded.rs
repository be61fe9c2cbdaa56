//! The contract suites on the embedded backend.

#[macro_use]
mod contract;

use std::sync::Arc;

use contract::World;
use tidegate_shared::backend::Backend;
use tidegate_shared::embedded::Store;

struct Embedded(Arc<Store>);

impl World for Embedded {
    async fn start() -> Self {
        Self(Store::new(contract::namespaces()))
    }

    async fn node(&self) -> Backend {
        self.0.open()
    }
}

contract!(Embedded);
