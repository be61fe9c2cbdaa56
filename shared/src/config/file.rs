//! The configuration file, section by section: every key that this version knows, its type and its
//! bounds. Keys of later versions are in `not_yet.rs`.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeTable;

use super::app;
use super::auth;
use super::builtin;
use super::endpoint;
use super::limits::{self, Limits};
use super::mistake::Wrong;
use super::network;
use super::queues;
use super::reader::Reader;
use super::schedules;
use super::section::Section;
use super::served;
use super::tls;
use super::value;
use super::{Config, Connection, Drain, Gateway, Jobs, LogFormat, Redis, Telemetry, Worker};
use crate::job::QueuePolicy;
use crate::namespace::{Access, Namespace, Namespaces, SlowPolicy, TopicKind};
use crate::topic::Topic;

pub(super) const MIB: u64 = 1 << 20;

pub(super) const MILLIS_100: Duration = Duration::from_millis(100);

pub(super) const fn seconds(first: u64, last: u64) -> RangeInclusive<Duration> {
    Duration::from_secs(first)..=Duration::from_secs(last)
}

pub(super) fn keep<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// Puts what the document says over what `config` holds.
pub(super) fn read<'d>(
    reader: &mut Reader<'_>,
    document: &'d DeTable<'d>,
    environment: &dyn Fn(&str) -> Option<String>,
    config: &mut Config,
) {
    reader.document(document, |root| {
        root.table("redis", |section| redis(section, &mut config.redis));
        root.table("gateway", |section| gateway(section, &mut config.gateway));
        root.table("limits", |section| limits::read(section, &mut config.limits));
        root.table("sse", |section| {
            keep(
                &mut config.sse.heartbeat,
                section.time("heartbeat", &(MILLIS_100..=Duration::from_secs(3600))),
            );
        });
        root.table("connection", |section| {
            connection(section, &mut config.connection);
        });
        root.table("drain", |section| drain(section, &mut config.drain));
        let mut anonymous = false;
        root.table("auth", |section| {
            auth::read(section, environment, &mut config.auth);
            keep(&mut anonymous, section.flag("anonymous"));
        });
        config.namespaces = namespaces(root, config.namespaces.default_namespace(), &config.limits);
        endpoint::read(root, anonymous, &mut config.endpoints);
        let mut policy = QueuePolicy::default();
        root.table("worker", |section| {
            worker(section, &mut config.worker);
            queues::all(section, &mut policy);
        });
        let queues = queues::named(root, &policy);
        config.namespaces = std::mem::take(&mut config.namespaces).with_queues(queues);
        config.schedules = schedules::read(root);
        root.table("telemetry", |section| telemetry(section, &mut config.telemetry));
        root.table("jobs", |section| jobs(section, &mut config.jobs));
    });
}

fn redis(section: &mut Section<'_, '_, '_>, redis: &mut Redis) {
    keep(&mut redis.url, section.text("url", value::redis_url));
    keep(&mut redis.prefix, section.text("prefix", value::prefix));
    keep(&mut redis.ca, section.text("ca", tls::file));
    let cert = section.text("client_cert", tls::file).flatten();
    let key = section.text("client_key", tls::file).flatten();
    redis.client = tls::pair(section, ("client_cert", cert), ("client_key", key));
}

fn gateway(section: &mut Section<'_, '_, '_>, gateway: &mut Gateway) {
    keep(&mut gateway.listen, section.text("listen", value::address));
    keep(
        &mut gateway.admin_listen,
        section.text("admin_listen", value::address),
    );
    if let Some(advertise) = section.text("advertise", value::advertise) {
        gateway.advertise = advertise;
    }
    keep(
        &mut gateway.allowed_origins,
        section.list("allowed_origins", value::origin),
    );
    keep(
        &mut gateway.trusted_proxies,
        section.list("trusted_proxies", network::network),
    );
    section.table("gateway.tls", |section| tls::read(section, &mut gateway.tls));
    section.table("gateway.peers", |section| tls::peers(section, &mut gateway.peers));
    section.table("gateway.admin_tls", |section| {
        tls::read(section, &mut gateway.admin_tls);
    });
}

fn connection(section: &mut Section<'_, '_, '_>, connection: &mut Connection) {
    keep(
        &mut connection.max_age,
        section.time("max_age", &seconds(0, 30 * 86_400)),
    );
}

fn drain(section: &mut Section<'_, '_, '_>, drain: &mut Drain) {
    keep(&mut drain.grace, section.time("grace", &seconds(0, 3600)));
    keep(&mut drain.max, section.time("max", &seconds(0, 86_400)));
    keep(&mut drain.min_rate, section.number("min_rate", &(1..=1_000_000)));
}

/// `default` first, wherever it stands: the others take from it what they don't set.
fn namespaces(root: &mut Section<'_, '_, '_>, default: &Namespace, limits: &Limits) -> Namespaces {
    let mut default = Namespace {
        max_data: limits.data,
        ..default.clone()
    };
    root.quietly("namespace", |section| {
        if section.text("name", value::namespace).as_deref() == Some(Topic::DEFAULT_NAMESPACE) {
            default = namespace(section, default.clone(), limits);
        }
    });
    let mut others: Vec<Namespace> = Vec::new();
    let mut defaults = 0;
    root.each("namespace", |section| {
        let name = section.required("name", value::namespace);
        let place = section.place_of("name");
        let mut read = namespace(section, default.clone(), limits);
        let Some(name) = name else { return };
        let is_default = &*name == Topic::DEFAULT_NAMESPACE;
        if (is_default && defaults > 0) || others.iter().any(|other| other.name == name) {
            let wrong = Wrong::new(
                format!("the namespace `{name}` comes twice"),
                "put all its keys into one section",
            );
            section.wrong("name", place, wrong);
        } else if is_default {
            defaults += 1;
        } else {
            read.name = name;
            others.push(read);
        }
    });
    // Whoever says what the endpoints are says what their topics are, too.
    if !root.has("endpoint") {
        let named: Vec<Box<str>> = others.iter().map(|one| one.name.clone()).collect();
        others.extend(Namespaces::built_in(&default).filter(|one| !named.contains(&one.name)));
    }
    Namespaces::new(default, others)
}

fn namespace(section: &mut Section<'_, '_, '_>, mut namespace: Namespace, limits: &Limits) -> Namespace {
    let access = Access::ALL.map(|one| (one.name(), one));
    let kinds = [
        ("plain", TopicKind::Plain),
        ("state", TopicKind::State),
        ("bare", TopicKind::Bare),
    ];
    keep(&mut namespace.kind, section.choice("kind", &kinds));
    let log_size = section.number("log_size", &(0..=100_000));
    if namespace.kind == TopicKind::Bare && log_size.is_some_and(|size| size > 0) {
        let wrong = Wrong::new(
            "topics of the kind \"bare\" have no log",
            "remove it, or set the kind to \"plain\"",
        );
        section.wrong("log_size", section.place_of("log_size"), wrong);
    }
    keep(&mut namespace.log_size, log_size);
    keep(
        &mut namespace.key_ttl,
        section.time("key_ttl", &seconds(0, 366 * 24 * 3600)),
    );
    keep(
        &mut namespace.max_keys,
        section.number("max_keys", &(1..=1_000_000)),
    );
    keep(
        &mut namespace.log_ttl,
        section.time("log_ttl", &seconds(1, 30 * 86_400)),
    );
    keep(&mut namespace.presence, section.flag("presence"));
    keep(&mut namespace.join_leave, section.flag("join_leave"));
    if section.has("join_leave") && namespace.join_leave {
        check_join_leave(section, namespace.presence, namespace.kind);
    }
    let slow = [
        ("close", SlowPolicy::Close),
        ("latest", SlowPolicy::Latest),
        ("catch-up", SlowPolicy::CatchUp),
    ];
    keep(&mut namespace.slow, section.choice("slow", &slow));
    if section.has("slow") && namespace.slow == SlowPolicy::CatchUp && !namespace.has_log() {
        let wrong = Wrong::new(
            "slow clients can only catch up where there is a log",
            "set `slow` to \"latest\" or \"close\", or `log_size` to more than 0",
        );
        section.wrong("slow", section.place_of("slow"), wrong);
    }
    keep(&mut namespace.max_data, section.size("max_data", &(1..=64 * MIB)));
    if section.has("max_data") {
        limits::check_outbox(section, "max_data", namespace.max_data, limits.outbox);
    }
    keep(
        &mut namespace.publishes_per_second,
        section.number("publishes_per_second", &(0..=1_000_000)),
    );
    keep(&mut namespace.subscribe, section.choice("subscribe", &access));
    keep(&mut namespace.publish, section.choice("publish", &access));
    keep(&mut namespace.set, section.choice("set", &access));
    keep(&mut namespace.history, section.choice("history", &access));
    keep(
        &mut namespace.see_presence,
        section.choice("see_presence", &access),
    );
    namespace
}

fn check_join_leave(section: &mut Section<'_, '_, '_>, presence: bool, kind: TopicKind) {
    let (reason, remedy) = if kind == TopicKind::Bare {
        (
            "on topics of the kind \"bare\" nothing but data is sent",
            "remove it",
        )
    } else if presence {
        return;
    } else {
        (
            "nobody comes or goes where no presence is kept",
            "set `presence = true`, too",
        )
    };
    section.wrong(
        "join_leave",
        section.place_of("join_leave"),
        Wrong::new(reason, remedy),
    );
}

fn worker(section: &mut Section<'_, '_, '_>, worker: &mut Worker) {
    if let Some(queues) = section.sequence("queues", served::one) {
        if let Err(wrong) = served::some_queues(&queues) {
            section.wrong("queues", section.place_of("queues"), wrong);
        }
        worker.queues = queues;
    }
    keep(
        &mut worker.concurrency,
        section.number("concurrency", &value::CONCURRENCY),
    );
    keep(&mut worker.lease, section.time("lease", &seconds(1, 3600)));
    keep(&mut worker.max_stalls, section.number("max_stalls", &(1..=1_000)));
    keep(&mut worker.apps, section.list("apps", app::one));
    keep(
        &mut worker.backup_roots,
        section.list("backup_roots", value::directory),
    );
    keep(
        &mut worker.admin_listen,
        section.text("admin_listen", value::address),
    );
    section.table("worker.admin_tls", |section| {
        tls::read(section, &mut worker.admin_tls);
    });
    section.table("worker.webhook", |section| {
        builtin::webhook(section, &mut worker.webhook);
    });
    section.each("worker.command", |section| {
        builtin::command(section, &mut worker.commands);
    });
}

fn jobs(section: &mut Section<'_, '_, '_>, jobs: &mut Jobs) {
    let access = Access::ALL.map(|one| (one.name(), one));
    keep(&mut jobs.submit, section.choice("submit", &access));
    keep(&mut jobs.follow, section.choice("follow", &access));
    keep(&mut jobs.cancel, section.choice("cancel", &access));
    keep(&mut jobs.call, section.choice("call", &access));
}

fn telemetry(section: &mut Section<'_, '_, '_>, telemetry: &mut Telemetry) {
    keep(&mut telemetry.log, section.text("log", value::log_filter));
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    keep(&mut telemetry.log_format, section.choice("log_format", &formats));
    keep(
        &mut telemetry.otlp_endpoint,
        section.text("otlp_endpoint", value::web_address),
    );
}
