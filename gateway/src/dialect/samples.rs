//! What the tests of dialects have in common: somebody who speaks, and something that was published.

use tidegate_shared::name::SessionId;
use tidegate_shared::publication::{Body, Publication};
use tidegate_shared::topic::Topic;

use super::{Dialect, Entrance, Speaker};

pub(super) fn entrance(app: &str) -> Entrance {
    Entrance {
        app: app.into(),
        ..Entrance::default()
    }
}

/// Nobody in particular, in 1970.
pub(super) fn speaker(entrance: &Entrance) -> Speaker<'_> {
    Speaker {
        entrance,
        user: None,
        session: SessionId::new(),
        time_ms: 0,
    }
}

/// What clients are told of this.
pub(super) fn encoded(dialect: &dyn Dialect, topic: &str, time_ms: u64, body: Body) -> String {
    let publication = Publication {
        topic: Topic::parse(topic).expect("a topic"),
        place: None,
        time_ms,
        body,
        exclude: None,
        trace: None,
    };
    let mut out = Vec::new();
    dialect.encode_publication(&publication, &mut out);
    String::from_utf8(out).expect("text")
}
