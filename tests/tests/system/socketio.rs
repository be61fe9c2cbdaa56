//! Socket.IO on two nodes, of which any request may reach any.

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use system_tests::socketio::{Polling, SocketIo, address};
use system_tests::{Stack, stack};

const SETTINGS: &str = "
[[endpoint]]
path = \"/socket.io/\"
dialect = \"socketio\"
app = \"mud\"
anonymous = true
";

fn ports(stack: &Stack) -> [u16; 2] {
    [stack.gateways[0].port, stack.gateways[1].port]
}

async fn join(client: &mut SocketIo, room: &str) -> Result<()> {
    client.emit("join_room", &json!({ "room_id": room })).await?;
    let joined = client.event("room_joined").await?;
    ensure!(joined == json!({ "room": room }), "{joined}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_carries_them_and_wherever_they_are_clients_in_a_room_see_the_same() -> Result<()> {
    stack()
        .settings(SETTINGS)
        .run(async |stack| {
            let [one, other] = ports(stack);
            let mut clients = [
                SocketIo::polling(&[one, other], "").await?,
                SocketIo::polling(&[stack.nginx.port], "").await?,
                SocketIo::websocket(other).await?,
                SocketIo::upgraded(one, other).await?,
                SocketIo::upgraded(other, other).await?,
            ];
            for client in &mut clients {
                ensure!(client.event("connection_response").await? == json!({ "status": "connected" }));
                join(client, "hall").await?;
            }
            let mut stranger = SocketIo::websocket(one).await?;
            for number in 0..20 {
                let action = json!({ "action": "say", "data": number, "player_id": "p", "room_id": "hall" });
                // Also by who is not in the room, and by who polls.
                let actor = if number % 2 == 0 {
                    &mut stranger
                } else {
                    &mut clients[0]
                };
                actor.emit("player_action", &action).await?;
                let stranger = (number % 2 == 0).then_some(&mut stranger);
                for client in clients.iter_mut().chain(stranger) {
                    let update = client.event("world_update").await?;
                    ensure!(update == action, "{update}");
                }
            }
            let tick = json!({ "topic": "mud:world", "event": "world_tick", "data": { "tick": 1 } });
            let (status, answer) = stack.post("/api/publish", &tick).await?;
            ensure!(status == 200, "{answer}");
            let mut everybody: Vec<&mut SocketIo> = clients.iter_mut().chain([&mut stranger]).collect();
            let ticks = try_join_all(everybody.iter_mut().map(|client| client.event("world_tick"))).await?;
            ensure!(
                ticks.iter().all(|tick| *tick == json!({ "tick": 1 })),
                "{ticks:?}"
            );
            clients[0]
                .emit("leave_room", &json!({ "room_id": "hall" }))
                .await?;
            ensure!(clients[0].event("room_left").await? == json!({ "room": "hall" }));
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_a_node_that_died_comes_back_elsewhere_without_a_gap() -> Result<()> {
    stack()
        .settings(SETTINGS)
        .run(async |stack| {
            let [one, other] = ports(stack);
            let mut actor = SocketIo::websocket(other).await?;
            let mut client = SocketIo::polling(&[one], "").await?;
            join(&mut client, "hall").await?;
            let act = async |actor: &mut SocketIo, number: u32| {
                let action = json!({ "action": "say", "data": number, "room_id": "hall" });
                actor.emit("player_action", &action).await
            };
            act(&mut actor, 1).await?;
            let cursor = loop {
                let packet = client.packet().await?;
                let Some(array) = packet.strip_prefix('2') else {
                    continue;
                };
                let event: Value = serde_json::from_str(array)?;
                if event[0] == "world_update" {
                    break event[2].clone();
                }
            };
            let lost = Polling::open(one).await?;
            // The other node knows the way there.
            ensure!(lost.post(other, "40").await? == (200, "ok".to_owned()));
            stack.gateways[0].process.kill();
            let (status, answer) = lost.get(other).await?;
            ensure!(
                status == 400 && answer == r#"{"code":1,"message":"Session ID unknown"}"#,
                "{status} {answer}"
            );
            act(&mut actor, 2).await?;
            join(&mut actor, "hall").await?;
            act(&mut actor, 3).await?;
            ensure!(actor.event("world_update").await?["data"] == 3);
            let offer = json!({ "pid": client.entered["pid"], "offset": cursor });
            let mut again = SocketIo::polling(&[other], &offer.to_string()).await?;
            ensure!(
                again.entered == client.entered,
                "it is not the same: {}",
                again.entered
            );
            for number in [2, 3] {
                ensure!(again.event("world_update").await?["data"] == number);
            }
            act(&mut actor, 4).await?;
            ensure!(again.event("world_update").await?["data"] == 4);
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense_are_answered_as_engine_io_does() -> Result<()> {
    stack()
        .settings(SETTINGS)
        .run(async |stack| {
            let [one, other] = ports(stack);
            let http = reqwest::Client::new();
            for (query, code) in [
                ("EIO=4&transport=telegraph", 0),
                ("EIO=4&transport=polling&sid=unknown", 1),
                ("EIO=3&transport=polling", 5),
            ] {
                let url = format!("http://127.0.0.1:{one}/socket.io/?{query}");
                let answer = http.get(url).send().await?;
                ensure!(answer.status() == 400, "{query}");
                let answer: Value = serde_json::from_str(&answer.text().await?)?;
                ensure!(answer["code"] == code, "{query}: {answer}");
            }
            let opened_by_post = http.post(address(one, "transport=polling")).send().await?;
            ensure!(opened_by_post.text().await? == r#"{"code":2,"message":"Bad handshake method"}"#);
            // A second poll beside the first ends the session.
            let twice = Polling::open(one).await?;
            let (first, second) = tokio::join!(twice.get(one), twice.get(other));
            let mut statuses = [first?, second?];
            statuses.sort();
            ensure!(statuses[0] == (200, "1".to_owned()), "{statuses:?}");
            ensure!(statuses[1].0 == 400, "{statuses:?}");
            // So does what is no packet.
            let broken = Polling::open(one).await?;
            ensure!(broken.post(other, "rubbish").await?.0 == 400);
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_allowed_origins_may_poll_and_no_others() -> Result<()> {
    stack()
        .settings(SETTINGS)
        .run(async |stack| {
            let [one, _] = ports(stack);
            let page = format!("http://127.0.0.1:{}", stack.nginx.port);
            let http = reqwest::Client::new();
            let url = address(one, "transport=polling");
            let answer = http.get(&url).header("origin", &page).send().await?;
            ensure!(answer.status() == 200);
            ensure!(answer.headers()["access-control-allow-origin"] == page.as_str());
            let asked = http
                .request(reqwest::Method::OPTIONS, &url)
                .header("origin", &page);
            let asked = asked
                .header("access-control-request-headers", "content-type")
                .send()
                .await?;
            ensure!(asked.status() == 204);
            ensure!(asked.headers()["access-control-allow-headers"] == "content-type");
            let refused = http
                .get(&url)
                .header("origin", "https://evil.example")
                .send()
                .await?;
            ensure!(refused.status() == 403);
            ensure!(refused.text().await? == r#"{"code":4,"message":"Forbidden"}"#);
            Ok(())
        })
        .await
}
