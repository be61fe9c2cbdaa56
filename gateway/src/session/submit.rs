//! Submitting a job, and then following it; cancelling one.

use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::{JobDraft, JobId, JobRecord, Submitted};
use tidegate_shared::name::QueueName;
use tidegate_shared::position::Since;
use tidegate_shared::topic::Topic;

use super::lane::Waiting;
use super::{Begun, Effect, Operation, Session, Ticket, Work, refuse};
use crate::dialect::{Failure, JobRequest, Manner, Reply, RequestId};
use crate::permission::{self, Own};

/// The queue of jobs that name none.
const QUEUE: &str = "default";

impl Session {
    pub(super) fn submit(
        &mut self,
        id: Option<RequestId>,
        job: JobRequest,
        manner: Manner,
        effects: &mut Vec<Effect>,
    ) {
        match self.draft(job) {
            Err(failure) => effects.push(Effect::reply("submit", id, Reply::Failed(failure))),
            Ok((mut draft, follow)) => {
                draft.trace = self.trace(manner);
                self.commands += 1;
                self.joining += u16::from(follow);
                self.leave_to_client(&Topic::of_job(&draft.id));
                let ticket = Ticket {
                    id,
                    action: "submit",
                    topic: None,
                };
                let work = Work::Submit {
                    draft: Box::new(draft),
                    follow,
                };
                effects.push(Effect::Start(Box::new(Operation { ticket, work })));
            }
        }
    }

    pub(super) fn cancel(&mut self, id: Option<RequestId>, job: JobId, effects: &mut Vec<Effect>) {
        let only = match self.may_cancel(&job) {
            Ok(only) => only,
            Err(failure) => {
                effects.push(Effect::reply("cancel", id, Reply::Failed(failure)));
                return;
            }
        };
        self.commands += 1;
        let ticket = Ticket {
            id,
            action: "cancel",
            topic: None,
        };
        let work = Work::Cancel { job, only };
        effects.push(Effect::Start(Box::new(Operation { ticket, work })));
    }

    /// The backend has answered.
    pub(super) fn submitted(
        &mut self,
        id: Option<RequestId>,
        job: &JobId,
        result: Result<Box<Submitted>, Failure>,
        follow: bool,
        effects: &mut Vec<Effect>,
    ) {
        let submitted = match result {
            Ok(submitted) => *submitted,
            Err(failure) => {
                // It may have been submitted all the same.
                self.follows.give_back(&Topic::of_job(job));
                self.joining -= u16::from(follow);
                self.commands -= 1;
                effects.push(Effect::reply("submit", id, Reply::Failed(failure)));
                return;
            }
        };
        if submitted.duplicate && !self.sees(&submitted.record) {
            self.joining -= u16::from(follow);
            self.commands -= 1;
            let failure = Failure::new(
                ErrorCode::Conflict,
                "this `key` is that of another job: choose another one",
            );
            effects.push(Effect::reply("submit", id, Reply::Failed(failure)));
            return;
        }
        let topic = Topic::of_job(&submitted.record.id);
        self.leave_to_client(&topic);
        let reply = Reply::Submitted {
            job: Box::new(submitted.record),
            topic: topic.clone(),
            position: submitted.position,
        };
        if follow {
            let waiting = Waiting::Follow {
                id,
                submitted: reply,
                since: submitted.position.into(),
            };
            self.enter(topic, waiting, effects);
        } else {
            self.commands -= 1;
            effects.push(Effect::reply("submit", id, reply));
        }
    }

    pub(super) fn begin_follow(&mut self, topic: &Topic, submitted: Reply, since: Since) -> Begun {
        if self.subscriptions.contains(topic) && !self.follows.has(topic) {
            // The room that was kept for it is not needed.
            self.joining -= 1;
            return Begun::Answered(submitted);
        }
        Begun::Takes(Work::Follow {
            topic: topic.clone(),
            since,
            submitted,
        })
    }

    fn may_cancel(&self, job: &JobId) -> Result<Option<Box<Own>>, Failure> {
        if self.trusted {
            return Ok(None);
        }
        permission::cancel(&self.config, self.who(), job).map(refuse::own)
    }

    /// Whether the client may know of a job that has the key it gave for its own.
    fn sees(&self, job: &JobRecord) -> bool {
        self.trusted || permission::sees(&self.config, self.who(), &job.id, job.user.as_ref())
    }

    fn draft(&self, job: JobRequest) -> Result<(JobDraft, bool), Failure> {
        refuse::job(&self.config, &job)?;
        if job.follow {
            self.check_room()?;
        }
        let queue = match job.queue {
            Some(queue) => queue,
            None => QueueName::parse(QUEUE)
                .map_err(|error| Failure::new(ErrorCode::Internal, error.to_string()))?,
        };
        if !self.trusted {
            permission::submit(&self.config, self.who(), &queue)?;
        }
        let draft = JobDraft {
            key: job.key,
            priority: job.priority,
            user: self.user().cloned(),
            delay: job.delay,
            timeout: job.timeout,
            max_attempts: job.max_attempts,
            concurrency: job.concurrency,
            ..JobDraft::new(&queue, job.kind, job.data)
        };
        Ok((draft, job.follow))
    }
}
