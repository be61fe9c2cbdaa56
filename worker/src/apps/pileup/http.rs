//! The routes over HTTP, on the same station as the operations.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer;
use super::change::{Change, Dial, find};
use super::page;
use super::refusal::Refusal;
use super::shack::Shack;
use super::station::{Station, now};
use crate::{CallContext, CallFailure, HttpAnswer, HttpRequest};

type Done = Result<HttpAnswer, CallFailure>;

/// Longest text that a frequency is.
const TEXT: usize = 100;

#[derive(Deserialize)]
struct Sign {
    callsign: String,
}

#[derive(Deserialize)]
struct Frequency {
    frequency: String,
}

#[derive(Deserialize)]
struct Split {
    split: String,
}

#[derive(Deserialize)]
struct Active {
    active: bool,
}

#[derive(Serialize, Deserialize)]
struct Logger {
    enabled: bool,
}

pub(super) async fn answer(station: &Station, request: &HttpRequest, context: &CallContext) -> Done {
    let parts = request.parts();
    let method = request.method.as_str();
    match parts.as_slice() {
        ["api", "admin", rest @ ..] => match refuse(station, request, context) {
            Some(refused) => Ok(refused),
            None if changes(method) => operate(station, (method, rest), request, context).await,
            None => Ok(look_as_operator(&station.load(context).await?, rest)),
        },
        ["api", "queue", "register"] if method == "POST" => register(station, request, context).await,
        _ if method == "GET" => Ok(look(station, &station.load(context).await?, &parts)),
        _ => Ok(nothing(&parts)),
    }
}

fn changes(method: &str) -> bool {
    matches!(method, "POST" | "DELETE")
}

/// For who is not the operator.
fn refuse(station: &Station, request: &HttpRequest, context: &CallContext) -> Option<HttpAnswer> {
    if station.is_operator(context.user()) {
        return None;
    }
    if station.settings.admin.is_none() {
        return Some(told(503, "Admin authentication not configured"));
    }
    let why = match request.headers.get("authorization") {
        Some(_) => "Invalid admin credentials",
        None => "Not authenticated",
    };
    Some(told(401, why).header("www-authenticate", "Basic"))
}

/// What anybody may see.
fn look(station: &Station, shack: &Shack, parts: &[&str]) -> HttpAnswer {
    match parts {
        ["status"] => page::status(shack, station.max_size()),
        ["api", "public", "status.js"] => page::script(),
        ["api", "public", "status"] => ok(&json!({ "active": shack.active })),
        ["api", "public", "frequency"] => ok(&shack.frequency.shown("frequency")),
        ["api", "public", "split"] => ok(&shack.split.shown("split")),
        ["api", "queue", "list" | "status"] => ok(&shack.listed(station.max_size())),
        ["api", "queue", "status", _] if !shack.active => refused(Refusal::Inactive, station),
        ["api", "queue", "status", callsign] => match find(shack, callsign) {
            Ok(place) => ok(&shack.entry(place)),
            Err(refusal) => refused(refusal, station),
        },
        ["api", "queue", "current"] if shack.active => ok(&shack.worked()),
        ["api", "queue", "current"] => ok(&Value::Null),
        other => nothing(other),
    }
}

/// What the operator may see as well.
fn look_as_operator(shack: &Shack, rest: &[&str]) -> HttpAnswer {
    match rest {
        ["queue"] => ok(&answer::queue(shack)),
        ["status"] => ok(&shack.full_status()),
        ["current"] => ok(&shack.worked()),
        ["logger-integration"] => ok(&Logger {
            enabled: shack.logger,
        }),
        _ => told(404, "Not Found"),
    }
}

async fn register(station: &Station, request: &HttpRequest, context: &CallContext) -> Done {
    let Sign { callsign } = match read(request, "callsign") {
        Ok(sign) => sign,
        Err(wrong) => return Ok(wrong),
    };
    let shack = station.load(context).await?;
    Ok(match station.register(shack, &callsign, context).await? {
        Ok(shack) => ok(&answer::registered(&shack)),
        Err(refusal) => refused(refusal, station),
    })
}

/// What the operator does.
async fn operate(
    station: &Station,
    (method, rest): (&str, &[&str]),
    request: &HttpRequest,
    context: &CallContext,
) -> Done {
    let shack = station.load(context).await?;
    let most = station.max_size();
    match (method, rest) {
        ("DELETE", ["queue", callsign]) => {
            let place = match find(&shack, callsign) {
                Ok(place) => place,
                Err(refusal) => return Ok(refused(refusal, station)),
            };
            let removed = shack.entry(place);
            station
                .commit(Change::remove(shack, place, most), context)
                .await?;
            Ok(ok(&answer::removed(&removed)))
        }
        ("POST", ["queue", "clear"]) => {
            let count = shack.queue.len();
            station.commit(Change::clear(shack, most), context).await?;
            let message = format!("Queue cleared. Removed {count} entries.");
            Ok(ok(&json!({ "message": message, "cleared_count": count })))
        }
        ("POST", ["queue", "next"]) => {
            let shack = station.commit(Change::next(shack, now(), most), context).await?;
            Ok(ok(&shack.worked()))
        }
        ("POST", ["qso", "complete"]) => {
            let worked = shack.worked();
            station.commit(Change::complete(shack), context).await?;
            Ok(ok(&answer::completed(&worked)))
        }
        ("POST", ["frequency"]) => match read::<Frequency>(request, "frequency") {
            Ok(Frequency { frequency }) => {
                tune(station, shack, Dial::Frequency, Some(&frequency), context).await
            }
            Err(wrong) => Ok(wrong),
        },
        ("DELETE", ["frequency"]) => tune(station, shack, Dial::Frequency, None, context).await,
        ("POST", ["split"]) => match read::<Split>(request, "split") {
            Ok(Split { split }) => tune(station, shack, Dial::Split, Some(&split), context).await,
            Err(wrong) => Ok(wrong),
        },
        ("DELETE", ["split"]) => tune(station, shack, Dial::Split, None, context).await,
        ("POST", ["status"]) => match read::<Active>(request, "active") {
            Ok(Active { active }) => switch(station, shack, active, context).await,
            Err(wrong) => Ok(wrong),
        },
        ("POST", ["logger-integration"]) => match read::<Logger>(request, "enabled") {
            Ok(logger) => {
                station
                    .commit(Change::log(shack, logger.enabled), context)
                    .await?;
                Ok(ok(&logger))
            }
            Err(wrong) => Ok(wrong),
        },
        _ => Ok(told(404, "Not Found")),
    }
}

async fn switch(station: &Station, shack: Shack, active: bool, context: &CallContext) -> Done {
    let by = answer::operator(context.user());
    let change = Change::switch_telling_all(shack, active, by, now(), station.max_size());
    let shack = station.commit(change, context).await?;
    Ok(ok(
        &json!({ "message": answer::switched(active), "status": shack.full_status() }),
    ))
}

async fn tune(
    station: &Station,
    shack: Shack,
    dial: Dial,
    value: Option<&str>,
    context: &CallContext,
) -> Done {
    let value = value.map(str::trim);
    if value.is_some_and(|value| value.is_empty() || value.len() > TEXT) {
        return Ok(told(400, "This is not a frequency"));
    }
    let change = Change::tune(shack, dial, value.map(str::to_owned), now());
    station.commit(change, context).await?;
    Ok(ok(&answer::tuned(dial, value)))
}

/// The body, which needs this field.
fn read<T: DeserializeOwned>(request: &HttpRequest, field: &str) -> Result<T, HttpAnswer> {
    request.json().map_err(|_| {
        let detail = json!([{
            "type": "value_error",
            "loc": ["body", field],
            "msg": format!("A JSON object with the field '{field}' is needed"),
        }]);
        HttpAnswer::json(422, &json!({ "detail": detail }))
    })
}

fn ok<T: Serialize + ?Sized>(body: &T) -> HttpAnswer {
    HttpAnswer::json(200, body)
}

fn told(status: u16, why: &str) -> HttpAnswer {
    HttpAnswer::json(status, &json!({ "detail": why }))
}

fn refused(refusal: Refusal, station: &Station) -> HttpAnswer {
    match refusal {
        Refusal::Full => {
            let most = station.max_size();
            told(
                refusal.status(),
                &format!("Queue is full. Maximum queue size is {most}"),
            )
        }
        refusal => told(refusal.status(), &refusal.to_string()),
    }
}

fn nothing(parts: &[&str]) -> HttpAnswer {
    const KNOWN: [&[&str]; 7] = [
        &["status"],
        &["api", "public", "status"],
        &["api", "public", "frequency"],
        &["api", "public", "split"],
        &["api", "queue", "list"],
        &["api", "queue", "current"],
        &["api", "queue", "register"],
    ];
    if KNOWN.contains(&parts) {
        told(405, "Method Not Allowed")
    } else {
        told(404, "Not Found")
    }
}
