//! QRZ.com's XML service: a login gives a key, and the key answers for callsigns until it ends.
//!
//! Whoever registers waits for it, and all others after that; so an answer has little time, what is known is
//! kept for a while, and where there was none, nobody is asked for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tidegate_shared::config::Secret;
use url::form_urlencoded::Serializer;

use super::xml::value;
use super::{Directory, Holder, Looking, Unknown};
use crate::HttpClient;
use crate::apps::pileup::callsign::Callsign;

const SERVICE: &str = "https://xmldata.qrz.com/xml/current/";
/// For one request, of which a look-up makes three at most.
const TIME: Duration = Duration::from_millis(1_500);
/// Largest answer, in bytes.
const SIZE: usize = 64 * 1024;
/// What is known counts for so long, and that nobody knows it.
const KNOWN: Duration = Duration::from_secs(3_600);
/// For so long after no answer nobody is asked.
const PAUSE: Duration = Duration::from_secs(30);
/// Most callsigns that are kept.
const KEPT: usize = 1_024;

pub(in crate::apps::pileup) struct Account {
    user: Box<str>,
    password: Secret,
    service: Box<str>,
    client: HttpClient,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    key: Option<String>,
    known: BTreeMap<String, (Instant, Result<Holder, Unknown>)>,
    paused_until: Option<Instant>,
}

/// Why a document has no callsign in it.
enum Trouble {
    /// The key has ended.
    Session,
    /// Nobody has the callsign.
    Nobody(Unknown),
    /// There was no answer that could be used.
    Silence(Unknown),
}

impl Account {
    /// `service`: somewhere else than QRZ.com, then at any address.
    pub(in crate::apps::pileup) fn new(user: &str, password: &Secret, service: Option<&str>) -> Self {
        Self {
            user: user.into(),
            password: password.clone(),
            service: service.unwrap_or(SERVICE).into(),
            client: HttpClient::new(service.is_some()).time(TIME).size(SIZE),
            memory: Mutex::default(),
        }
    }

    async fn find(&self, callsign: &str) -> Result<Holder, Unknown> {
        let now = Instant::now();
        if let Some(known) = self.memory.lock().recall(callsign, now) {
            return known;
        }
        let found = match self.ask(callsign).await {
            Ok(holder) => Ok(holder),
            Err(Trouble::Nobody(unknown)) => Err(unknown),
            Err(Trouble::Session) => {
                return Err(Unknown("QRZ.com ends each session at once".into()));
            }
            Err(Trouble::Silence(unknown)) => {
                self.memory.lock().paused_until = Some(Instant::now() + PAUSE);
                return Err(unknown);
            }
        };
        self.memory.lock().keep(callsign, found.clone(), now);
        found
    }

    /// With the key there is, or else, or if it has ended, with a new one.
    async fn ask(&self, callsign: &str) -> Result<Holder, Trouble> {
        let key = self.memory.lock().key.clone();
        if let Some(key) = key {
            match self.callsign(&key, callsign).await {
                Err(Trouble::Session) => {}
                answered => return answered,
            }
        }
        let key = self.log_in().await?;
        self.memory.lock().key = Some(key.clone());
        self.callsign(&key, callsign).await
    }

    async fn log_in(&self) -> Result<String, Trouble> {
        let agent = concat!("tidegate", env!("CARGO_PKG_VERSION"));
        let password = String::from_utf8_lossy(self.password.as_bytes());
        let fields = [
            ("username", &*self.user),
            ("password", &password),
            ("agent", agent),
        ];
        let document = self.get(&fields).await?;
        value(&document, "Session", "Key").ok_or_else(|| {
            let why = value(&document, "Session", "Error").unwrap_or_else(|| "no session key".into());
            Trouble::Silence(Unknown(format!("QRZ.com authentication failed: {why}")))
        })
    }

    async fn callsign(&self, key: &str, callsign: &str) -> Result<Holder, Trouble> {
        let document = self.get(&[("s", key), ("callsign", callsign)]).await?;
        let of = |name| value(&document, "Callsign", name);
        if of("call").is_some() {
            return Ok(Holder {
                name: joined([of("fname"), of("name")], " "),
                address: joined(
                    [of("addr1"), of("addr2"), of("state"), of("zip"), of("country")],
                    ", ",
                ),
                dxcc_name: of("land"),
                image: of("image"),
            });
        }
        Err(match value(&document, "Session", "Error") {
            // Without a key the session has ended, whatever it is called.
            Some(_) if value(&document, "Session", "Key").is_none() => Trouble::Session,
            Some(why) => Trouble::Nobody(Unknown(why)),
            None => Trouble::Silence(Unknown("QRZ.com answered something else".into())),
        })
    }

    async fn get(&self, fields: &[(&str, &str)]) -> Result<String, Trouble> {
        let query = Serializer::new(String::new()).extend_pairs(fields).finish();
        let answer = self.client.get(&format!("{}?{query}", self.service)).await;
        let bytes =
            answer.map_err(|error| Trouble::Silence(Unknown(format!("QRZ.com cannot be asked: {error}"))))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Directory for Account {
    fn look_up<'a>(&'a self, callsign: &'a Callsign) -> Looking<'a> {
        Box::pin(async move { self.find(callsign.as_str()).await })
    }
}

impl Memory {
    fn recall(&mut self, callsign: &str, now: Instant) -> Option<Result<Holder, Unknown>> {
        if let Some((until, found)) = self.known.get(callsign)
            && now < *until
        {
            return Some(found.clone());
        }
        self.paused_until
            .filter(|until| now < *until)
            .map(|_| Err(Unknown("QRZ.com did not answer a moment ago".into())))
    }

    fn keep(&mut self, callsign: &str, found: Result<Holder, Unknown>, now: Instant) {
        self.paused_until = None;
        if self.known.len() >= KEPT {
            self.known.retain(|_, (until, _)| now < *until);
        }
        if self.known.len() >= KEPT {
            self.known.pop_first();
        }
        self.known.insert(callsign.to_owned(), (now + KNOWN, found));
    }
}

fn joined<const N: usize>(parts: [Option<String>; N], between: &str) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(between))
}
