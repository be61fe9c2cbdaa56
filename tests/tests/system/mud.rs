//! The MUD outlives its gateways and workers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use system_tests::served::served;
use system_tests::token::{SECRET, token};
use system_tests::wait::until;
use system_tests::wire::{Said, Wire};
use system_tests::{Stack, stack};

/// For workers to be there.
const START: Duration = Duration::from_secs(40);

fn settings() -> String {
    format!(
        r#"
[auth.jwt]
secret = "{SECRET}"
[[endpoint]]
path = "/ws/game/"
dialect = "rooms"
[[namespace]]
name = "mud"
presence = true
[[namespace]]
name = "mudworld"
kind = "state"
"#
    )
}

struct Player(Wire);

impl Player {
    /// Comes to the game of this node, and is told where it is.
    async fn enter(port: u16, name: &str) -> Result<(Self, Value)> {
        let path = format!("/ws/game/?token={}", token(name));
        let wire = Wire::connect(port, &path, false).await?;
        let mut player = Self(wire.map_err(|status| anyhow::anyhow!("refused with {status}"))?);
        let welcome = player.next().await?;
        ensure!(welcome["type"] == "system", "{welcome}");
        let room = player.next().await?;
        ensure!(room["type"] == "room_description", "{room}");
        Ok((player, room["data"].clone()))
    }

    async fn next(&mut self) -> Result<Value> {
        match self.0.next().await? {
            Said::Text(text) => Ok(serde_json::from_str(&text)?),
            closed @ Said::Closed(_) => anyhow::bail!("{closed:?}"),
        }
    }

    /// The next message of this type.
    async fn hears(&mut self, kind: &str) -> Result<Value> {
        loop {
            let said = self.next().await?;
            if said["type"] == kind {
                return Ok(said);
            }
        }
    }

    /// The next of those lines that are somebody's words.
    async fn hears_words(&mut self) -> Result<String> {
        loop {
            let said = self.hears("broadcast").await?;
            let text = said["message"].as_str().context("text")?;
            if text.contains("says") {
                return Ok(text.to_owned());
            }
        }
    }

    /// Says it, and is told so.
    async fn says(&mut self, words: &str) -> Result<()> {
        self.types(&format!("say {words}")).await?;
        self.hears("command_result").await?;
        Ok(())
    }

    async fn types(&mut self, line: &str) -> Result<()> {
        let command = json!({"type": "command", "command": line});
        self.0.send(&command.to_string()).await
    }
}

/// With two gateways, whose ports it is given, when the game is there.
async fn play(scenario: impl AsyncFnOnce(&mut Stack, &[u16]) -> Result<()>) -> Result<()> {
    stack()
        .workers(2)
        .settings(&settings())
        .run(async |stack| {
            let ports: Vec<u16> = stack.gateways.iter().map(|one| one.port).collect();
            served(ports[1], &["mud.chat"]).await?;
            scenario(stack, &ports).await
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_is_where_it_was_and_has_what_it_had_whatever_was_killed() -> Result<()> {
    play(async |stack, ports| {
        let (mut alice, room) = Player::enter(ports[0], "alice").await?;
        ensure!(room["room_id"] == "gate", "{room}");
        alice.types("north").await?;
        alice.hears("room_description").await?;
        alice.types("take notice").await?;
        alice.hears("command_result").await?;

        stack.workers[0].process.kill();
        stack.gateways[0].process.kill();

        let (mut bob, _) = Player::enter(ports[1], "bob").await?;
        let (mut alice, room) = Player::enter(ports[1], "alice").await?;
        ensure!(room["room_id"] == "square", "{room}");
        bob.types("north").await?;
        let room = bob.hears("room_description").await?;
        ensure!(room["data"]["items"] == json!([]), "{room}");
        alice.types("inventory").await?;
        let hands = alice.hears("command_result").await?;
        let text = hands["message"].as_str().context("text")?;
        ensure!(text == "You carry: notice.", "{text}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_told_what_was_said_meanwhile_and_nothing_twice() -> Result<()> {
    play(async |stack, ports| {
        let (mut bob, _) = Player::enter(ports[1], "bob").await?;
        bob.says("nobody hears this").await?;
        let (mut alice, _) = Player::enter(ports[0], "alice").await?;
        bob.says("hello").await?;
        ensure!(alice.hears_words().await? == "bob says, \"hello\"");

        // It closes, and misses what is said until it is back.
        drop(alice);
        until(START, "alice to be away", async || {
            let (_, answer) = stack.post("/api/presence", &json!({"topic": "mud:all"})).await?;
            Ok((!answer.to_string().contains("alice")).then_some(()))
        })
        .await?;
        bob.says("one").await?;
        bob.says("two").await?;
        let (mut alice, _) = Player::enter(ports[0], "alice").await?;
        ensure!(alice.hears("system").await?["message"] == "While you were away:");
        ensure!(alice.hears_words().await? == "bob says, \"one\"");
        ensure!(alice.hears_words().await? == "bob says, \"two\"");
        alice.says("back").await?;

        // Its node dies, and nobody knows for a while that it is not there.
        stack.gateways[0].process.kill();
        bob.says("three").await?;
        let (mut alice, _) = Player::enter(ports[1], "alice").await?;
        ensure!(alice.hears_words().await? == "bob says, \"three\"");
        bob.says("four").await?;
        ensure!(alice.hears_words().await? == "bob says, \"four\"");
        Ok(())
    })
    .await
}
