use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::job::MAX_ATTEMPTS_DEFAULT;
use crate::namespace::{Namespace, SlowPolicy, TopicKind};
use crate::topic::Topic;

fn errors(text: &str) -> String {
    Config::parse("tidegate.toml", text)
        .expect_err("this text is wrong")
        .to_string()
}

fn load(variables: &[(&str, &str)], flags: Overrides) -> Result<Config, ConfigErrors> {
    let environment = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Config::load(None, &environment, flags)
}

fn namespace_of(config: &Config, topic: &str) -> Namespace {
    let topic = Topic::parse(topic).expect("valid");
    config.namespaces.of(&topic).as_ref().clone()
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let config = Config::parse("tidegate.toml", "").expect("nothing is wrong");
    let default = Config::default();
    assert_eq!(config.limits, default.limits);
    assert_eq!(config.gateway, default.gateway);
    assert_eq!(config.worker, default.worker);
    assert_eq!(config.endpoints, default.endpoints);
}

#[test]
fn every_key_of_this_version_is_taken_over() {
    let text = include_str!("this-version.toml");
    let config = Config::parse("this-version.toml", text).expect("all of it is available");
    assert_eq!(config.redis.url, "redis://:secret@cache.internal:6380/2");
    assert!(
        !format!("{config:?}").contains("secret@"),
        "a debug print may end in a log"
    );
    insta::assert_debug_snapshot!((
        &config.redis,
        &config.gateway,
        &config.limits,
        &config.connection,
        &config.drain,
        &config.auth,
        &config.endpoints,
        &config.worker,
        &config.telemetry,
        &config.jobs,
    ));
    let (chat, raw, plain) = (
        namespace_of(&config, "chat:1"),
        namespace_of(&config, "raw:1"),
        namespace_of(&config, "anything"),
    );
    assert_eq!((plain.log_size, plain.log_ttl), (50, Duration::from_secs(60)));
    assert_eq!(
        (chat.log_size, chat.log_ttl),
        (7, Duration::from_secs(60)),
        "not set: as `default`"
    );
    assert_eq!(
        (chat.max_data, plain.max_data),
        (1024, 32 * 1024),
        "not set: `limits.data`"
    );
    assert_eq!((chat.slow, plain.slow), (SlowPolicy::CatchUp, SlowPolicy::Latest));
    let (mail, other) = (
        config.namespaces.queues().of("mail"),
        config.namespaces.queues().of("other"),
    );
    assert_eq!((mail.max_attempts, other.max_attempts), (7, MAX_ATTEMPTS_DEFAULT));
    assert_eq!(mail.retention, Duration::from_secs(86_400));
    assert_eq!((mail.max_running, other.max_running), (4, 0));
    let rate = mail.rate.map(|rate| (rate.limit, rate.period));
    assert_eq!((rate, other.rate), (Some((100, Duration::from_secs(1))), None));
    for policy in [mail, other] {
        assert_eq!(policy.retry_base, Duration::from_millis(250));
        assert_eq!(policy.cancel_grace, Duration::from_secs(3));
    }
    assert_eq!(raw.kind, TopicKind::Bare);
    assert!(!raw.has_log());
    assert!(config.check_gateway().is_ok());
}

#[test]
fn slow_clients_can_only_catch_up_where_there_is_a_log() {
    let wrong = errors("[[namespace]]\nname = \"a\"\nlog_size = 0\nslow = \"catch-up\"\n");
    assert!(
        wrong.contains(":4: ") && wrong.contains("there is a log"),
        "{wrong}"
    );
}

#[test]
fn every_key_of_the_complete_file_is_known() {
    let read = Config::parse("complete.toml", include_str!("complete.toml"));
    assert_eq!(read.map(drop), Ok(()));
}

#[test]
fn a_queue_has_one_section() {
    let wrong = errors("[[queue]]\nname = \"a\"\n[[queue]]\nname = \"a\"\nmax_attempts = 0\n");
    assert!(wrong.contains(":4: ") && wrong.contains("comes twice"), "{wrong}");
    assert!(wrong.contains(":5: "), "{wrong}");
}

#[test]
fn each_mistake_is_told_with_line_key_and_remedy() {
    insta::assert_snapshot!(errors(include_str!("wrong.toml")));
}

#[test]
fn broken_toml_is_told_with_its_line() {
    insta::assert_snapshot!(errors("[redis]\nprefix = \"tg\"\n\n[gateway\nlisten = 8080\n"));
}

#[test]
fn a_value_that_means_this_version_anyway_is_accepted() {
    let text = "
        [gateway]
        advertise = \"\"
        trusted_proxies = []
        [limits]
        connections_per_user = 0
        idle_timeout = \"0s\"
        [connection]
        max_age = \"0s\"
        [[namespace]]
        name = \"default\"
        presence = false
        key_ttl = \"0s\"
        publish = \"anyone\"
        [jobs]
        submit = \"anyone\"
        [telemetry]
        otlp_endpoint = \"\"
    ";
    assert_eq!(Config::parse("tidegate.toml", text).map(drop), Ok(()));
}

#[test]
fn the_default_namespace_counts_for_those_written_before_it() {
    let text = "
        [[namespace]]
        name = \"chat\"
        [[namespace]]
        name = \"default\"
        log_size = 3
    ";
    let config = Config::parse("tidegate.toml", text).expect("fine");
    assert_eq!(namespace_of(&config, "chat:1").log_size, 3);
}

#[test]
fn anonymous_of_auth_counts_where_an_endpoint_says_nothing() {
    let anonymous = |text: &str| {
        let config = Config::parse("tidegate.toml", text).expect("fine");
        config
            .endpoints
            .iter()
            .map(|one| one.anonymous)
            .collect::<Vec<_>>()
    };
    assert!(anonymous("[auth]\nanonymous = true").iter().all(|one| *one));
    let own = "[auth]\nanonymous = true\n[[endpoint]]\npath = \"/a\"\n[[endpoint]]\npath = \"/b\"\nanonymous = false";
    assert_eq!(anonymous(own), [true, false]);
}

#[test]
fn what_nothing_sets_is_closed_unless_it_is_to_be_open() {
    let text = "[[namespace]]\nname = \"chat\"\npublish = \"owner\"\n[jobs]\ncancel = \"nobody\"\n";
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tidegate.toml");
    std::fs::write(&path, text).expect("written");
    let load = |open| {
        let flags = Overrides {
            open,
            ..Overrides::default()
        };
        Config::load(Some(&path), &|_| None, flags).expect("fine")
    };
    for (open, subscribe, submit) in [
        (false, Access::Users, Access::Users),
        (true, Access::Anyone, Access::Anyone),
    ] {
        let config = load(open);
        let chat = namespace_of(&config, "chat:1");
        assert_eq!((chat.subscribe, chat.publish), (subscribe, Access::Owner));
        assert_eq!(namespace_of(&config, "a").subscribe, subscribe);
        assert_eq!((config.jobs.submit, config.jobs.cancel), (submit, Access::Nobody));
    }
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tidegate.toml");
    std::fs::write(
        &path,
        "[gateway]\nlisten = \"127.0.0.1:1\"\nadmin_listen = \"127.0.0.1:2\"\n[worker]\nconcurrency = 3",
    )
    .expect("written");
    let environment = |name: &str| match name {
        "TIDEGATE_CONFIG" => Some(path.display().to_string()),
        "TIDEGATE_LISTEN" => Some("127.0.0.1:11".to_owned()),
        "TIDEGATE_ADMIN_LISTEN" => Some("127.0.0.1:12".to_owned()),
        "TIDEGATE_QUEUES" => Some("a, b,a".to_owned()),
        "TIDEGATE_LOG" => Some(String::new()),
        _ => None,
    };
    let flags = Overrides {
        listen: Some("127.0.0.1:21".into()),
        ..Overrides::default()
    };
    let config = Config::load(None, &environment, flags).expect("fine");
    assert_eq!(config.gateway.listen.port(), 21, "the flag");
    assert_eq!(config.gateway.admin_listen.port(), 12, "the environment");
    assert_eq!(
        config.worker.admin_listen.port(),
        12,
        "each process has one admin port"
    );
    assert_eq!(config.worker.concurrency, 3, "the file");
    assert_eq!(config.telemetry.log, "info", "an empty variable is not set");
    let queues: Vec<&str> = config
        .worker
        .queues
        .iter()
        .map(|queue| queue.name.as_str())
        .collect();
    assert_eq!(queues, ["a", "b"]);
}

#[test]
fn bad_flags_and_variables_are_named_and_secrets_are_not_shown() {
    let variables = [
        ("TIDEGATE_REDIS_URL", "hunter2"),
        ("TIDEGATE_QUEUES", "a b"),
        ("TIDEGATE_CONCURRENCY", "0"),
        ("TIDEGATE_LOG", "inof"),
        ("TIDEGATE_TOKEN_SECRET", "hunter2"),
    ];
    let flags = Overrides {
        listen: Some(":9000".into()),
        ..Overrides::default()
    };
    let errors = load(&variables, flags).expect_err("all wrong").to_string();
    assert!(!errors.contains("hunter2"), "{errors}");
    insta::assert_snapshot!(errors);
}

#[test]
fn an_api_key_of_the_environment_is_accepted_beside_those_of_the_file() {
    let config = load(&[("TIDEGATE_API_KEY", "abc")], Overrides::default()).expect("fine");
    assert_eq!(config.auth.api_keys.len(), 1);
    assert_eq!(config.auth.api_keys[0][..4], [0xba, 0x78, 0x16, 0xbf]);
}

#[test]
fn clients_and_administration_need_two_ports() {
    let flags = Overrides {
        listen: Some("0.0.0.0:9090".into()),
        ..Overrides::default()
    };
    insta::assert_snapshot!(load(&[], flags).expect_err("9090 is the default of the other"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let errors = Config::load(
        Some(Path::new("/nonexistent/tidegate.toml")),
        &|_| None,
        Overrides::default(),
    )
    .expect_err("it is not there");
    insta::assert_snapshot!(errors);
}

#[test]
fn many_mistakes_are_counted_instead_of_shown() {
    let lines: Vec<String> = (0..200).map(|n| format!("rubbish{n} = 1")).collect();
    let errors = errors(&lines.join("\n"));
    assert_eq!(errors.lines().count(), 51);
    assert!(errors.ends_with("and 150 more"), "{errors}");
}

/// Texts that look like configuration: known and unknown keys, right and wrong values.
fn documents() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        prop::sample::select(include_str!("complete.toml").lines().collect::<Vec<_>>())
            .prop_map(str::to_owned),
        (
            "[a-z_]{1,12}",
            prop_oneof![
                Just("\"\"".to_owned()),
                "-?[0-9]{1,25}",
                "\"[0-9]{1,22}(ms|s|KiB|GiB|d)?\"",
                "\\[\\[?\"?[a-z1]*\"?\\]?\\]",
                "\\{ [a-z] = [0-9] \\}",
                "\"\\PC{0,80}\"",
            ]
        )
            .prop_map(|(key, value)| format!("{key} = {value}")),
        "\\[{1,2}(redis|limits|namespace|auth|auth\\.jwt|auth\\.users|queue|worker\\.command|[a-z.]{1,9})\\]{1,2}",
    ];
    prop::collection::vec(line, 0..40).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,400}") {
        let _ = Config::parse("x", &text).map_err(|errors| errors.to_string());
    }

    #[test]
    fn no_document_makes_it_panic_and_every_mistake_has_a_line_of_it(text in documents()) {
        if let Err(errors) = Config::parse("x", &text) {
            let lines = text.split('\n').count();
            for mistake in errors.mistakes() {
                let in_file = match &mistake.place {
                    Place::File { line, .. } => line.is_some_and(|line| (1..=lines).contains(&line)),
                    Place::Whole => true,
                    Place::Environment(_) | Place::Flag(_) => false,
                };
                prop_assert!(in_file, "{mistake}");
                prop_assert!(mistake.to_string().lines().count() == 1, "{mistake}");
            }
        }
    }
}
