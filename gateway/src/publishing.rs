//! How much each client publishes over this node, namespace by namespace.

use hashbrown::HashMap;
use parking_lot::Mutex;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::namespace::Namespace;
use tokio::time::Instant;

use crate::calls::Asker;
use crate::dialect::Failure;
use crate::rate::Bucket;

/// Buckets that are kept without looking for those that have run out.
const FEW: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Publishing {
    kept: Mutex<Kept>,
}

/// Never more than twice as many as have published within the last seconds, and a few.
#[derive(Debug)]
struct Kept {
    buckets: HashMap<(Asker, Box<str>), Bucket>,
    look_at: usize,
}

impl Publishing {
    pub(crate) fn new() -> Self {
        let kept = Kept {
            buckets: HashMap::new(),
            look_at: FEW,
        };
        Self {
            kept: Mutex::new(kept),
        }
    }

    /// Whether a client may publish once more.
    pub(crate) fn check(&self, asker: Asker, namespace: &Namespace, now: Instant) -> Result<(), Failure> {
        let limit = namespace.publishes_per_second;
        if limit == 0 {
            return Ok(());
        }
        let mut kept = self.kept.lock();
        if kept.buckets.len() >= kept.look_at {
            kept.buckets.retain(|_, bucket| !bucket.is_empty(now));
            kept.look_at = FEW.max(kept.buckets.len() * 2);
        }
        let bucket = kept.buckets.entry((asker, namespace.name.clone())).or_default();
        if bucket.take(limit, now) {
            return Ok(());
        }
        let name = &namespace.name;
        let message =
            format!("{limit} publications a second are allowed in the namespace `{name}`: wait for a moment");
        Err(Failure::new(ErrorCode::TooManyRequests, message))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidegate_shared::name::SessionId;

    use super::*;

    fn limited(name: &str) -> Namespace {
        let mut namespace = Namespace::new(name);
        namespace.publishes_per_second = 1;
        namespace
    }

    #[test]
    fn each_client_has_its_own_rate_in_each_namespace() {
        let (publishing, now) = (Publishing::new(), Instant::now());
        let one = Asker::Session(SessionId::new());
        let check = |asker: &Asker, name| publishing.check(asker.clone(), &limited(name), now);
        assert_eq!((check(&one, "a"), check(&one, "a")), (Ok(()), Ok(())));
        let refused = check(&one, "a").expect_err("the third at once");
        assert_eq!(refused.code, ErrorCode::TooManyRequests);
        assert_eq!(check(&one, "b"), Ok(()));
        assert_eq!(check(&Asker::Session(SessionId::new()), "a"), Ok(()));
    }

    #[test]
    fn who_has_been_quiet_is_forgotten() {
        let (publishing, start) = (Publishing::new(), Instant::now());
        for step in 0..100_000 {
            let asker = Asker::Session(SessionId::new());
            let now = start + Duration::from_millis(step * 10);
            publishing
                .check(asker, &limited("a"), now)
                .expect("the first of each");
        }
        assert!(publishing.kept.lock().buckets.len() <= FEW);
    }
}
