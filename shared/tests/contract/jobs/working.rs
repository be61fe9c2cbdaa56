//! A job's life in the hands of a worker that keeps its lease.

use tidegate_shared::broker::From;
use tidegate_shared::job::{
    DETAIL_LIMIT, Failure, JobError, JobRecord, JobState, Percent, Progress, RESULT_LIMIT, TEXT_LIMIT,
};
use tidegate_shared::json::RawJson;
use tidegate_shared::topic::Topic;

use super::{Bench, LONG, message, outline, percent};
use crate::contract::broker::{attach, json, read};
use crate::contract::{Ear, World};

pub(crate) async fn a_whole_life_is_in_both_logs_as_the_record_was<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let id = bench.submit_one().await;
    let mut life = vec![bench.get(&id).await];
    let claim = bench.claim_one(LONG).await;
    assert_eq!(claim.record, bench.get(&id).await);
    life.push(claim.record);
    let full = Progress {
        percent: Some(Percent::of(1, 3)),
        message: Some("packing \"ü\"".into()),
        detail: Some(json("{ \"bytes\": 9007199254740993 }")),
    };
    for report in [full, percent(66.0), message("nearly there"), percent(100.0)] {
        bench.jobs().progress(&claim.lease, report).await.expect("held");
        life.push(bench.get(&id).await);
    }
    bench.jobs().release(&claim.lease).await.expect("held");
    life.push(bench.get(&id).await);
    let lease = bench.claim_one(LONG).await.lease;
    life.push(bench.get(&id).await);
    bench.jobs().succeed(&lease, json("[ 1 ]")).await.expect("held");
    life.push(bench.get(&id).await);

    assert_eq!(bench.log(&id).await, life);
    assert_eq!(bench.log_in_queue(&id).await, life);
    let outlines: Vec<_> = life.iter().map(outline).collect();
    assert_eq!(
        outlines,
        [
            (JobState::Queued, 0, None),
            (JobState::Running, 1, None),
            (JobState::Running, 1, Some(33.33)),
            (JobState::Running, 1, Some(66.0)),
            (JobState::Running, 1, Some(66.0)),
            (JobState::Running, 1, Some(100.0)),
            (JobState::Queued, 1, Some(100.0)),
            (JobState::Running, 1, None),
            (JobState::Succeeded, 1, None),
        ]
    );
    assert!(life.iter().all(|record| record.created_at == life[0].created_at));
    assert_eq!(
        life[2].progress.as_ref().map(RawJson::as_str),
        Some("{ \"bytes\": 9007199254740993 }")
    );
    assert_eq!(life[8].result.as_ref().map(RawJson::as_str), Some("[ 1 ]"));
}

pub(crate) async fn what_is_heard_is_what_the_log_holds<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let listener = bench.another(&world).await;
    let draft = bench.draft();
    let mut ear = Ear::of(&listener.node);
    let (topic, queue) = (Topic::of_job(&draft.id), Topic::of_queue(&bench.queue));
    attach(&listener.node, &topic).await;
    attach(&listener.node, &queue).await;
    bench.submit(draft).await;
    let lease = bench.claim_one(LONG).await.lease;
    for number in 0..20 {
        bench
            .jobs()
            .progress(&lease, percent(f64::from(number)))
            .await
            .expect("held");
    }
    bench
        .jobs()
        .fail(&lease, Failure::fatal("no"))
        .await
        .expect("held");
    let heard = ear.take(46).await;
    for topic in [topic, queue] {
        let of_topic: Vec<_> = heard.iter().filter(|one| one.topic == topic).cloned().collect();
        assert_eq!(
            of_topic,
            read(&bench.node, &topic, From::Newest).await.publications
        );
    }
}

pub(crate) async fn progress_keeps_what_it_does_not_mention<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    let detail = Progress {
        detail: Some(json("{\"a\":1}")),
        ..Progress::default()
    };
    let shown = |record: JobRecord| {
        (
            record.percent.map(Percent::get),
            record.message,
            record.progress.map(|detail| detail.as_str().to_owned()),
        )
    };
    let (packing, a) = (Some("packing".to_owned()), Some("{\"a\":1}".to_owned()));
    for (report, expected) in [
        (percent(12.34), (Some(12.34), None, None)),
        (message("packing"), (Some(12.34), packing.clone(), None)),
        (detail, (Some(12.34), packing.clone(), a.clone())),
        // Going back is the handler's affair.
        (percent(0.0), (Some(0.0), packing, a.clone())),
        (message(""), (Some(0.0), Some(String::new()), a)),
    ] {
        bench.jobs().progress(&lease, report).await.expect("held");
        assert_eq!(shown(bench.get(&lease.job).await), expected);
    }
    assert_eq!(bench.log(&lease.job).await.len(), 7);
}

pub(crate) async fn an_attempt_begins_without_the_progress_of_another<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    let full = Progress {
        percent: Some(Percent::new(80.0)),
        message: Some("nearly".into()),
        detail: Some(json("1")),
    };
    bench.jobs().progress(&lease, full).await.expect("held");
    bench.jobs().release(&lease).await.expect("held");
    let record = bench.claim_one(LONG).await.record;
    assert!(record.percent.is_none() && record.message.is_none() && record.progress.is_none());
    assert_eq!(record, bench.get(&lease.job).await);
}

/// Texts of more than [`TEXT_LIMIT`] bytes, and what is kept of them.
fn long_texts() -> [(String, String); 4] {
    let x = |number| "x".repeat(number);
    let exact = x(TEXT_LIMIT);
    [
        (exact.clone(), exact.clone()),
        (x(TEXT_LIMIT + 1), exact),
        (format!("{}ü", x(TEXT_LIMIT - 1)), x(TEXT_LIMIT - 1)),
        ("🏠".repeat(5_000), "🏠".repeat(TEXT_LIMIT / 4)),
    ]
}

pub(crate) async fn a_long_message_is_cut_at_a_character<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    for (text, kept) in long_texts() {
        bench.jobs().progress(&lease, message(&text)).await.expect("held");
        assert_eq!(bench.get(&lease.job).await.message, Some(kept));
    }
    bench.jobs().release(&lease).await.expect("held");
    for (text, kept) in long_texts() {
        bench.submit_one().await;
        let lease = bench.claim_one(LONG).await.lease;
        bench
            .jobs()
            .fail(&lease, Failure::fatal(&text))
            .await
            .expect("held");
        assert_eq!(bench.get(&lease.job).await.error, Some(kept));
    }
}

/// A JSON string of exactly that many bytes.
fn of_size(size: usize) -> RawJson {
    json(&format!("\"{}\"", "x".repeat(size - 2)))
}

pub(crate) async fn details_have_a_limit<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    let report = |size| Progress {
        detail: Some(of_size(size)),
        ..percent(50.0)
    };
    let before = bench.all_of(&lease.job).await;
    let refused = bench.jobs().progress(&lease, report(DETAIL_LIMIT + 1)).await;
    assert!(
        matches!(refused, Err(JobError::TooLarge { size, limit: DETAIL_LIMIT, .. }) if size == DETAIL_LIMIT + 1),
        "{refused:?}"
    );
    assert_eq!(bench.all_of(&lease.job).await, before);
    bench
        .jobs()
        .progress(&lease, report(DETAIL_LIMIT))
        .await
        .expect("just fits");
    assert_eq!(bench.get(&lease.job).await.progress, Some(of_size(DETAIL_LIMIT)));
}

pub(crate) async fn results_have_a_limit<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    let before = bench.all_of(&lease.job).await;
    let refused = bench.jobs().succeed(&lease, of_size(RESULT_LIMIT + 1)).await;
    assert!(
        matches!(refused, Err(JobError::TooLarge { size, limit: RESULT_LIMIT, .. }) if size == RESULT_LIMIT + 1),
        "{refused:?}"
    );
    assert_eq!(bench.all_of(&lease.job).await, before);
    bench
        .jobs()
        .succeed(&lease, of_size(RESULT_LIMIT))
        .await
        .expect("just fits");
    assert_eq!(bench.get(&lease.job).await.result, Some(of_size(RESULT_LIMIT)));
    bench.log(&lease.job).await;
}

pub(crate) async fn a_success_ends_the_job<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    bench.jobs().progress(&lease, percent(99.5)).await.expect("held");
    let result = json("{\"big\": 123456789012345678901234567890}");
    bench.jobs().succeed(&lease, result.clone()).await.expect("held");
    let record = bench.get(&lease.job).await;
    assert_eq!(
        (record.state, &record.result),
        (JobState::Succeeded, &Some(result))
    );
    assert!(record.finished_at >= record.started_at && record.error.is_none());
    assert_eq!(
        record.percent.map(Percent::get),
        Some(99.5),
        "only the handler reports progress"
    );
    assert!(bench.claim(10, LONG).await.is_empty());
    bench.log(&lease.job).await;
}

pub(crate) async fn a_failure_ends_the_job_with_its_message<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    bench
        .jobs()
        .fail(&lease, Failure::fatal("no \"space\" left: ü"))
        .await
        .expect("held");
    let record = bench.get(&lease.job).await;
    assert_eq!(record.state, JobState::Failed);
    assert_eq!(record.error.as_deref(), Some("no \"space\" left: ü"));
    assert!(record.finished_at >= record.started_at && record.result.is_none());
    assert!(bench.claim(10, LONG).await.is_empty());
    bench.log(&lease.job).await;
}

pub(crate) async fn asking_again_with_the_lease_that_ended_it_changes_nothing<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let succeeded = bench.start_one(LONG).await;
    bench.jobs().succeed(&succeeded, json("1")).await.expect("held");
    let failed = bench.start_one(LONG).await;
    bench
        .jobs()
        .fail(&failed, Failure::fatal("first"))
        .await
        .expect("held");
    let before = [
        bench.all_of(&succeeded.job).await,
        bench.all_of(&failed.job).await,
    ];
    for bench in [&bench, &other] {
        for result in ["1", "2"] {
            bench
                .jobs()
                .succeed(&succeeded, json(result))
                .await
                .expect("again");
        }
        for error in ["first", "second"] {
            bench
                .jobs()
                .fail(&failed, Failure::fatal(error))
                .await
                .expect("again");
        }
    }
    let after = [
        bench.all_of(&succeeded.job).await,
        bench.all_of(&failed.job).await,
    ];
    assert_eq!(after, before);
}

pub(crate) async fn what_has_ended_one_way_cannot_end_the_other<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let succeeded = bench.start_one(LONG).await;
    bench.jobs().succeed(&succeeded, json("1")).await.expect("held");
    let failed = bench.start_one(LONG).await;
    bench
        .jobs()
        .fail(&failed, Failure::fatal("no"))
        .await
        .expect("held");
    let refused = bench.jobs().fail(&succeeded, Failure::fatal("no")).await;
    assert_eq!(refused, Err(JobError::LeaseLost(succeeded.job.clone())));
    let refused = bench.jobs().succeed(&failed, json("1")).await;
    assert_eq!(refused, Err(JobError::LeaseLost(failed.job.clone())));
    assert_eq!(bench.get(&succeeded.job).await.state, JobState::Succeeded);
    assert_eq!(bench.get(&failed.job).await.state, JobState::Failed);
}
