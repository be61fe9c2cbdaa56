//! What `tidegate dev` says when it is up: where it is, and lines to paste.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tidegate_shared::config::{Config, DialectName, Endpoint};
use tidegate_shared::telemetry::Build;

pub(super) struct Banner {
    /// The gateway, as a browser on this machine reaches it.
    url: String,
    /// Where each endpoint is.
    endpoints: Vec<String>,
    /// How this program is called.
    program: String,
    /// Empty if the client's default leads here; absent if no endpoint speaks what this program does.
    url_flag: Option<String>,
    source: String,
    key_needed: bool,
    redis: bool,
    public: bool,
}

impl Banner {
    pub(super) fn new(address: SocketAddr, config: &Config, redis: bool) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let authority = SocketAddr::new(host, address.port());
        let native = native(config);
        let endpoint = format!("ws://{authority}{}", native.unwrap_or("/ws"));
        let others = config
            .endpoints
            .iter()
            .filter(|one| Some(one.path.as_str()) != native);
        let others = others.map(|one| {
            let is_http = one.dialect == DialectName::HTTP;
            let scheme = if is_http { "http" } else { "ws" };
            format!("{scheme}://{}{}", one.listen.unwrap_or(authority), one.path)
        });
        let endpoints = native
            .map(|_| endpoint.clone())
            .into_iter()
            .chain(others)
            .collect();
        let url = format!("http://{authority}");
        let url_flag = if endpoint == "ws://127.0.0.1:8080/ws" {
            String::new()
        } else if endpoint == format!("ws://{authority}/ws") {
            format!(" --url {url}")
        } else {
            format!(" --url {endpoint}")
        };
        let root = config.worker.backup_roots.first();
        Self {
            url,
            endpoints,
            program: program(),
            url_flag: native.map(|_| url_flag),
            source: root.map(|root| root.display().to_string()).unwrap_or_default(),
            key_needed: !config.auth.api_keys.is_empty(),
            redis,
            public: !address.ip().is_loopback(),
        }
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url,
            program,
            url_flag,
            ..
        } = self;
        let backend = if self.redis { "on Redis" } else { "in memory" };
        let key = if self.key_needed {
            " -H \"Authorization: Bearer $TIDEGATE_API_KEY\""
        } else {
            ""
        };
        let input = shell(&serde_json::json!({ "source": self.source }).to_string());
        let publication = r#"{"topic":"demo","data":{"hi":1}}"#;
        writeln!(f, "Tidegate {} runs {backend}:", Build::VERSION)?;
        writeln!(f)?;
        writeln!(f, "  page       {url}/")?;
        for (number, endpoint) in self.endpoints.iter().enumerate() {
            let title = if number == 0 { "WebSocket" } else { "" };
            writeln!(f, "  {title:<9}  {endpoint}")?;
        }
        writeln!(f, "  HTTP API   {url}/api/")?;
        writeln!(f)?;
        writeln!(f, "Paste into another terminal:")?;
        writeln!(f)?;
        if let Some(url_flag) = url_flag {
            writeln!(f, "  {program} sub demo{url_flag}")?;
            writeln!(f, "  {program} pub demo '{{\"hi\":1}}'{url_flag}")?;
        }
        writeln!(
            f,
            "  curl {url}/api/publish{key} -H 'Content-Type: application/json' -d '{publication}'"
        )?;
        if let Some(url_flag) = url_flag {
            writeln!(f, "  {program} submit backup {input} --follow{url_flag}")?;
        }
        writeln!(f)?;
        if self.public {
            writeln!(f, "Everyone who can reach this port may do everything.")?;
        }
        write!(f, "Ctrl-C ends it.")
    }
}

/// The path of the endpoint that the page and this program can talk to.
pub(super) fn native(config: &Config) -> Option<&str> {
    let speaks = |one: &&Endpoint| one.dialect == DialectName::NATIVE && one.listen.is_none();
    config.endpoints.iter().find(speaks).map(|one| one.path.as_str())
}

/// How to call this program again: by its name if the shell would find it, else by its path.
fn program() -> String {
    const NAME: &str = "tidegate";
    let Ok(path) = std::env::current_exe() else {
        return NAME.into();
    };
    let folders = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&folders).any(|folder| folder.join(NAME).is_file()) {
        return NAME.into();
    }
    let here = std::env::current_dir().unwrap_or_default();
    shell(&path.strip_prefix(&here).unwrap_or(&path).display().to_string())
}

/// Quoted if the shell would take it apart.
fn shell(text: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"/._-:".contains(&b);
    if !text.is_empty() && text.bytes().all(safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(address: &str) -> String {
        let mut config = Config::default();
        config.worker.backup_roots.push("/srv/it's".into());
        Banner::new(address.parse().expect("an address"), &config, false).to_string()
    }

    #[test]
    fn the_lines_to_paste_lead_to_this_process() {
        let usual = shown("127.0.0.1:8080");
        assert!(usual.contains("sub demo\n"), "{usual}");
        assert!(!usual.contains("Everyone"), "{usual}");
        let other = shown("0.0.0.0:9000");
        assert!(
            other.contains("sub demo --url http://127.0.0.1:9000\n"),
            "{other}"
        );
        assert!(
            other.contains("curl http://127.0.0.1:9000/api/publish"),
            "{other}"
        );
        assert!(other.contains("Everyone who can reach this port"), "{other}");
        assert!(
            shown("[::]:9000").contains("http://[::1]:9000/"),
            "IPv6 needs brackets"
        );
    }

    #[test]
    fn without_an_endpoint_for_this_program_no_line_uses_one() {
        let config = Config::parse(
            "t.toml",
            "[[endpoint]]\npath = \"/ws/game/{room}/\"\ndialect = \"rooms\"\n",
        );
        let address = "127.0.0.1:8080".parse().expect("an address");
        let text = Banner::new(address, &config.expect("valid"), false).to_string();
        assert!(
            text.contains("WebSocket  ws://127.0.0.1:8080/ws/game/{room}/\n"),
            "{text}"
        );
        assert!(
            text.contains("curl") && !text.contains("sub demo") && !text.contains("submit"),
            "{text}"
        );
    }

    #[test]
    fn a_path_survives_the_shell() {
        let text = shown("127.0.0.1:8080");
        assert!(
            text.contains(r#"submit backup '{"source":"/srv/it'\''s"}' --follow"#),
            "{text}"
        );
    }
}
