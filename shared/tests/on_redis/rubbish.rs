//! What others write into Redis, by mistake or on purpose.

use futures_util::future::join_all;
use prometheus::Registry;
use tidegate_shared::broker::{BrokerError, BrokerEvent, From, Link, Lost};
use tidegate_shared::job::{JobError, JobId};
use tidegate_shared::name::QueueName;
use tidegate_shared::topic::Topic;

use super::{data, errors, node, open, publication, raw, skip_to, start, until};
use crate::contract::broker::{
    attach, draft, offsets, publish, publish_numbers, read, read_some, top, topic,
};

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_on_a_channel_is_a_gap_and_counted() {
    let server = start().await;
    let registry = Registry::new();
    let node = open(server.url(), &registry);
    until(&node, |link| *link == Link::Up).await;
    let mut events = node.broker.events().expect("first");
    let chat = topic("chat:a");
    attach(&node, &chat).await;
    for rubbish in [
        b"hello".as_slice(),
        b"",
        b"\xff\xfe",
        b"1 m x y z",
        b"1 m        \n",
    ] {
        let reply = server
            .command_bytes(&[b"SPUBLISH", b"tg:{t:chat:a}:ch", rubbish])
            .await
            .expect("an answer");
        assert_eq!(reply.integer(), Some(1), "it was heard");
        let gap = skip_to(&mut events, |event| match event {
            BrokerEvent::Gap { topic } => Some(topic),
            BrokerEvent::Publication(_) => panic!("rubbish is no publication"),
            _ => None,
        });
        assert_eq!(gap.await, Some(chat.clone()));
    }
    publish(&node, &chat, "1").await;
    assert_eq!(data(&*skip_to(&mut events, publication).await), "1");
    assert!((errors(&registry, "rubbish") - 5.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_in_a_log_makes_readers_of_what_is_before_it_start_anew() {
    let server = start().await;
    let node = node(&server).await;
    let chat = topic("chat:a");
    let before = publish_numbers(&node, &chat, 3).await;
    raw(&server, &["RPUSH", "tg:{t:chat:a}:log", "1 m rubbish"]).await;
    let after = publish_numbers(&node, &chat, 2).await;

    for seen in &before[..2] {
        let page = read(&node, &chat, From::After((*seen).into())).await;
        assert_eq!((page.lost, page.publications.len()), (Some(Lost::Trimmed), 0));
        assert_eq!(page.top, after.last().copied());
    }
    let page = read(&node, &chat, From::After(before[2].into())).await;
    assert_eq!((page.lost, offsets(&page.publications)), (None, vec![4, 5]));
    assert_eq!(
        offsets(&read(&node, &chat, From::Newest).await.publications),
        [4, 5]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_with_a_right_header_and_broken_data_is_as_good_as_gone() {
    let server = start().await;
    let node = node(&server).await;
    let chat = topic("chat:a");
    let seen = publish_numbers(&node, &chat, 3).await;
    let log = b"tg:{t:chat:a}:log".as_slice();
    let entry = format!("1 m {} 2 {} {} 1  \n", seen[1].epoch, seen[1].tag, seen[0].tag);
    let broken = [entry.as_bytes(), b"\xff"].concat();
    server
        .command_bytes(&[b"LSET", log, b"1", &broken])
        .await
        .expect("an answer");
    let page = read(&node, &chat, From::After(seen[0].into())).await;
    assert_eq!((page.lost, page.publications.len()), (Some(Lost::Trimmed), 0));
    let page = read(&node, &chat, From::After(seen[1].into())).await;
    assert_eq!((page.lost, offsets(&page.publications)), (None, vec![3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_cannot_be_written_to_keeps_nobody_from_publishing_to_others_at_the_same_time() {
    let server = start().await;
    let node = node(&server).await;
    raw(&server, &["SET", "tg:{t:broken}:log", "no list"]).await;
    raw(&server, &["CONFIG", "RESETSTAT"]).await;
    let names = ["broken".to_owned()].into_iter();
    let topics: Vec<Topic> = names
        .chain((0..40).map(|number| format!("chat:{number}")))
        .map(|name| topic(&name))
        .collect();
    let answers = join_all(topics.iter().map(|topic| node.broker.publish(topic, draft("1")))).await;
    let [broken, others @ ..] = &*answers else {
        unreachable!()
    };
    assert!(
        matches!(broken, Err(BrokerError::Internal(why)) if why.contains("WRONGTYPE")),
        "{broken:?}"
    );
    for (topic, answer) in topics[1..].iter().zip(others) {
        let position = answer.as_ref().expect("published").position;
        assert_eq!(position.map(|position| position.offset), Some(1), "{topic}");
        assert_eq!(offsets(&read(&node, topic, From::Newest).await.publications), [1]);
    }
    let stats = raw(&server, &["INFO", "commandstats"]).await.to_string();
    let calls = stats.split("cmdstat_evalsha:calls=").nth(1).expect("scripts ran");
    let calls: u32 = calls
        .split(',')
        .next()
        .and_then(|calls| calls.parse().ok())
        .expect("a number");
    // Reading is a script for each.
    assert!(
        calls < 40 + 40,
        "they shared scripts, of which there were {calls}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_numbering_that_is_rubbish_begins_anew() {
    let server = start().await;
    let node = node(&server).await;
    let chat = topic("chat:a");
    let seen = publish_numbers(&node, &chat, 3).await[2];
    raw(&server, &["HSET", "tg:{t:chat:a}:meta", "top", "many"]).await;
    let page = read(&node, &chat, From::After(seen.into())).await;
    assert_eq!(page.lost, Some(Lost::Epoch));
    let published = publish(&node, &chat, "1").await.position.expect("a log");
    assert_eq!(published.offset, 1);
    assert_eq!(offsets(&read(&node, &chat, From::Newest).await.publications), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_type_are_an_error_for_their_topic_only() {
    let server = start().await;
    let node = node(&server).await;
    let chat = topic("chat:a");
    raw(&server, &["SET", "tg:{t:chat:a}:meta", "rubbish"]).await;
    assert!(node.broker.publish(&chat, draft("1")).await.is_err());
    assert!(node.broker.read(&chat, From::Newest, 1).await.is_err());
    publish(&node, &topic("chat:b"), "1").await;
    raw(&server, &["DEL", "tg:{t:chat:a}:meta"]).await;
    publish(&node, &chat, "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_rubbish_is_an_error_and_not_claimed() {
    let server = start().await;
    let node = node(&server).await;
    let queue = QueueName::parse("q").expect("valid");
    let id = JobId::new(&queue);
    let worker = tidegate_shared::name::WorkerId::parse("w").expect("valid");
    let key = format!("tg:{{q:q:0}}:job:{id}");
    raw(&server, &["HSET", &key, "e", "rubbish"]).await;
    raw(
        &server,
        &[
            "ZADD",
            "tg:{q:q:0}:ready",
            "1",
            "rubbish",
            "2",
            id.as_str(),
            "3",
            "\u{1f980}",
        ],
    )
    .await;
    let claims = node.jobs.claim(&queue, &worker, 10, super::PATIENCE).await;
    assert!(claims.expect("an answer").is_empty());
    assert!(matches!(node.jobs.get(&id).await, Err(JobError::Internal(_))));
    assert!(node.broker.read(&Topic::of_job(&id), From::Now, 0).await.is_err());
    raw(
        &server,
        &["ZADD", "tg:{q:q:0}:lease", "1", "rubbish", "1", id.as_str()],
    )
    .await;
    assert_eq!(node.jobs.reclaim(&queue, 3).await, Ok(0));
    assert_eq!(
        raw(&server, &["EXISTS", "tg:{q:q:0}:lease"]).await.integer(),
        Some(0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn any_program_can_publish_to_a_bare_topic() {
    let server = start().await;
    let registry = Registry::new();
    let node = open(server.url(), &registry);
    until(&node, |link| *link == Link::Up).await;
    let mut events = node.broker.events().expect("first");
    let bare = topic("bare:news");
    attach(&node, &bare).await;
    let too_large = vec![b'1'; 64 * 1024 + 1];
    for (sent, heard) in [
        (b"{\"x\": 1}".as_slice(), Some("{\"x\": 1}")),
        (b"plain \"text\"", Some("\"plain \\\"text\\\"\"")),
        (b"", Some("\"\"")),
        (b"\xff\xfe", None),
        (&too_large, None),
        (b"42", Some("42")),
    ] {
        let reply = server
            .command_bytes(&[b"PUBLISH", b"tidegate:bare:news", sent])
            .await
            .expect("an answer");
        assert_eq!(reply.integer(), Some(1), "attached when attach resolved");
        if let Some(text) = heard {
            let heard = skip_to(&mut events, publication).await;
            assert_eq!(
                (data(&heard), &heard.topic, heard.place),
                (text.to_owned(), &bare, None)
            );
        }
    }
    assert!((errors(&registry, "rubbish") - 2.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_never_skips_over_rubbish() {
    let server = start().await;
    let node = node(&server).await;
    let chat = topic("chat:a");
    let seen = publish_numbers(&node, &chat, 5).await;
    raw(&server, &["LSET", "tg:{t:chat:a}:log", "2", "rubbish"]).await;
    let page = read_some(&node, &chat, From::After(seen[0].into()), 10).await;
    assert_eq!((page.lost, offsets(&page.publications)), (None, vec![2]));
    let page = read_some(&node, &chat, From::After(seen[1].into()), 10).await;
    assert_eq!(page.lost, Some(Lost::Trimmed));
    assert_eq!(page.top, Some(top(&node, &chat).await));
}
