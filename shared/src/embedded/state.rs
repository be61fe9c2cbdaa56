use crate::broker::{BrokerError, Draft, From, Page, Published, rule};
use crate::embedded::jobs::Jobs;
use crate::embedded::topics::Topics;
use crate::namespace::Namespaces;
use crate::publication::Snapshot;
use crate::topic::{Reserved, Topic};

/// Most things of each sort that one call forgets on the way; more than a call can add.
pub(super) const SWEEP: usize = 16;

/// Everything the store knows. Times are milliseconds since 1970 and never go back.
#[derive(Debug)]
pub(super) struct State {
    pub(super) topics: Topics,
    pub(super) jobs: Jobs,
}

impl State {
    pub(super) fn new(namespaces: Namespaces) -> Self {
        Self {
            jobs: Jobs::new(namespaces.queues().clone()),
            topics: Topics::new(namespaces),
        }
    }

    /// Forgets some of what has had its time.
    pub(super) fn sweep(&mut self, now: u64) {
        self.topics.sweep(now, SWEEP);
        self.jobs.sweep(&mut self.topics, now, SWEEP);
    }

    pub(super) fn publish(
        &mut self,
        topic: &Topic,
        draft: Draft,
        now: u64,
    ) -> Result<Published, BrokerError> {
        rule::check(topic, &self.topics.namespace(topic), &draft)?;
        self.topics.publish(topic, draft, now)
    }

    pub(super) fn read(
        &mut self,
        topic: &Topic,
        from: From,
        limit: usize,
        now: u64,
    ) -> Result<Page, BrokerError> {
        let unknown = || BrokerError::UnknownTopic(topic.clone());
        let snapshot = match topic.reserved() {
            Some(Reserved::Nothing) => return Err(unknown()),
            Some(Reserved::Job(id)) => Some(Snapshot::Job(self.jobs.snapshot(&id, now).ok_or_else(unknown)?)),
            Some(Reserved::Jobs(_) | Reserved::User(_)) | None => None,
        };
        let mut page = self.topics.read(topic, from, limit, now);
        if snapshot.is_some() && (from == From::Now || page.lost.is_some()) {
            page.snapshot = snapshot;
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::broker::{BrokerEvents, KEY_TTL, Lost, TOPIC_TTL};
    use crate::job::{AGING, JobDraft, JobId, Priority, QueuePolicy};
    use crate::json::RawJson;
    use crate::name::{IdempotencyKey, JobType, QueueName, WorkerId};
    use crate::namespace::Namespace;
    use crate::publication::Body;

    const START: u64 = 1_700_000_000_000;

    fn ms(duration: Duration) -> u64 {
        u64::try_from(duration.as_millis()).expect("short")
    }

    fn state() -> State {
        let mut fire = Namespace::new("fire");
        fire.log_size = 0;
        State::new(Namespaces::new(Namespace::new("default"), [fire]))
    }

    fn topic(text: &str) -> Topic {
        Topic::parse(text).expect("a topic")
    }

    fn draft(key: Option<&str>) -> Draft {
        let mut draft = Draft::new(Body::Message {
            data: RawJson::null(),
            event: None,
        });
        draft.key = key.map(|key| IdempotencyKey::parse(key).expect("a key"));
        draft
    }

    fn job(key: Option<&str>) -> JobDraft {
        JobDraft {
            key: key.map(|key| IdempotencyKey::parse(key).expect("a key")),
            ..JobDraft::new(
                &QueueName::parse("q").expect("a queue"),
                JobType::parse("t").expect("a type"),
                RawJson::null(),
            )
        }
    }

    /// Submits a job and lets it succeed.
    fn finish_one(state: &mut State, draft: JobDraft, now: u64) -> JobId {
        let State { topics, jobs } = state;
        let id = draft.id.clone();
        jobs.submit(topics, draft, now).expect("submitted");
        let queue = QueueName::parse(id.queue()).expect("a queue");
        let worker = WorkerId::parse("w").expect("a worker");
        let claims = jobs
            .claim(topics, &queue, &worker, (1, Duration::from_secs(1)), now)
            .expect("claimed");
        let result = RawJson::null();
        jobs.succeed(topics, &claims[0].lease, result, now)
            .expect("ended");
        id
    }

    /// Lets the store forget as much as is due, as calls do on the way.
    fn sweep_all(state: &mut State, now: u64) {
        for _ in 0..10_000 {
            state.sweep(now);
        }
    }

    #[test]
    fn topics_are_forgotten_after_their_time() {
        let mut state = state();
        for number in 0..1_000 {
            let name = topic(&format!("t{number}"));
            state
                .publish(&name, draft(Some("key")), START)
                .expect("published");
            state
                .read(&topic(&format!("read{number}")), From::Now, 0, START)
                .expect("read");
            state
                .publish(&topic(&format!("fire:{number}")), draft(Some("key")), START)
                .expect("published");
        }
        assert_eq!(state.topics.known(), 3_000);
        sweep_all(&mut state, START + ms(KEY_TTL));
        assert_eq!(
            state.topics.known(),
            2_000,
            "without a log, the keys were all there was"
        );
        sweep_all(&mut state, START + ms(TOPIC_TTL));
        assert_eq!(state.topics.known(), 0);
    }

    #[test]
    fn a_topic_without_a_log_leaves_nothing_behind() {
        let mut state = state();
        state
            .publish(&topic("fire:x"), draft(None), START)
            .expect("published");
        assert_eq!(state.topics.known(), 0);
    }

    #[test]
    fn a_topic_that_is_read_or_listened_to_keeps_its_epoch() {
        let mut state = state();
        let (sender, _events) = BrokerEvents::channel();
        let node = state.topics.open_node(sender);
        let (read, heard) = (topic("read"), topic("heard"));
        let top = |state: &mut State, topic: &Topic, now| {
            let page = state.read(topic, From::Now, 0, now).expect("read");
            page.top.expect("a log")
        };
        let before = [top(&mut state, &read, START), top(&mut state, &heard, START)];
        state.topics.attach(node, &heard, START);
        let mut now = START;
        for _ in 0..10 {
            now += ms(TOPIC_TTL) - 1;
            sweep_all(&mut state, now);
            assert_eq!(top(&mut state, &read, now), before[0]);
        }
        assert_eq!(top(&mut state, &heard, now), before[1]);
        state.topics.close_node(node, now);
        sweep_all(&mut state, now + ms(TOPIC_TTL));
        assert_eq!(state.topics.known(), 0);
        assert_ne!(top(&mut state, &read, now + ms(TOPIC_TTL)), before[0]);
    }

    #[test]
    fn the_log_lives_for_its_time_after_the_last_publication() {
        let mut state = state();
        let (name, ttl) = (topic("t"), ms(Namespace::new("t").log_ttl));
        let publish = |state: &mut State, now| {
            let published = state.publish(&name, draft(None), now).expect("published");
            published.position.expect("a log")
        };
        let first = publish(&mut state, START);
        publish(&mut state, START + ttl - 1);
        let read = |state: &mut State, now| {
            state
                .read(&name, From::After(first.into()), 10, now)
                .expect("read")
        };
        assert_eq!(read(&mut state, START + 2 * ttl - 2).publications.len(), 1);
        let page = read(&mut state, START + 2 * ttl - 1);
        assert_eq!((page.publications.len(), page.lost), (0, Some(Lost::Trimmed)));
        assert_eq!(publish(&mut state, START + 2 * ttl).offset, 3);
    }

    #[test]
    fn a_key_is_remembered_for_five_minutes_from_its_first_use() {
        let mut state = state();
        let end = START + ms(KEY_TTL);
        for (now, duplicate) in [(START, false), (end - 1, true), (end, false), (end + 1, true)] {
            let published = state
                .publish(&topic("t"), draft(Some("k")), now)
                .expect("published");
            assert_eq!(
                published.duplicate,
                duplicate,
                "{} ms after the first",
                now - START
            );
        }
    }

    #[test]
    fn a_topic_that_comes_and_goes_is_scheduled_once() {
        let mut state = state();
        let mut now = START;
        for _ in 0..1_000 {
            state
                .publish(&topic("t"), draft(Some("k")), now)
                .expect("published");
            now += ms(KEY_TTL);
            state.sweep(now);
            assert_eq!(state.topics.known(), 1);
        }
    }

    #[test]
    fn an_ended_job_is_forgotten_with_its_topic_and_key() {
        let mut state = state();
        let end = START + ms(QueuePolicy::default().retention);
        let id = finish_one(&mut state, job(Some("k")), START);
        state.sweep(end - 1);
        assert!(state.jobs.get(&id, end - 1).is_ok());
        // Even when nothing was swept yet.
        assert!(state.jobs.get(&id, end).is_err());
        let read = state.read(&Topic::of_job(&id), From::Newest, 1, end);
        assert!(matches!(read, Err(BrokerError::UnknownTopic(_))));
        let again = job(Some("k"));
        let State { topics, jobs } = &mut state;
        let submitted = jobs.submit(topics, again.clone(), end).expect("submitted");
        assert_eq!(
            (
                submitted.record.id,
                submitted.duplicate,
                submitted.position.offset
            ),
            (again.id, false, 1)
        );
    }

    #[test]
    fn ten_thousand_ended_jobs_leave_nothing_behind() {
        let mut state = state();
        for number in 0..10_000 {
            finish_one(&mut state, job(Some(&format!("k{number}"))), START);
        }
        assert_eq!(state.jobs.known(), (10_000, 1));
        sweep_all(&mut state, START + ms(QueuePolicy::default().retention));
        assert_eq!(state.jobs.known(), (0, 0));
        sweep_all(&mut state, START + ms(TOPIC_TTL));
        assert_eq!(state.topics.known(), 0);
    }

    #[test]
    fn a_job_that_waits_for_days_keeps_its_log() {
        let mut state = state();
        let draft = job(None);
        let State { topics, jobs } = &mut state;
        let submitted = jobs.submit(topics, draft, START).expect("submitted");
        let later = START + 30 * ms(TOPIC_TTL);
        sweep_all(&mut state, later);
        let page = state
            .read(&Topic::of_job(&submitted.record.id), From::Now, 0, later)
            .expect("read");
        assert_eq!(page.top, Some(submitted.position));
        assert!(page.snapshot.is_some());
    }

    #[test]
    fn a_job_that_has_waited_long_comes_before_a_new_one_of_higher_priority() {
        let mut state = state();
        let State { topics, jobs } = &mut state;
        let mut submit = |priority, now| {
            let draft = JobDraft {
                priority: Priority::new(priority).expect("in range"),
                ..job(None)
            };
            jobs.submit(topics, draft, now).expect("submitted").record.id
        };
        let step = ms(AGING);
        let low = submit(3, START);
        let soon = submit(4, START + step - 1);
        let late = submit(4, START + step + 1);
        let high = submit(9, START + step + 1);
        let (queue, worker) = (
            QueueName::parse("q").expect("a queue"),
            WorkerId::parse("w").expect("a worker"),
        );
        let limits = (9, Duration::from_secs(1));
        let claims = jobs.claim(topics, &queue, &worker, limits, START + step + 1);
        let order: Vec<JobId> = claims
            .expect("claimed")
            .into_iter()
            .map(|one| one.lease.job)
            .collect();
        assert_eq!(order, [high, soon, low, late]);
    }
}
