//! The registered handlers by job type, behind one type that knows only JSON.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::JobType;

use super::attempt::Attempt;
use crate::context::Context;
use crate::failure::JobFailure;
use crate::job::{Handler, Job};

pub(crate) type Outcome = Result<RawJson, JobFailure>;

pub(crate) trait AnyHandler: Send + Sync {
    fn start(self: Arc<Self>, data: RawJson, attempt: Arc<Attempt>) -> BoxFuture<'static, Outcome>;
}

pub(crate) struct Typed<J, H> {
    handler: H,
    job: PhantomData<fn() -> J>,
}

impl<J: Job, H: Handler<J>> Typed<J, H> {
    pub(crate) fn new(handler: H) -> Self {
        Self {
            handler,
            job: PhantomData,
        }
    }
}

impl<J: Job, H: Handler<J>> AnyHandler for Typed<J, H> {
    fn start(self: Arc<Self>, data: RawJson, attempt: Arc<Attempt>) -> BoxFuture<'static, Outcome> {
        async move {
            let input = serde_json::from_str(data.as_str()).map_err(|error| {
                JobFailure::fatal(format_args!(
                    "the data does not fit a job of type {}: {error}",
                    J::TYPE
                ))
            })?;
            let output = self.handler.run(input, Context::new(attempt)).await?;
            RawJson::of(&output).map_err(|error| {
                JobFailure::fatal(format_args!("the result cannot be written as JSON: {error}"))
            })
        }
        .boxed()
    }
}

#[derive(Default)]
pub(crate) struct Handlers {
    by_type: BTreeMap<JobType, Arc<dyn AnyHandler>>,
}

impl Handlers {
    /// Gives false if the type has a handler already.
    pub(crate) fn insert(&mut self, kind: JobType, handler: Arc<dyn AnyHandler>) -> bool {
        self.by_type.insert(kind, handler).is_none()
    }

    pub(crate) fn get(&self, kind: &JobType) -> Option<Arc<dyn AnyHandler>> {
        self.by_type.get(kind).map(Arc::clone)
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = &JobType> {
        self.by_type.keys()
    }
}
