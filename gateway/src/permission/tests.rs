//! Every row of the table: who may, by rule, act and client.

use tidegate_shared::namespace::Namespace;

use super::*;

const ACTS: [Act; 5] = [
    Act::Subscribe,
    Act::Publish,
    Act::Set,
    Act::History,
    Act::SeePresence,
];

fn config(access: Access) -> Config {
    let mut config = Config::default();
    let mut namespace = Namespace::new("default");
    for rule in [
        &mut namespace.subscribe,
        &mut namespace.publish,
        &mut namespace.set,
        &mut namespace.history,
        &mut namespace.see_presence,
        &mut config.jobs.submit,
        &mut config.jobs.follow,
        &mut config.jobs.cancel,
        &mut config.jobs.call,
    ] {
        *rule = access;
    }
    config.namespaces = tidegate_shared::namespace::Namespaces::new(namespace, []);
    config
}

fn user(name: &str, grants: Option<&str>) -> Identity {
    Identity {
        user: UserId::parse(name).expect("valid"),
        info: None,
        expires_at: None,
        grants: grants.map(|text| Box::new(serde_json::from_str(text).expect("grants"))),
    }
}

fn topic(name: &str) -> Topic {
    Topic::parse(name).expect("valid")
}

#[test]
fn every_rule_lets_in_whom_it_names() {
    let (ann, bob) = (user("ann", None), user("bob", None));
    let all = r#"{"subscribe": ["room:**"], "publish": ["room:**"]}"#;
    let follower = user("bob", Some(r#"{"subscribe": ["room:*"]}"#));
    let (carrier, stranger) = (user("bob", Some(all)), user("bob", Some("{}")));
    let room = topic("room:ann");
    // Anonymous, the owner, another user, one whose token names the topic, one whose token names none.
    let clients = [None, Some(&ann), Some(&bob), Some(&carrier), Some(&stranger)];
    for (access, may) in [
        (Access::Anyone, [true, true, true, true, true]),
        (Access::Users, [false, true, true, true, true]),
        (Access::Owner, [false, true, false, false, false]),
        (Access::Token, [false, false, false, true, false]),
        (Access::Nobody, [false, false, false, false, false]),
    ] {
        let config = config(access);
        for act in ACTS {
            for (client, may) in clients.into_iter().zip(may) {
                let verdict = on_topic(&config, client, act, &room);
                assert_eq!(verdict.is_ok(), may, "{access:?} {act:?} {client:?}");
                if let Err(failure) = verdict {
                    assert_eq!(failure.code, ErrorCode::Forbidden);
                }
            }
        }
    }
    let config = config(Access::Token);
    for (act, may) in ACTS.into_iter().zip([true, false, false, true, true]) {
        let verdict = on_topic(&config, Some(&follower), act, &room);
        assert_eq!(verdict.is_ok(), may, "a token to follow: {act:?}");
    }
}

#[test]
fn the_owner_is_who_the_last_part_names_exactly() {
    let config = config(Access::Owner);
    let ann = user("ann", None);
    for (name, may) in [
        ("ann", true),
        ("a:b:ann", true),
        ("ann:x", false),
        ("x:annie", false),
        ("x:ANN", false),
        ("x:", false),
    ] {
        let verdict = on_topic(&config, Some(&ann), Act::Publish, &topic(name));
        assert_eq!(verdict.is_ok(), may, "{name}");
    }
    let odd = user("x:ann", None);
    assert!(on_topic(&config, Some(&odd), Act::Publish, &topic("room:x:ann")).is_err());
}

#[test]
fn an_inbox_is_its_users_whatever_the_rules_and_tokens_say() {
    let (ann, bob) = (user("ann", None), user("bob", Some(r#"{"subscribe": ["**"]}"#)));
    for access in [Access::Anyone, Access::Token, Access::Nobody] {
        let config = config(access);
        for act in [Act::Subscribe, Act::History, Act::SeePresence] {
            assert!(on_topic(&config, Some(&ann), act, &topic("user:ann")).is_ok());
            for client in [None, Some(&bob)] {
                assert!(on_topic(&config, client, act, &topic("user:ann")).is_err());
            }
        }
    }
}

#[test]
fn jobs_are_for_those_whom_the_rules_of_jobs_name() {
    let queue = QueueName::parse("default").expect("valid");
    let (job, method) = (JobId::new(&queue), MethodName::parse("echo").expect("valid"));
    let ann = user("ann", None);
    let all = r#"{"subscribe": ["job:*", "jobs:*"], "publish": ["job:*", "jobs:default", "call:*"]}"#;
    let (carrier, other) = (user("bob", Some(all)), user("bob", Some("{}")));
    let clients = [None, Some(&ann), Some(&carrier), Some(&other)];
    let own = |client: Option<&Identity>, verdict: Result<Verdict, Failure>| match verdict {
        Ok(Verdict::IfOwn(own)) => {
            assert_eq!(own.job, job);
            assert_eq!(Some(&own.user), client.map(|identity| &identity.user));
            "own"
        }
        Ok(Verdict::Yes) => "yes",
        Err(_) => "no",
    };
    for (access, about_one, may) in [
        (Access::Anyone, ["yes"; 4], [true; 4]),
        (
            Access::Users,
            ["no", "yes", "yes", "yes"],
            [false, true, true, true],
        ),
        (
            Access::Owner,
            ["no", "own", "own", "own"],
            [false, true, true, true],
        ),
        (
            Access::Token,
            ["no", "no", "yes", "no"],
            [false, false, true, false],
        ),
        (Access::Nobody, ["no"; 4], [false; 4]),
    ] {
        let config = config(access);
        for ((client, about_one), may) in clients.into_iter().zip(about_one).zip(may) {
            let context = format!("{access:?} {client:?}");
            assert_eq!(own(client, follow(&config, client, &job)), about_one, "{context}");
            assert_eq!(own(client, cancel(&config, client, &job)), about_one, "{context}");
            let topic_of_job = Topic::of_job(&job);
            for act in [Act::Subscribe, Act::History] {
                let verdict = on_topic(&config, client, act, &topic_of_job);
                assert_eq!(own(client, verdict), about_one, "{context}");
            }
            assert_eq!(submit(&config, client, &queue).is_ok(), may, "{context}");
            assert_eq!(call(&config, client, &method).is_ok(), may, "{context}");
            // The jobs of a queue are of many users: nobody owns them.
            let all = on_topic(&config, client, Act::Subscribe, &Topic::of_queue(&queue));
            assert_eq!(all.is_ok(), about_one == "yes", "{context}");
        }
    }
}

#[test]
fn a_key_gives_nobody_a_job_that_it_may_not_see() {
    let job = JobId::new(&QueueName::parse("default").expect("valid"));
    let (ann, bob) = (user("ann", None), user("bob", None));
    for (access, of_other, of_nobody) in [
        (Access::Anyone, true, true),
        (Access::Users, true, true),
        (Access::Owner, false, false),
        (Access::Nobody, false, false),
    ] {
        let config = config(access);
        assert!(sees(&config, Some(&ann), &job, Some(&ann.user)), "its own");
        assert_eq!(
            sees(&config, Some(&ann), &job, Some(&bob.user)),
            of_other,
            "{access:?}"
        );
        assert_eq!(sees(&config, Some(&ann), &job, None), of_nobody, "{access:?}");
    }
}

#[test]
fn what_is_refused_is_told_in_words_that_depend_on_the_question_alone() {
    let config = config(Access::Users);
    let told = |name: &str| {
        let failure = on_topic(&config, None, Act::Subscribe, &topic(name)).expect_err("refused");
        failure.message.replace(name, "X")
    };
    assert_eq!(told("room:1"), told("nothing"));
    assert!(told("room:1").contains("`subscribe`") && told("room:1").contains("\"users\""));
    assert_eq!(told("jobs:q"), told("job:rubbish"));
}

#[test]
fn everything_is_closed_by_default() {
    let config = Config::default();
    for act in ACTS {
        assert!(on_topic(&config, None, act, &topic("news")).is_err(), "{act:?}");
    }
    let ann = user("ann", None);
    for (act, may) in ACTS.into_iter().zip([true, false, false, true, true]) {
        assert_eq!(
            on_topic(&config, Some(&ann), act, &topic("news")).is_ok(),
            may,
            "{act:?}"
        );
    }
    let mut open = Config::default();
    open.open_to_anyone();
    for act in ACTS {
        assert_eq!(
            on_topic(&open, None, act, &topic("news")),
            Ok(Verdict::Yes),
            "{act:?}"
        );
    }
    assert_eq!(open.jobs.follow, Access::Anyone);
}
