//! Waiting for workers to say what they serve.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::stack::post;
use crate::wait::until;

const START: Duration = Duration::from_secs(40);

/// Until each of the methods is answered at this port, if only to say what is wrong.
pub async fn served(port: u16, methods: &[&str]) -> Result<()> {
    for method in methods {
        until(START, method, async || {
            let body = json!({ "method": method, "data": {} });
            let (_, answer) = post(port, "/api/call", &body).await?;
            Ok((!answer.to_string().contains("no_worker")).then_some(()))
        })
        .await?;
    }
    Ok(())
}
