//! The operations of the WebSocket protocol, each from its data to its result. That the data is what an operation
//! needs was looked at when it came.

use serde_json::{Value, json};
use tidegate_shared::pileup::OPERATIONS;

use super::answer;
use super::change::{Change, Dial, callsign, find, said};
use super::refusal::Refusal;
use super::shack::Shack;
use super::station::{Station, now};
use crate::{CallContext, CallFailure, ErrorCode};

type Done = Result<Value, CallFailure>;

pub(super) async fn run(station: &Station, operation: &str, data: &Value, context: &CallContext) -> Done {
    if operation.starts_with("admin.") && !station.is_operator(context.user()) {
        let message = "Authentication required for this operation";
        return Err(CallFailure::new(ErrorCode::Unauthorized, message));
    }
    match operation {
        "system.ping" => {
            return Ok(json!({ "pong": true, "server_time": now(), "message": "WebSocket server is alive" }));
        }
        "system.heartbeat" => {
            return Ok(json!({ "heartbeat": true, "server_time": now(), "uptime": station.uptime() }));
        }
        "system.info" => return Ok(info()),
        "admin.logging_direct" => {
            let message = format!("No handler registered for operation: {operation}");
            return Err(CallFailure::new(ErrorCode::BadRequest, message));
        }
        _ => {}
    }
    let shack = station.load(context).await?;
    match operation {
        "public.get_status" => Ok(json!({ "active": shack.active })),
        "public.get_frequency" => Ok(shack.frequency.shown("frequency")),
        "public.get_split" => Ok(shack.split.shown("split")),
        "queue.list" => Ok(shack.listed(station.max_size())),
        "queue.get_status" if !shack.active => Err(Refusal::Inactive.into()),
        "queue.get_status" => Ok(shack.entry(find(&shack, text(data, "callsign"))?)),
        "admin.get_queue" => Ok(answer::queue(&shack)),
        "admin.get_system_status" => Ok(shack.full_status()),
        _ => change(station, shack, operation, data, context).await,
    }
}

/// Those that change something.
async fn change(
    station: &Station,
    shack: Shack,
    operation: &str,
    data: &Value,
    context: &CallContext,
) -> Done {
    let most = station.max_size();
    match operation {
        "queue.register" => {
            let shack = station.register(shack, text(data, "callsign"), context).await??;
            Ok(answer::registered(&shack))
        }
        "admin.remove_callsign" => {
            let place = find(&shack, text(data, "callsign"))?;
            let removed = shack.entry(place);
            station
                .commit(Change::remove(shack, place, most), context)
                .await?;
            Ok(answer::removed(&removed))
        }
        "admin.clear_queue" => {
            station.commit(Change::clear(shack, most), context).await?;
            Ok(json!({ "message": "Queue cleared successfully" }))
        }
        "admin.next_qso" => {
            let shack = station.commit(Change::next(shack, now(), most), context).await?;
            let worked = shack.worked();
            let message = match callsign(&worked) {
                Some(callsign) => format!("Now working {callsign}"),
                None => "No callsigns in queue".into(),
            };
            Ok(said(message, "current_qso", &worked))
        }
        "admin.complete_qso" => {
            let worked = shack.worked();
            station.commit(Change::complete(shack), context).await?;
            Ok(answer::completed(&worked))
        }
        "admin.set_frequency" => tune(station, shack, Dial::Frequency, Some(data), context).await,
        "admin.delete_frequency" => tune(station, shack, Dial::Frequency, None, context).await,
        "admin.set_split" => tune(station, shack, Dial::Split, Some(data), context).await,
        "admin.delete_split" => tune(station, shack, Dial::Split, None, context).await,
        "admin.set_system_status" => {
            let active = data["active"]
                .as_bool()
                .ok_or_else(|| wrong("'active' field must be a boolean"))?;
            let by = answer::operator(context.user());
            let shack = station
                .commit(Change::switch(shack, active, by, now()), context)
                .await?;
            Ok(said(answer::switched(active), "active", &shack.active.into()))
        }
        other => Err(wrong(&format!("there is no operation {other}"))),
    }
}

/// Sets one of the frequencies to what the data says, or clears it.
async fn tune(
    station: &Station,
    shack: Shack,
    dial: Dial,
    data: Option<&Value>,
    context: &CallContext,
) -> Done {
    let value = data.map(|data| text(data, dial.name()).to_owned());
    let change = Change::tune(shack, dial, value.clone(), now());
    station.commit(change, context).await?;
    Ok(answer::tuned(dial, value.as_deref()))
}

fn text<'a>(data: &'a Value, name: &str) -> &'a str {
    data[name].as_str().unwrap_or_default().trim()
}

fn wrong(message: &str) -> CallFailure {
    CallFailure::new(ErrorCode::BadRequest, message)
}

fn info() -> Value {
    json!({
        "server": "Pileup Buster WebSocket Server",
        "version": "1.0.0",
        "protocol_version": "1.0",
        "supported_operations": OPERATIONS,
        "features": {
            "authentication": true,
            "real_time_events": true,
            "queue_management": true,
            "qrz_integration": true,
            "heartbeat": true,
        },
    })
}
