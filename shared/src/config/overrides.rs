//! What comes before the file: flags, and under them environment variables. A bad value is reported with
//! the name of the flag or variable it came from.

use std::net::SocketAddr;

use super::Config;
use super::auth::{self, Secret};
use super::builtin;
use super::mistake::{Mistake, Place, Wrong};
use super::pileup;
use super::served;
use super::value;

/// Values of the command line flags that gateway, worker and `tidegate` share, as they were typed. They
/// are checked with the file. Leave the environment to [`Config::load`]: a flag that clap filled from a
/// variable would be blamed for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--listen`
    pub listen: Option<String>,
    /// `--admin-listen`
    pub admin_listen: Option<String>,
    /// `--redis-url`
    pub redis_url: Option<String>,
    /// `--queues`, separated by commas
    pub queues: Option<String>,
    /// `--concurrency`
    pub concurrency: Option<String>,
    /// `--log`
    pub log: Option<String>,
    /// What `gateway.listen` is where nothing sets it: `tidegate dev` listens on loopback only.
    pub default_listen: Option<SocketAddr>,
    /// What nothing sets is open to anyone, as in `tidegate dev`.
    pub open: bool,
}

/// Puts environment and flags over the file.
pub(super) fn apply(
    config: &mut Config,
    environment: &dyn Fn(&str) -> Option<String>,
    flags: Overrides,
) -> Vec<Mistake> {
    let mut over = Over {
        environment,
        mistakes: Vec::new(),
    };
    over.put("TIDEGATE_LISTEN", "--listen", flags.listen, |text| {
        value::address(text).map(|address| config.gateway.listen = address)
    });
    over.put(
        "TIDEGATE_ADMIN_LISTEN",
        "--admin-listen",
        flags.admin_listen,
        |text| {
            value::address(text).map(|address| {
                config.gateway.admin_listen = address;
                config.worker.admin_listen = address;
            })
        },
    );
    over.put("TIDEGATE_REDIS_URL", "--redis-url", flags.redis_url, |text| {
        value::redis_url(text).map(|url| config.redis.url = url)
    });
    over.put("TIDEGATE_QUEUES", "--queues", flags.queues, |text| {
        served::queues(text).map(|queues| config.worker.queues = queues)
    });
    over.put(
        "TIDEGATE_CONCURRENCY",
        "--concurrency",
        flags.concurrency,
        |text| value::concurrency(text).map(|concurrency| config.worker.concurrency = concurrency),
    );
    over.put("TIDEGATE_LOG", "--log", flags.log, |text| {
        value::log_filter(text).map(|log| config.telemetry.log = log)
    });
    // One key more, beside those of the file: a secret of the environment has no place in it.
    over.put("TIDEGATE_API_KEY", "", None, |text| {
        let key = value::api_key_or_hash(text);
        if !config.auth.api_keys.contains(&key) {
            config.auth.api_keys.push(key);
        }
        Ok(())
    });
    over.put("TIDEGATE_TOKEN_SECRET", "", None, |text| {
        let secret = auth::secret(text)?;
        config.auth.jwt.get_or_insert_default().secret = Some(secret);
        Ok(())
    });
    over.put("TIDEGATE_WEBHOOK_SECRET", "", None, |text| {
        config.worker.webhook.secret = Some(builtin::secret(text)?);
        Ok(())
    });
    over.put("ADMIN_USERNAME", "", None, |text| pileup::admin(text, config));
    over.put("ADMIN_PASSWORD", "", None, |text| {
        pileup::admin_password(text, config);
        Ok(())
    });
    over.put("MAX_QUEUE_SIZE", "", None, |text| {
        pileup::max_queue_size(text, config)
    });
    over.put("WEBSOCKET_MAX_CONNECTIONS", "", None, |text| {
        pileup::max_connections(text, config)
    });
    over.put("WEBSOCKET_HEARTBEAT_INTERVAL", "", None, |text| {
        pileup::heartbeat(text, config)
    });
    over.put("QRZ_USERNAME", "", None, |text| {
        config.worker.pileup.qrz.username = Some(text.into());
        Ok(())
    });
    over.put("QRZ_PASSWORD", "", None, |text| {
        config.worker.pileup.qrz.password = Some(Secret::new(text));
        Ok(())
    });
    over.put("QRZ_URL", "", None, |text| {
        config.worker.pileup.qrz.url = Some(text.into());
        Ok(())
    });
    over.mistakes
}

struct Over<'e> {
    environment: &'e dyn Fn(&str) -> Option<String>,
    mistakes: Vec<Mistake>,
}

impl Over<'_> {
    /// Hands the flag's value to `take`, or else the variable's. An empty variable is one that is not
    /// set: that is how compose files and charts leave one out.
    fn put(
        &mut self,
        variable: &'static str,
        flag: &'static str,
        value: Option<String>,
        take: impl FnOnce(&str) -> Result<(), Wrong>,
    ) {
        let (text, place) = match value {
            Some(text) => (text, Place::Flag(flag)),
            None => match (self.environment)(variable).filter(|text| !text.is_empty()) {
                Some(text) => (text, Place::Environment(variable)),
                None => return,
            },
        };
        if let Err(wrong) = take(&text) {
            self.mistakes.push(Mistake {
                place,
                key: String::new(),
                what: wrong.what,
                help: wrong.help,
            });
        }
    }
}
