//! What is known of a callsign's holder.

mod account;
#[cfg(test)]
mod tests;
mod xml;

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde_json::{Value, json};
use tidegate_shared::config::Qrz as Settings;

use super::callsign::Callsign;
pub(super) use account::Account;

/// What a directory has of a callsign.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Holder {
    pub(super) name: Option<String>,
    pub(super) address: Option<String>,
    pub(super) dxcc_name: Option<String>,
    /// Where a picture is.
    pub(super) image: Option<String>,
}

/// Where callsigns are looked up. Never fails: why nothing is known is told instead.
pub(super) trait Directory: Send + Sync + 'static {
    fn look_up<'a>(&'a self, callsign: &'a Callsign) -> Looking<'a>;
}

pub(super) type Looking<'a> = Pin<Box<dyn Future<Output = Result<Holder, Unknown>> + Send + 'a>>;

/// Why nothing is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown(pub(super) String);

/// Nobody is asked.
#[derive(Debug)]
pub(super) struct Nobody;

impl Directory for Nobody {
    fn look_up<'a>(&'a self, _: &'a Callsign) -> Looking<'a> {
        let unknown = Unknown("QRZ.com credentials not configured".into());
        Box::pin(std::future::ready(Err(unknown)))
    }
}

/// QRZ.com, if there is an account.
pub(super) fn directory(settings: &Settings) -> Box<dyn Directory> {
    match (&settings.username, &settings.password) {
        (Some(user), Some(password)) => Box::new(Account::new(user, password, settings.url.as_deref())),
        _ => Box::new(Nobody),
    }
}

/// As clients know it. There is a field for a picture only where there was somebody to ask.
pub(super) fn shown(callsign: &Callsign, found: &Result<Holder, Unknown>) -> Value {
    match found {
        Ok(holder) => json!({
            "callsign": callsign,
            "name": holder.name,
            "address": holder.address,
            "dxcc_name": holder.dxcc_name,
            "image": holder.image,
            "error": null,
        }),
        Err(Unknown(why)) => json!({
            "callsign": callsign,
            "name": null,
            "address": null,
            "dxcc_name": null,
            "error": why,
        }),
    }
}
