use super::*;

/// A game of two, played by lines.
struct Game {
    world: World,
    state: State,
    present: Vec<String>,
}

impl Game {
    fn new() -> Self {
        Self {
            world: World::built_in().expect("a world"),
            state: State::default(),
            present: vec!["alice".into(), "bob".into()],
        }
    }

    fn play(&mut self, player: &str, line: &str) -> Outcome {
        let scene = Scene {
            world: &self.world,
            state: &self.state,
            player,
            present: &self.present,
        };
        let outcome = scene.act(&Order::parse(line).expect("an order"));
        for change in outcome.changes.clone() {
            self.state.apply(change);
        }
        outcome
    }

    fn answer(&mut self, player: &str, line: &str) -> String {
        let outcome = self.play(player, line);
        outcome.answers[0].message.clone()
    }
}

#[test]
fn what_is_said_is_heard_in_the_room_and_told_to_the_speaker() {
    let mut game = Game::new();
    let outcome = game.play("alice", "say hi");
    assert_eq!(outcome.answers, [Answer::result("You say, \"hi\"")]);
    assert_eq!(
        outcome.said,
        [Said {
            to: Audience::Room("gate".into()),
            event: "broadcast",
            message: "alice says, \"hi\"".into(),
            except_speaker: true,
        }]
    );
}

#[test]
fn a_thing_is_with_one_player_or_in_one_room() {
    let mut game = Game::new();
    game.play("alice", "north");
    game.play("bob", "north");
    assert_eq!(game.answer("alice", "take notice"), "You take the notice.");
    assert_eq!(game.answer("bob", "take notice"), "You see no notice here.");
    assert_eq!(game.answer("alice", "i"), "You carry: notice.");
    game.play("alice", "south");
    assert_eq!(game.answer("alice", "drop notice"), "You drop the notice.");
    assert_eq!(game.answer("alice", "drop notice"), "You have no notice.");
    game.play("bob", "south");
    assert!(game.answer("bob", "look").contains("You see: notice."));
}

#[test]
fn whoever_moves_is_seen_leaving_and_arriving() {
    let mut game = Game::new();
    let outcome = game.play("alice", "north");
    assert_eq!(outcome.moved, Some(("gate".into(), "square".into())));
    let heard: Vec<_> = outcome
        .said
        .iter()
        .map(|said| (&said.to, said.message.as_str()))
        .collect();
    assert_eq!(
        heard,
        [
            (&Audience::Room("gate".into()), "alice leaves north."),
            (&Audience::Room("square".into()), "alice arrives."),
        ]
    );
    assert_eq!(game.answer("alice", "down"), "You can't go down from here.");
}

#[test]
fn a_whisper_is_for_one_and_a_shout_for_the_zone() {
    let mut game = Game::new();
    let whisper = game.play("alice", "whisper BOB psst");
    assert_eq!(whisper.said[0].to, Audience::Player("bob".into()));
    assert_eq!(game.answer("alice", "whisper eve psst"), "There is no eve here.");
    let shout = game.play("alice", "shout hey");
    assert_eq!(shout.said[0].to, Audience::Zone("village".into()));
    assert!(shout.answers.is_empty(), "its sender hears it as everybody does");
}

#[test]
fn nobody_writes_html() {
    let mut game = Game::new();
    assert_eq!(game.answer("alice", "say <b>"), "You say, \"&lt;b&gt;\"");
    assert_eq!(game.answer("alice", "take <b>"), "You see no &lt;b&gt; here.");
}

#[test]
fn a_player_whose_room_is_gone_begins_anew() {
    let mut game = Game::new();
    game.state.apply(Change::Player {
        name: "alice".into(),
        player: Player {
            room: "atlantis".into(),
            ..Player::default()
        },
    });
    assert!(game.answer("alice", "look").starts_with("The village gate"));
}

#[test]
fn who_walks_by_itself_is_seen_going_once() {
    let world = World::built_in().expect("a world");
    let steps: Vec<_> = (1..=45).flat_map(|number| tick(&world, number)).collect();
    assert_eq!(steps.len(), 2, "{steps:?}");
    assert_eq!(steps[0].to, Audience::Room("square".into()));
    assert_eq!(steps[1].to, Audience::Room("inn".into()));
}
