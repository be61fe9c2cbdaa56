//! Who the master of a service is, as its Sentinels see it. Keeps a connection to each that answers.

use std::collections::HashMap;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, FredResult};
use fred::types::{ClusterHash, CustomCommand, Value};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::address::{Address, Server};
use super::slots::View;
use super::topology::Blind;
use super::unit::Unit;

/// How long a Sentinel may take, connecting included.
const ANSWER: Duration = Duration::from_secs(2);

pub(super) struct Sentinels {
    address: Address,
    service: Box<str>,
    units: HashMap<Server, Unit>,
}

/// What one Sentinel said.
enum Told {
    Master(View),
    /// It does not watch this service.
    Stranger,
    /// It is no Sentinel.
    Other(String),
    Nothing(String),
}

impl Sentinels {
    pub(super) fn new(address: Address, service: Box<str>) -> Self {
        Self {
            address,
            service,
            units: HashMap::new(),
        }
    }

    /// The word of the Sentinel that saw the last failover.
    pub(super) async fn look(&mut self) -> Result<View, Blind> {
        let mut units = std::mem::take(&mut self.units);
        let this = &*self;
        let asked = this.address.servers.iter().map(|server| {
            let unit = units.remove(server);
            async move { (server, this.ask(server, unit).await) }
        });
        let all = join_all(asked).await;
        let mut best: Option<View> = None;
        let (mut strangers, mut why) = (0, String::new());
        let mut kept = HashMap::new();
        for (server, (told, unit)) in all {
            kept.extend(unit.map(|unit| (server.clone(), unit)));
            match told {
                Told::Master(view) => {
                    if best.as_ref().is_none_or(|best| best.epoch < view.epoch) {
                        best = Some(view);
                    }
                }
                Told::Stranger => strangers += 1,
                Told::Other(what) => return Err(Blind::Ever(what)),
                Told::Nothing(what) => why = what,
            }
        }
        self.units = kept;
        match best {
            Some(view) => Ok(view),
            None if strangers == self.address.servers.len() => Err(Blind::Ever(format!(
                "no Sentinel knows a service {:?}: write the name of SENTINEL MONITOR behind the hosts",
                self.service
            ))),
            None => Err(Blind::Now(why)),
        }
    }

    async fn ask(&self, server: &Server, unit: Option<Unit>) -> (Told, Option<Unit>) {
        let asking = async {
            let unit = match unit {
                Some(unit) if !unit.lost().is_cancelled() => unit,
                _ => self.connect(server).await?,
            };
            let told = self.ask_on(unit.first(), server).await?;
            FredResult::Ok((told, unit))
        };
        match timeout(ANSWER, asking).await {
            Ok(Ok((told, unit))) => (told, Some(unit)),
            Ok(Err(error)) if error.details().contains("unknown command") => {
                let what = format!("{server} is no Sentinel: write redis://host:port for a Redis");
                (Told::Other(what), None)
            }
            Ok(Err(error)) => (Told::Nothing(error.details().to_owned()), None),
            Err(_) => (Told::Nothing(format!("{server} did not answer in time")), None),
        }
    }

    /// With the password of the servers, or without if the Sentinel does not take it.
    async fn connect(&self, server: &Server) -> FredResult<Unit> {
        let with = Unit::connect(&self.address.sentinel(server, true), 1).await;
        match with {
            Err(error) if self.address.has_password() && is_about_password(error.details()) => {
                Unit::connect(&self.address.sentinel(server, false), 1).await
            }
            made => made,
        }
    }

    async fn ask_on(&self, client: &Client, server: &Server) -> FredResult<Told> {
        let master = match self.sentinel(client, "MASTER").await {
            Err(error) if error.details().contains("No such master") => return Ok(Told::Stranger),
            answer => answer?,
        };
        let fields: HashMap<String, String> = master.convert()?;
        let epoch = fields.get("config-epoch").and_then(|epoch| epoch.parse().ok());
        // After a promotion this is the new one, a little earlier than in the answer before.
        let place = self
            .sentinel(client, "GET-MASTER-ADDR-BY-NAME")
            .await?
            .into_array();
        let word = |at: usize| place.get(at).and_then(Value::as_string);
        let port = word(1).and_then(|port| port.parse().ok());
        Ok(match (word(0), port) {
            (Some(host), Some(port)) => {
                let host = host.into();
                Told::Master(View::alone(Server { host, port }, epoch.unwrap_or(0)))
            }
            _ => Told::Nothing(format!("{server} names no master")),
        })
    }

    async fn sentinel(&self, client: &Client, what: &str) -> FredResult<Value> {
        let command = CustomCommand::new_static("SENTINEL", ClusterHash::Random, false);
        client
            .custom(command, vec![what.to_owned(), self.service.to_string()])
            .await
    }
}

fn is_about_password(why: &str) -> bool {
    ["WRONGPASS", "NOAUTH", "AUTH", "password"]
        .iter()
        .any(|word| why.contains(word))
}
