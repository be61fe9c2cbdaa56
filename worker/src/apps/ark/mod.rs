//! The control plane of ARK servers: instances, agents, and the jobs of the queue `ark`, told to every client
//! of the dialect `feed`.
//!
//! What there is stands in the state topics `ark-state:…`, what happens goes over `ark:events` and `ark:log`;
//! jobs speak for themselves. So any number of workers serve it, and nothing is lost with one of them.

mod agent;
mod error;
mod history;
mod http;
mod instance;
mod jobs;
mod kind;
mod methods;
mod places;
mod simulation;
mod teller;
mod work;

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::config;

use crate::call::{CallContext, HttpAnswer, HttpRequest};
use crate::command::Programs;
use crate::worker::{Beat, WorkerBuilder};
use error::ArkError;
use places::Places;
use work::{Of, Work};

/// How often agents are looked for that have fallen silent.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) fn register(worker: WorkerBuilder, programs: &[config::Command]) -> WorkerBuilder {
    let Ok(places) = Places::new() else {
        return worker;
    };
    let places = Arc::new(places);
    let work = Work {
        places: Arc::clone(&places),
        programs: Programs::new(programs.to_vec()),
    };
    let looking = Arc::clone(&places);
    let worker =
        worker
            .queue(places.queue.as_str())
            .serial("ark")
            .every("ark.agents", LOOK, move |beat: Beat| {
                let places = Arc::clone(&looking);
                async move {
                    if let Err(error) = agent::look(&places, &beat).await {
                        tracing::debug!("agents cannot be looked for: {error}");
                    }
                }
            });
    let worker = methods::register(jobs_of_all_kinds(worker, &work), &places);
    methods::one(worker, "ark.http", &places, over_http)
}

fn jobs_of_all_kinds(worker: WorkerBuilder, work: &Work) -> WorkerBuilder {
    worker
        .register::<Of<0>>(work.clone())
        .register::<Of<1>>(work.clone())
        .register::<Of<2>>(work.clone())
        .register::<Of<3>>(work.clone())
        .register::<Of<4>>(work.clone())
        .register::<Of<5>>(work.clone())
        .register::<Of<6>>(work.clone())
        .register::<Of<7>>(work.clone())
        .register::<Of<8>>(work.clone())
        .register::<Of<9>>(work.clone())
        .register::<Of<10>>(work.clone())
}

async fn over_http(
    places: Arc<Places>,
    request: HttpRequest,
    context: CallContext,
) -> Result<HttpAnswer, ArkError> {
    Ok(http::answer(&places, &context, &request).await)
}
