//! The live map where a node dies.

use anyhow::{Result, ensure};
use system_tests::stack;
use system_tests::wire::{Said, Wire};

const SETTINGS: &str = r#"
[[endpoint]]
path = "/arma/ws"
dialect = "sync"
anonymous = true
[[namespace]]
name = "arma"
kind = "state"
slow = "latest"
"#;

const MARKER: &str = r#"{"type":"enemy","x":500.5,"y":300.2,"user_id":1,"timestamp":"2026-01-01T12:00:00""#;
const PLAYER: &str = r#"{"user_id":1,"username":"Player1","x":450.0,"y":320.0}"#;

async fn connect(port: u16) -> Result<Wire> {
    let connected = Wire::connect(port, "/arma/ws", false).await?;
    connected.map_err(|status| anyhow::anyhow!("refused with {status}"))
}

async fn hears(wire: &mut Wire, text: &str) -> Result<()> {
    let said = wire.next().await?;
    ensure!(said == Said::Text(text.to_owned()), "{said:?} instead of {text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_and_positions_outlive_the_gateway_that_their_client_was_on() -> Result<()> {
    stack()
        .settings(SETTINGS)
        .run(async |stack| {
            let mut sender = connect(stack.gateways[0].port).await?;
            let mut other = connect(stack.gateways[1].port).await?;
            sender
                .send(&format!(r#"{{"type":"marker_add","marker":{MARKER}}}}}"#))
                .await?;
            let whole = format!(r#"{MARKER},"id":"1_2026-01-01T12:00:00"}}"#);
            hears(
                &mut other,
                &format!(r#"{{"type":"marker_added","marker":{whole}}}"#),
            )
            .await?;
            let position = format!(r#"{{"type":"position_update","player":{PLAYER}}}"#);
            sender.send(&position).await?;
            hears(&mut other, &position).await?;

            stack.gateways[0].process.kill();

            let mut late = connect(stack.gateways[1].port).await?;
            hears(
                &mut late,
                &format!(r#"{{"type":"markers_sync","markers":[{whole}]}}"#),
            )
            .await?;
            hears(
                &mut late,
                &format!(r#"{{"type":"positions_sync","positions":[{PLAYER}]}}"#),
            )
            .await?;
            // What was there before the death can be taken away after it.
            late.send(r#"{"type":"marker_remove","marker_id":"1_2026-01-01T12:00:00"}"#)
                .await?;
            hears(
                &mut other,
                r#"{"type":"marker_removed","marker_id":"1_2026-01-01T12:00:00"}"#,
            )
            .await?;
            other.close().await?;
            late.close().await
        })
        .await
}
