//! What agents and tools report and ask, as calls: the same as over HTTP, which is one of them.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate_shared::call::CallFailure;

use super::agent::{self, Heartbeat, Registered, Registration};
use super::error::ArkError;
use super::instance::{self, Change, Instance, NewInstance, NewLine};
use super::jobs::{self, JobView, NewJob};
use super::places::Places;
use crate::call::CallContext;
use crate::worker::WorkerBuilder;

type Held = Arc<Places>;

#[derive(Deserialize)]
struct OfInstance<T> {
    #[serde(rename = "instanceId")]
    id: String,
    #[serde(flatten)]
    rest: T,
}

pub(super) fn register(worker: WorkerBuilder, places: &Held) -> WorkerBuilder {
    let worker = one(worker, "ark.create_instance", places, create_instance);
    let worker = one(worker, "ark.change_instance", places, change_instance);
    let worker = one(worker, "ark.log", places, log);
    let worker = one(worker, "ark.create_job", places, create_job);
    let worker = one(worker, "ark.register_agent", places, register_agent);
    one(worker, "ark.heartbeat", places, heartbeat)
}

/// A method that has the application's places at hand.
pub(super) fn one<I, O, R>(
    worker: WorkerBuilder,
    name: &str,
    places: &Held,
    method: fn(Held, I, CallContext) -> R,
) -> WorkerBuilder
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    R: Future<Output = Result<O, ArkError>> + Send + 'static,
{
    let places = Arc::clone(places);
    worker.method(name, move |input: I, context: CallContext| {
        let answered = method(Arc::clone(&places), input, context);
        async move { answered.await.map_err(CallFailure::from) }
    })
}

async fn create_instance(places: Held, new: NewInstance, context: CallContext) -> Result<Instance, ArkError> {
    instance::create(&places, &context, new).await
}

async fn change_instance(
    places: Held,
    of: OfInstance<Change>,
    context: CallContext,
) -> Result<Instance, ArkError> {
    instance::change(&places, &context, &of.id, of.rest).await
}

async fn log(places: Held, of: OfInstance<NewLine>, context: CallContext) -> Result<Value, ArkError> {
    instance::find(&places, &context, &of.id).await?;
    instance::log(&places, &context, &of.id, of.rest).await?;
    Ok(json!({}))
}

async fn create_job(places: Held, new: NewJob, context: CallContext) -> Result<JobView, ArkError> {
    jobs::create(&places, &context, new, context.user().cloned()).await
}

async fn register_agent(
    places: Held,
    new: Registration,
    context: CallContext,
) -> Result<Registered, ArkError> {
    agent::register(&places, &context, new).await
}

async fn heartbeat(places: Held, said: Heartbeat, context: CallContext) -> Result<Value, ArkError> {
    let id = said.agent_id.clone().unwrap_or_default();
    agent::heartbeat(&places, &context, &id, &said).await?;
    Ok(json!({}))
}
