//! `--check`: what a start would find, said line by line.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{anyhow, bail};
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::Link;
use tidegate_shared::config::Config;
use tidegate_shared::tls::Certificates;

use crate::args::Args;

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The configuration has been read already. Connects and reports on standard output.
pub(crate) async fn check(args: &Args, config: &Config, backend: &Backend) -> anyhow::Result<()> {
    say(&described(args, config))?;
    for files in [&config.gateway.tls, &config.gateway.admin_tls]
        .into_iter()
        .flatten()
    {
        Certificates::load(files, Some(&config.gateway.peers))?;
        say(&format!("tls: {} can be used", files.cert.display()))?;
    }
    if args.embedded {
        return say("redis: not used (--embedded)");
    }
    let place = without_password(&config.redis.url);
    let mut link = backend.broker.link();
    let answered = link.wait_for(|link| matches!(link, Link::Up | Link::Refused(_)));
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(Ok(link)) => match &*link {
            Link::Refused(why) => bail!("redis: {place} cannot be used: {why}"),
            _ => say(&format!("redis: {place} can be used")),
        },
        Ok(Err(_)) => Err(anyhow!("redis: the connection to {place} was given up")),
        Err(_) => Err(anyhow!(
            "redis: {place} did not answer within {} s; is it running, and is this its address?",
            PATIENCE.as_secs()
        )),
    }
}

fn described(args: &Args, config: &Config) -> String {
    let mut text = match &args.config {
        Some(file) => format!("configuration: {} is fine", file.display()),
        None => "configuration: fine".to_owned(),
    };
    let gateway = &config.gateway;
    let _ = write!(
        text,
        "\nlisten: clients on {}, probes and metrics on {}",
        gateway.listen, gateway.admin_listen
    );
    for endpoint in &config.endpoints {
        let _ = write!(
            text,
            "\nendpoint: {}, {}",
            endpoint.path,
            match (
                endpoint.anonymous,
                config.auth.jwt.is_some(),
                config.auth.users.is_empty()
            ) {
                (true, ..) => "open to anyone who reaches it, as far as `anyone` may",
                (false, true, true) => "for clients with a token",
                (false, true, false) => "for clients with a token or a password",
                (false, false, false) => "for clients with a password",
                (false, false, true) => "closed: neither tokens nor users are known",
            }
        );
    }
    let keys = match config.auth.api_keys.len() {
        0 => "closed, no API key is set".to_owned(),
        1 => "1 key".to_owned(),
        many => format!("{many} keys"),
    };
    let _ = write!(text, "\n/api: {keys}");
    text
}

/// The address alone.
fn without_password(url: &str) -> &str {
    url.rsplit_once('@').map_or_else(
        || url.split_once("://").map_or(url, |(_, rest)| rest),
        |(_, rest)| rest,
    )
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(without_password("redis://user:p@ss@host:6379/1"), "host:6379/1");
        assert_eq!(without_password("redis://127.0.0.1:6379"), "127.0.0.1:6379");
    }
}
