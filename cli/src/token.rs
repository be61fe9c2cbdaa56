//! `tidegate token`: a token as a gateway accepts it, for trying things out.

use std::process::ExitCode;

use serde_json::{Map, Value, json};
use tidegate_gateway::identity::sign;
use tidegate_shared::clock::since_1970;
use tidegate_shared::config::{Config, Overrides};

use crate::args::Token;
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(
    arguments: &Token,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<ExitCode, Failure> {
    let config = Config::load(arguments.config.as_deref(), environment, Overrides::default())
        .map_err(Failure::Config)?;
    let jwt = config.auth.jwt.ok_or_else(|| {
        Failure::Usage(
            "no secret to sign with: set TIDEGATE_TOKEN_SECRET, or --config to a file with [auth.jwt]"
                .to_owned(),
        )
    })?;
    let info = arguments.info.as_deref().map(info).transpose()?;
    let now = since_1970();
    let mut claims = json!({
        "sub": arguments.user.as_str(),
        "iat": now.as_secs(),
        "exp": (now + arguments.lasts).as_secs(),
    });
    for (name, value) in [
        ("info", info.map(Value::Object)),
        ("aud", jwt.audience.clone().map(Value::String)),
        ("iss", jwt.issuer.clone().map(Value::String)),
    ] {
        if let Some(value) = value {
            claims[name] = value;
        }
    }
    let token = sign(&jwt, &claims).map_err(|error| Failure::Usage(error.to_string()))?;
    output::line(&token)?;
    Ok(ExitCode::SUCCESS)
}

fn info(text: &str) -> Result<Map<String, Value>, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::Usage(format!(
            "--info is no JSON object as {{\"name\":\"Ann\"}}: {error}"
        ))
    })
}
