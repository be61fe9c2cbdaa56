//! Submitting jobs, and asking for them.

use tidegate_shared::broker::From;
use tidegate_shared::job::{JobDraft, JobError, JobId, JobState};
use tidegate_shared::name::{JobType, UserId};
use tidegate_shared::publication::Snapshot;
use tidegate_shared::topic::Topic;

use super::{Bench, LONG, percent, record_of};
use crate::contract::broker::{attach, json, read, top};
use crate::contract::{Ear, World};

pub(crate) async fn a_submitted_job_is_queued_at_position_one<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let draft = JobDraft {
        user: Some(UserId::parse("ann").expect("valid")),
        ..bench.draft()
    };
    let submitted = bench.submit(draft.clone()).await;
    assert_eq!((submitted.position.offset, submitted.duplicate), (1, false));
    let record = submitted.record;
    assert_eq!(
        (&record.id, &record.kind, &record.user),
        (&draft.id, &draft.kind, &draft.user)
    );
    assert_eq!(
        (record.state, record.attempt, &record.queue),
        (JobState::Queued, 0, &bench.queue)
    );
    assert!(record.created_at > 1_700_000_000_000, "milliseconds since 1970");
    assert!(record.percent.is_none() && record.message.is_none() && record.progress.is_none());
    assert!(record.result.is_none() && record.error.is_none());
    assert!(record.started_at.is_none() && record.finished_at.is_none());

    let other = bench.another(&world).await;
    assert_eq!(other.get(&draft.id).await, record);
    assert_eq!(other.log(&draft.id).await, std::slice::from_ref(&record));
    assert_eq!(other.log_in_queue(&draft.id).await, [record]);
    assert_eq!(
        top(&other.node, &Topic::of_job(&draft.id)).await,
        submitted.position
    );
}

pub(crate) async fn the_snapshot_of_a_jobs_topic_is_its_record<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let submitted = bench.submit(bench.draft()).await;
    let topic = Topic::of_job(&submitted.record.id);
    let page = read(&bench.node, &topic, From::Now).await;
    let Some(Snapshot::Job(snapshot)) = page.snapshot else {
        panic!("no snapshot: {page:?}");
    };
    let record: tidegate_shared::job::JobRecord = serde_json::from_str(snapshot.as_str()).expect("a record");
    assert_eq!((record, page.top), (submitted.record, Some(submitted.position)));
    // Who has lost the thread gets it too, who has not does not need it.
    let mut lost = submitted.position;
    lost.offset = 5;
    let page = read(&bench.node, &topic, From::After(lost.into())).await;
    assert!(page.lost.is_some() && page.snapshot.is_some());
    for from in [From::Newest, From::After(submitted.position.into())] {
        let page = read(&bench.node, &topic, from).await;
        assert!(page.lost.is_none() && page.snapshot.is_none());
    }
}

pub(crate) async fn a_submission_is_heard_on_both_topics<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let listener = bench.another(&world).await;
    let mut ear = Ear::of(&listener.node);
    let draft = bench.draft();
    let topics = [Topic::of_job(&draft.id), Topic::of_queue(&bench.queue)];
    for topic in &topics {
        attach(&listener.node, topic).await;
    }
    let submitted = bench.submit(draft).await;
    let heard = ear.take(2).await;
    for topic in &topics {
        let one = heard
            .iter()
            .find(|one| one.topic == *topic)
            .expect("heard on both");
        assert_eq!(record_of(one), submitted.record);
    }
}

pub(crate) async fn a_repeated_key_gives_the_first_job_and_writes_nothing<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let first = bench.submit(bench.keyed("k")).await;
    let before = bench.all_of(&first.record.id).await;
    for bench in [&bench, &bench.another(&world).await] {
        let again = bench.submit(bench.keyed("k")).await;
        assert!(again.duplicate);
        assert_eq!(
            (again.record, again.position),
            (first.record.clone(), first.position)
        );
    }
    assert_eq!(bench.all_of(&first.record.id).await, before);
    assert_eq!(bench.claim(10, LONG).await.len(), 1);
}

pub(crate) async fn a_repeated_key_gives_the_job_as_it_is_now<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let first = bench.submit(bench.keyed("k")).await;
    let claim = bench.claim_one(LONG).await;
    bench
        .jobs()
        .progress(&claim.lease, percent(40.0))
        .await
        .expect("reported");
    for ended in [false, true] {
        if ended {
            let result = json("{\"done\":true}");
            bench.jobs().succeed(&claim.lease, result).await.expect("ended");
        }
        let again = bench.submit(bench.keyed("k")).await;
        assert!(again.duplicate);
        assert_eq!(again.record, bench.get(&first.record.id).await);
        let topic = Topic::of_job(&first.record.id);
        assert_eq!(again.position, top(&bench.node, &topic).await);
    }
    assert!(bench.claim(10, LONG).await.is_empty());
}

pub(crate) async fn a_repeated_key_with_another_payload_is_a_conflict<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let first = bench.submit(bench.keyed("k")).await.record;
    let before = bench.all_of(&first.id).await;
    let other_data = JobDraft {
        data: json("{\"seconds\":1.50}"),
        ..bench.keyed("k")
    };
    let other_type = JobDraft {
        kind: JobType::parse("test").expect("valid"),
        ..bench.keyed("k")
    };
    for draft in [other_data, other_type] {
        let id = draft.id.clone();
        let conflict = JobError::Conflict {
            key: draft.key.clone().expect("given"),
            job: first.id.clone(),
        };
        let refused = bench.jobs().submit(draft).await.map(|submitted| submitted.record);
        assert_eq!(refused, Err(conflict));
        assert_eq!(bench.jobs().get(&id).await, Err(JobError::NotFound(id)));
    }
    assert_eq!(bench.all_of(&first.id).await, before);
    assert_eq!(bench.claim(10, LONG).await.len(), 1);
}

pub(crate) async fn a_key_belongs_to_its_queue<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.on("q2");
    let first = bench.submit(bench.keyed("k")).await;
    let second = other.submit(other.keyed("k")).await;
    assert!(!second.duplicate);
    assert_ne!(first.record.id, second.record.id);
}

pub(crate) async fn a_key_used_by_many_at_once_makes_one_job<W: World>(world: W) {
    let benches = [Bench::new(&world).await, Bench::new(&world).await];
    let submits: Vec<_> = (0..16)
        .map(|number| {
            let bench = benches[number % 2].clone();
            tokio::spawn(async move { bench.submit(bench.keyed("k")).await })
        })
        .collect();
    let mut answers = Vec::new();
    for submit in submits {
        answers.push(submit.await.expect("no panic"));
    }
    assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.record.id == answers[0].record.id)
    );
    assert_eq!(benches[0].claim(20, LONG).await.len(), 1);
}

pub(crate) async fn a_repeated_id_is_the_same_job<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let draft = bench.draft();
    let first = bench.submit(draft.clone()).await;
    let claim = bench.claim_one(LONG).await;
    let again = bench.submit(draft.clone()).await;
    assert!(!first.duplicate && again.duplicate);
    assert_eq!(again.record, bench.get(&draft.id).await);
    assert_eq!(again.record.state, JobState::Running);
    assert_eq!(again.position, top(&bench.node, &Topic::of_job(&draft.id)).await);
    assert_eq!(bench.log(&draft.id).await.len(), 2);
    assert!(bench.claim(10, LONG).await.is_empty());
    bench
        .jobs()
        .succeed(&claim.lease, json("1"))
        .await
        .expect("still held");
}

pub(crate) async fn an_unknown_job_is_not_found<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    bench.submit_one().await;
    let id = JobId::new(&bench.queue);
    assert_eq!(bench.jobs().get(&id).await, Err(JobError::NotFound(id)));
}

pub(crate) async fn the_top_of_a_jobs_topic_is_that_of_its_log<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let submitted = bench.jobs().submit(bench.draft()).await.expect("submitted");
    let topics = [
        Topic::of_job(&submitted.record.id),
        Topic::of_job(&bench.draft().id),
    ];
    let tops = bench.node.broker.tops(&topics).await;
    assert_eq!(tops, Ok(vec![Some(submitted.position), None]));
}
