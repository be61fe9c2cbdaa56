//! Jobs with followers: submitted when they are due, each followed by several clients on any node. Every follower must
//! be told a contiguous log with one end.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::audit::{contains, field, last_number, number};
use crate::driver::Driver;
use crate::driver::counts::LONGEST;
use crate::driver::turn::PATIENCE;
use crate::frame;
use crate::report::{Following, Latency};
use crate::scenario::JobPlan;

/// Jobs that are under way, and what their followers were told.
pub(super) struct Jobs {
    plan: JobPlan,
    clients: usize,
    /// When those were due that have no topic yet, by the number of their command.
    due: HashMap<u64, u64>,
    by_topic: HashMap<String, Job>,
    next: usize,
    /// To be sent, and by whom.
    pub(super) out: Vec<(usize, Vec<u8>)>,
    following: Following,
    started: Histogram<u64>,
    ended: Histogram<u64>,
}

struct Job {
    due: u64,
    running: bool,
    /// The last offset of each follower; none once it was told the end.
    followers: HashMap<usize, Option<u64>>,
}

impl Jobs {
    fn new(plan: JobPlan, clients: usize) -> Result<Self> {
        Ok(Self {
            plan,
            clients,
            due: HashMap::new(),
            by_topic: HashMap::new(),
            next: 0,
            out: Vec::new(),
            following: Following::default(),
            started: Histogram::new_with_bounds(1, LONGEST, 3)?,
            ended: Histogram::new_with_bounds(1, LONGEST, 3)?,
        })
    }

    /// The command that submits job number `id`. It counts to a hundred, in steps that are its progress.
    fn submit(&mut self, id: u64, due: u64) -> Vec<u8> {
        self.due.insert(id, due);
        self.following.submitted += 1;
        let (step, queue) = (100 / self.plan.steps, id % self.plan.queues);
        let command = format!(
            "{{\"action\":\"submit\",\"id\":{id},\"job\":{{\"queue\":\"q{queue}\",\"type\":\"command\",\"data\":{{\"program\":\"steps\",\
             \"args\":[\"-f\",\"%g%%\",\"{step}\",\"{step}\",\"100\"]}}}}}}"
        );
        frame::masked(frame::TEXT, command.as_bytes())
    }

    /// An answer, or a push, about a job.
    pub(super) fn hear(&mut self, who: usize, text: &[u8], now: u64) {
        let (Some(topic), Some(offset)) = (field_of_topic(text), last_number(text, b"\"offset\":")) else {
            return;
        };
        if contains(text, b"\"type\":\"submitted\"") {
            let due = number(text, b"\"id\":").and_then(|id| self.due.remove(&id));
            let job = Job {
                due: due.unwrap_or(now),
                running: false,
                followers: HashMap::from([(who, Some(offset))]),
            };
            self.by_topic.insert(topic.to_owned(), job);
            for _ in 1..self.plan.followers {
                self.next = (self.next + 1) % self.clients;
                let command = format!("{{\"action\":\"subscribe\",\"id\":1,\"topic\":\"{topic}\"}}");
                self.out
                    .push((self.next, frame::masked(frame::TEXT, command.as_bytes())));
            }
            return;
        }
        let Some(job) = self.by_topic.get_mut(topic) else {
            return;
        };
        let state = field(text, b"\"state\":\"").unwrap_or_default();
        let ended = matches!(state, "succeeded" | "failed" | "cancelled");
        if contains(text, b"\"type\":\"subscribed\"") {
            job.followers.insert(who, Some(offset));
        } else if contains(text, b"\"type\":\"reset\"") {
            // What was missed is told to be missing, and what is so now comes with it.
            job.followers.insert(who, Some(offset));
            self.following.resets += 1;
        } else if let Some(Some(last)) = job.followers.get_mut(&who) {
            // An offset that comes again counts as one that is wrong.
            self.following.missing += if offset > *last { offset - *last - 1 } else { 1 };
            *last = offset;
            self.following.told += 1;
        } else {
            // More than one end, or something after it.
            self.following.missing += 1;
        }
        let since = now.saturating_sub(job.due).max(1);
        if state == "running" && !job.running {
            job.running = true;
            self.started.saturating_record(since);
        }
        if ended && let Some(last) = job.followers.get_mut(&who) {
            *last = None;
            self.following.ends += 1;
            self.following.succeeded += u64::from(state == "succeeded");
            self.ended.saturating_record(since);
        }
    }

    fn expected(&self) -> u64 {
        self.following.submitted * self.plan.followers as u64
    }
}

/// The record of a job may hold anything: its topic is named before or behind it, and is the only one of its kind.
fn field_of_topic(text: &[u8]) -> Option<&str> {
    let from = text
        .windows(13)
        .position(|window| window == b"\"topic\":\"job:")?;
    field(&text[from..], b"\"topic\":\"")
}

impl Driver<'_> {
    pub(super) fn work(&mut self, plan: JobPlan) -> Result<Following> {
        self.bar.set_message("jobs");
        self.bar
            .set_length(Duration::from_secs_f64(self.scenario.seconds).as_secs());
        self.jobs = Some(Jobs::new(plan, self.scenario.clients)?);
        let submitter = self.scenario.clients;
        let begun = Instant::now();
        let end = begun + Duration::from_secs_f64(self.scenario.seconds);
        let interval = Duration::from_secs_f64(1.0 / self.scenario.rate);
        let (mut due, mut id) = (begun, 0);
        while due < end {
            self.wait_until(due)?;
            id += 1;
            let since = u64::try_from((due - self.started).as_nanos())?;
            if let Some(jobs) = &mut self.jobs {
                let command = jobs.submit(id, since);
                self.clients[submitter].send(&command)?;
            }
            due += interval;
            self.bar.set_position((due - begun).as_secs());
            self.turn(Duration::ZERO)?;
        }
        let limit = Instant::now() + PATIENCE;
        let under_way = |jobs: &Jobs| jobs.following.ends < jobs.expected();
        while self.jobs.as_ref().is_some_and(under_way) && Instant::now() < limit {
            self.turn(Duration::from_millis(100))?;
        }
        let jobs = self.jobs.take();
        Ok(jobs.map_or_else(Following::default, |jobs| Following {
            expected_ends: jobs.expected(),
            started: Some(Latency::of(&jobs.started)),
            ended: Some(Latency::of(&jobs.ended)),
            ..jobs.following
        }))
    }

    /// What hearing of jobs has led to.
    pub(super) fn act_on_jobs(&mut self) -> Result<()> {
        let out = self.jobs.as_mut().map(|jobs| std::mem::take(&mut jobs.out));
        for (who, frames) in out.unwrap_or_default() {
            self.clients[who].send(&frames)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_is_told_a_contiguous_log_with_one_end() -> Result<()> {
        let plan = JobPlan {
            followers: 2,
            steps: 10,
            queues: 1,
        };
        let mut jobs = Jobs::new(plan, 5)?;
        jobs.submit(1, 10);
        jobs.hear(
            5,
            br#"{"type":"submitted","id":1,"job":{"state":"queued"},"topic":"job:a","offset":1}"#,
            20,
        );
        assert_eq!(jobs.out.len(), 1, "another follows");
        let subscribed =
            br#"{"type":"subscribed","id":1,"topic":"job:a","offset":2,"snapshot":{"state":"running"}}"#;
        jobs.hear(1, subscribed, 30);
        for (who, offset) in [(5, 2), (5, 3), (1, 3)] {
            let state = if offset == 3 { "succeeded" } else { "running" };
            let text = format!(
                "{{\"type\":\"job\",\"topic\":\"job:a\",\"job\":{{\"state\":\"{state}\"}},\"offset\":{offset}}}"
            );
            jobs.hear(who, text.as_bytes(), 40);
        }
        let told = &jobs.following;
        assert_eq!((told.ends, told.missing, told.told), (jobs.expected(), 0, 3));
        jobs.hear(
            1,
            br#"{"type":"job","topic":"job:a","job":{"state":"failed"},"offset":4}"#,
            50,
        );
        assert_eq!(jobs.following.missing, 1, "nothing comes after the end");
        Ok(())
    }
}
