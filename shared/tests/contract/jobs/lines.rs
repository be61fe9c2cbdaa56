//! Log lines of a worker.

use tidegate_shared::broker::From;
use tidegate_shared::job::{JobError, JobId, JobState, LINE_LIMIT, Lease, LogLevel, LogLine, Token};
use tidegate_shared::name::EventName;
use tidegate_shared::position::Position;
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;

use super::{Bench, LONG, percent};
use crate::contract::broker::{assert_contiguous, attach, json, read, read_some};
use crate::contract::{Ear, World};

fn lines(texts: &[&str]) -> Vec<LogLine> {
    let line = |text: &&str| LogLine::new(LogLevel::Info, *text);
    texts.iter().map(line).collect()
}

async fn log(bench: &Bench, lease: &Lease, texts: &[&str]) {
    let written = bench.jobs().log(lease, &lines(texts)).await;
    written.expect("the lease is held");
}

/// The job's log, its records by state and its lines by message.
async fn told(bench: &Bench, job: &JobId) -> Vec<String> {
    let page = read(&bench.node, &Topic::of_job(job), From::Newest).await;
    let tell = |body: &Body| match (LogLine::of(body), body) {
        (Some(line), _) => line.message,
        (None, Body::Job { record }) => {
            let record: serde_json::Value = serde_json::from_str(record.as_str()).expect("JSON");
            record["state"].as_str().expect("a state").to_owned()
        }
        other => panic!("{other:?}"),
    };
    page.publications.iter().map(|one| tell(&one.body)).collect()
}

pub(crate) async fn a_log_line_is_a_message_on_the_jobs_topic_only<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let listener = bench.another(&world).await;
    let mut ear = Ear::of(&listener.node);
    let lease = bench.start_one(LONG).await;
    for topic in [Topic::of_job(&lease.job), Topic::of_queue(&bench.queue)] {
        attach(&listener.node, &topic).await;
    }
    let (record, in_queue) = (bench.get(&lease.job).await, bench.log_in_queue(&lease.job).await);
    let line = LogLine::new(LogLevel::Warn, "half a \"page\"\n");
    bench.jobs().log(&lease, &[line]).await.expect("held");
    let heard = ear.all_until_now(&listener.node).await;
    let [heard] = &heard[..] else {
        panic!("one line is one publication: {heard:?}");
    };
    assert_eq!(heard.topic, Topic::of_job(&lease.job));
    let Body::Message { data, event } = &heard.body else {
        panic!("{heard:?}");
    };
    assert_eq!(data.as_str(), r#"{"level":"warn","message":"half a \"page\"\n"}"#);
    assert_eq!(event.as_ref().map(EventName::as_str), Some("log"));
    assert_eq!(heard.place.expect("a log").position.offset, 3);
    assert_eq!(bench.get(&lease.job).await, record, "the record is as it was");
    assert_eq!(bench.log_in_queue(&lease.job).await, in_queue);
}

pub(crate) async fn log_lines_are_refused_without_the_lease<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    let made_up = Lease {
        job: lease.job.clone(),
        token: Token::random(),
    };
    let lost = Err(JobError::LeaseLost(lease.job.clone()));
    assert_eq!(bench.jobs().log(&made_up, &lines(&["x"])).await, lost);
    bench.jobs().succeed(&lease, json("1")).await.expect("held");
    assert_eq!(bench.jobs().log(&lease, &lines(&["x"])).await, lost);
    assert_eq!(told(&bench, &lease.job).await, ["queued", "running", "succeeded"]);
    let unknown = Lease {
        job: JobId::new(&bench.queue),
        token: Token::random(),
    };
    let lost = Err(JobError::LeaseLost(unknown.job.clone()));
    assert_eq!(bench.jobs().log(&unknown, &lines(&["x"])).await, lost);
}

pub(crate) async fn log_lines_keep_their_order_and_the_end_is_last<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    log(&bench, &lease, &["a", "b"]).await;
    bench.jobs().progress(&lease, percent(50.0)).await.expect("held");
    log(&bench, &lease, &[]).await;
    log(&bench, &lease, &["c"]).await;
    bench.jobs().succeed(&lease, json("1")).await.expect("held");
    let expected = ["queued", "running", "a", "b", "running", "c", "succeeded"];
    assert_eq!(told(&bench, &lease.job).await, expected);
    let page = read(&bench.node, &Topic::of_job(&lease.job), From::Newest).await;
    assert_contiguous(
        Position::start(page.top.expect("a log").epoch),
        &page.publications,
    );
    assert_eq!(bench.get(&lease.job).await.state, JobState::Succeeded);
}

pub(crate) async fn a_late_comer_reads_the_last_lines<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    let many: Vec<String> = (0..200).map(|number| format!("line {number}")).collect();
    log(
        &bench,
        &lease,
        &many.iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .await;
    let late = bench.another(&world).await;
    let page = read_some(&late.node, &Topic::of_job(&lease.job), From::Newest, 3).await;
    let lines: Vec<String> = page
        .publications
        .iter()
        .filter_map(|one| LogLine::of(&one.body))
        .map(|line| line.message)
        .collect();
    assert_eq!(lines, many[197..]);
    let long = LogLine::new(LogLevel::Error, "ä".repeat(LINE_LIMIT));
    assert_eq!(long.message.len(), LINE_LIMIT);
}
