//! What takes no reading.

use tidegate_shared::namespace::SlowPolicy;

use super::promise::{Client, Step, World, block_on};

#[test]
fn who_wants_to_be_where_others_are_joins_without_the_backend() {
    block_on(async {
        let mut world = World::new(Vec::new(), SlowPolicy::Close);
        let join = |client, resume| Step::Join { client, resume };
        for step in [
            join(0, false),
            Step::Turns(50),
            Step::Publish { lost: false },
            Step::Turns(50),
            Step::Fail(true),
            join(1, false),
            Step::Turns(50),
        ] {
            world.take(step).await;
        }
        assert!(
            matches!(world.clients[1], Client::Live(_)),
            "as if for the first time"
        );
        for step in [Step::Leave(1), join(1, true), Step::Turns(50)] {
            world.take(step).await;
        }
        assert!(matches!(world.clients[1], Client::Live(_)), "with its position");
        for step in [
            Step::Leave(1),
            Step::Publish { lost: false },
            Step::Turns(50),
            join(1, true),
            Step::Turns(50),
        ] {
            world.take(step).await;
        }
        assert!(
            matches!(world.clients[1], Client::Away(_)),
            "what it missed must be read"
        );
    });
}
