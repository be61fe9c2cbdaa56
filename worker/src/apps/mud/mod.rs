//! A small game of rooms: players go about, take things, and talk. Its world is a file; who is where is kept
//! in state topics, so any worker can carry out any command.
//!
//! Relies on its methods being a serial group: one command at a time, whichever worker it is on. Keeps
//! nothing in this process between two commands.
//!
//! | topic | |
//! |---|---|
//! | `mud:room:{room}`, `mud:zone:{zone}`, `mud:all`, `mud:chat` | what is said there: an event and `{"message": …}` |
//! | `mud:said:{room}` | the same lines with who heard them, for who comes back; nobody follows it |
//! | `mud:world` | each tick: `world_tick`, with what has happened since the last |
//! | `mudworld:players`, `mudworld:items`, `mudworld:clock` | who and what is where, and the tick |
//!
//! `MUD_WORLD` names the file of another world than the built-in one.

mod game;
mod methods;
mod missed;
mod moment;
mod order;
mod state;
mod text;
mod tick;
mod topics;
mod world;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Beat, CallContext, CallFailure, WorkerBuilder};
use methods::Mud;
use world::World;

/// The group of its methods.
const GROUP: &str = "mud";

/// Adds the game to a worker.
pub(crate) fn register(worker: WorkerBuilder, environment: &dyn Fn(&str) -> Option<String>) -> WorkerBuilder {
    let path = environment("MUD_WORLD").filter(|path| !path.is_empty());
    let mud = match world(path.as_deref()).and_then(Mud::new) {
        Ok(mud) => Arc::new(mud),
        Err(why) => return worker.fail(why),
    };
    let ticks = Arc::clone(&mud);
    let worker = worker.every("mud.tick", Duration::from_secs(1), move |beat: Beat| {
        let mud = Arc::clone(&ticks);
        async move { mud.tick(&beat).await }
    });
    let worker = method(worker, &mud, "enter", Mud::enter);
    let worker = method(worker, &mud, "look", Mud::look);
    let worker = method(worker, &mud, "missed", Mud::missed);
    let worker = method(worker, &mud, "command", Mud::command);
    let worker = method(worker, &mud, "action", Mud::action);
    method(worker, &mud, "chat", Mud::chat).serial(GROUP)
}

fn method<I, O, M, R>(worker: WorkerBuilder, mud: &Arc<Mud>, name: &str, method: M) -> WorkerBuilder
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    M: Fn(Arc<Mud>, I, CallContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<O, CallFailure>> + Send + 'static,
{
    let mud = Arc::clone(mud);
    worker.method(
        format!("{GROUP}.{name}"),
        move |input: I, context: CallContext| method(Arc::clone(&mud), input, context),
    )
}

fn world(path: Option<&str>) -> Result<World, String> {
    let Some(path) = path else {
        return World::built_in().map_err(|error| error.to_string());
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the world of the MUD, `{path}` (MUD_WORLD), cannot be read: {error}"))?;
    World::parse(&text).map_err(|error| format!("the world of the MUD, `{path}` (MUD_WORLD): {error}"))
}
