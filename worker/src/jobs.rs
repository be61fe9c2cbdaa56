//! Jobs as code on a worker submits and looks at them, whoever does them.

use tidegate_shared::control::{Message, News, Place, Say};
use tidegate_shared::job::{
    Cursor, JobDraft, JobError, JobFilter, JobId, JobPage, JobRecord, Submitted, list,
};
use tidegate_shared::position::Since;

use crate::topics::Topics;

impl Topics {
    /// Puts a job into its queue. If it is a user's, the user's sessions follow it, as if the user had
    /// submitted it.
    pub async fn submit(&self, draft: JobDraft) -> Result<Submitted, JobError> {
        if let Some(why) = self.fenced() {
            return Err(JobError::Unavailable(why));
        }
        let submitted = self.backend.jobs.submit(draft).await?;
        let record = &submitted.record;
        if let Some(user) = record.user.clone().filter(|_| !record.state.is_terminal()) {
            let begin = Since {
                epoch: submitted.position.epoch,
                offset: submitted.position.offset.saturating_sub(1),
                tag: None,
            };
            let news = News {
                user,
                job: record.id.clone(),
                since: (!submitted.duplicate).then(|| Place::from(begin)),
                anew: false,
            };
            let message = Message {
                from: None,
                number: 0,
                say: Say::Jobs { news: vec![news] },
            };
            if let Err(error) = self.backend.nodes.tell(message.encode()).await {
                tracing::debug!(%error, "nodes could not be told of a job; they find it in its user's list");
            }
        }
        Ok(submitted)
    }

    /// A job as it is now.
    pub async fn job(&self, id: &JobId) -> Result<JobRecord, JobError> {
        self.backend.jobs.get(id).await
    }

    /// Wants a job to end. Gives it as it then is: cancelled, or, while its handler is being told, marked.
    pub async fn cancel(&self, id: &JobId) -> Result<JobRecord, JobError> {
        if let Some(why) = self.fenced() {
            return Err(JobError::Unavailable(why));
        }
        self.backend.jobs.cancel(id).await
    }

    /// A page of jobs: what runs, then what will, then what is over.
    pub async fn jobs(
        &self,
        filter: &JobFilter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<JobPage, JobError> {
        list(&*self.backend.desk, filter, after, limit).await
    }
}
