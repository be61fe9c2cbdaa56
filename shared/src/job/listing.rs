//! Pages over the jobs of several queues and states.

use std::fmt;

use crate::job::{JobDesk, JobError, JobId, JobRecord, JobState, Place};
use crate::name::QueueName;

/// Which jobs to list. What is absent means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    pub queue: Option<QueueName>,
    pub state: Option<JobState>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    pub jobs: Vec<JobRecord>,
    /// Where to go on; absent at the end.
    pub next: Option<Cursor>,
}

/// A place in a listing, as clients hand it back: `state~queue`, and, behind it, `~rank~id` of the last job
/// seen there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    state: JobState,
    queue: QueueName,
    after: Option<Place>,
}

/// What is listed first: what runs, then what will, then what is over.
const ORDER: [JobState; 7] = [
    JobState::Running,
    JobState::Queued,
    JobState::Retrying,
    JobState::Scheduled,
    JobState::Failed,
    JobState::Cancelled,
    JobState::Succeeded,
];

/// Lists looked at for one page; then it ends, even if it is not full.
const LOOKS: usize = 64;

/// A page of jobs: sorted by state, then queue, then as [`JobDesk::shelf`] says. It may have fewer jobs than
/// `limit` and still a next one.
pub async fn list(
    desk: &dyn JobDesk,
    filter: &JobFilter,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<JobPage, JobError> {
    let queues: Vec<QueueName> = match &filter.queue {
        Some(queue) => vec![queue.clone()],
        None => desk.queues().await?.into_iter().map(|queue| queue.name).collect(),
    };
    let states = ORDER
        .into_iter()
        .filter(|state| filter.state.is_none_or(|one| one == *state));
    let mut left: Vec<Cursor> = states
        .flat_map(|state| queues.iter().map(move |queue| Cursor::start(state, queue)))
        .collect();
    if let Some(cursor) = cursor {
        let begin = left.iter().position(|one| one.place() >= cursor.place());
        left.drain(..begin.unwrap_or(left.len()));
        if let Some(first) = left.first_mut().filter(|first| first.place() == cursor.place()) {
            *first = cursor.clone();
        }
    }
    let mut jobs = Vec::new();
    let mut lists = left.into_iter().peekable();
    for _ in 0..LOOKS {
        let Some(at) = lists.peek_mut().filter(|_| jobs.len() < limit) else {
            break;
        };
        let shelf = desk
            .shelf(&at.queue, at.state, at.after.as_ref(), limit - jobs.len())
            .await?;
        jobs.extend(shelf.jobs);
        match shelf.next {
            Some(place) => at.after = Some(place),
            None => drop(lists.next()),
        }
    }
    Ok(JobPage {
        jobs,
        next: lists.next(),
    })
}

impl Cursor {
    fn start(state: JobState, queue: &QueueName) -> Self {
        Self {
            state,
            queue: queue.clone(),
            after: None,
        }
    }

    fn place(&self) -> (Option<usize>, &str) {
        let state = ORDER.iter().position(|state| *state == self.state);
        (state, self.queue.as_str())
    }

    /// `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (state, rest) = text.split_once('~')?;
        let state = ORDER.into_iter().find(|one| one.name() == state)?;
        let mut parts = rest.split('~');
        let (queue, rank, id) = (parts.next()?, parts.next(), parts.next());
        let after = match (rank, id) {
            (None, None) => None,
            (Some(rank), Some(id)) => Some(Place {
                rank: rank.parse().ok()?,
                id: JobId::parse(id).ok()?.as_str().to_owned(),
            }),
            _ => return None,
        };
        (parts.next().is_none()).then_some(Self {
            state,
            queue: QueueName::parse(queue).ok()?,
            after,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.state, self.queue)?;
        match &self.after {
            Some(place) => write!(f, "~{}~{}", place.rank, place.id),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_wire_and_rubbish_is_none() {
        let queue = QueueName::parse("mud.ticks").expect("valid");
        let mut cursor = Cursor::start(JobState::Queued, &queue);
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor.clone()));
        cursor.after = Some(Place {
            rank: -17,
            id: JobId::new(&queue).to_string(),
        });
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for text in [
            "",
            "queued",
            "queued~",
            "queued~q~1",
            "queued~q~x~y",
            "dead~q",
            "queued~q~1~x",
        ] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
