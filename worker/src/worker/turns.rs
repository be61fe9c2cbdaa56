//! Which queue is asked first, and for how much of what is free, so that each gets its weight's share of this
//! worker while all have jobs. A queue that has none saves nothing up for later.

/// What of a queue has been served, in steps that are smaller the more weight it has.
#[derive(Debug)]
pub(crate) struct Turns {
    queues: Vec<Turn>,
    /// Where the queue stood that was served last: how far the others are, too, if they had jobs.
    now: f64,
}

#[derive(Debug)]
struct Turn {
    weight: u32,
    served: f64,
}

impl Turns {
    pub(crate) fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let queues = weights.into_iter().map(|weight| Turn {
            weight: weight.max(1),
            served: 0.0,
        });
        Self {
            queues: queues.collect(),
            now: 0.0,
        }
    }

    /// The queues in the order of this round, the one that is owed most first.
    pub(crate) fn round(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.queues.len()).collect();
        // Stable, so equals are asked as the configuration names them.
        order.sort_by(|one, other| self.queues[*one].served.total_cmp(&self.queues[*other].served));
        order
    }

    /// How many to ask the first of these queues for, with so much free.
    pub(crate) fn share(&self, order: &[usize], free: usize) -> usize {
        let weight = |queue: &usize| u64::from(self.queues[*queue].weight);
        let all: u64 = order.iter().map(weight).sum();
        let free = u64::try_from(free).unwrap_or(u64::MAX);
        let share = free
            .saturating_mul(order.first().map_or(0, weight))
            .div_ceil(all.max(1));
        usize::try_from(share).unwrap_or(usize::MAX)
    }

    /// So many jobs of a queue were started.
    pub(crate) fn served(&mut self, queue: usize, jobs: usize) {
        let Some(turn) = self.queues.get_mut(queue) else {
            return;
        };
        if jobs == 0 {
            turn.served = turn.served.max(self.now);
        } else {
            self.now = self.now.max(turn.served);
            #[expect(clippy::cast_precision_loss, reason = "a worker starts few at once")]
            let steps = jobs as f64 / f64::from(turn.weight);
            turn.served += steps;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a worker with room for `free` jobs starts in so many rounds, all queues but `empty` having jobs.
    fn started(turns: &mut Turns, rounds: usize, free: usize, empty: Option<usize>) -> Vec<usize> {
        let mut started = vec![0; turns.queues.len()];
        for _ in 0..rounds {
            let (order, mut left) = (turns.round(), free);
            for at in 0..order.len() {
                let share = turns.share(&order[at..], left);
                if share == 0 {
                    break;
                }
                let got = if Some(order[at]) == empty { 0 } else { share };
                turns.served(order[at], got);
                started[order[at]] += got;
                left -= got;
            }
        }
        started
    }

    #[test]
    fn each_queue_gets_the_share_of_its_weight() {
        for free in [1, 2, 3, 16] {
            let mut turns = Turns::new([3, 1]);
            let got = started(&mut turns, 400, free, None);
            assert!(
                got[0].abs_diff(got[1] * 3) <= 3 * free,
                "{got:?} with {free} free"
            );
        }
    }

    #[test]
    fn what_an_empty_queue_does_not_take_is_shared_by_the_others() {
        let mut turns = Turns::new([1, 1, 1]);
        let got = started(&mut turns, 300, 1, Some(0));
        assert!(got[0] == 0 && got[1].abs_diff(got[2]) <= 1, "{got:?}");
        let got = started(&mut turns, 30, 1, None);
        assert!(got[0] <= 11, "an empty queue has saved up turns: {got:?}");
    }
}
