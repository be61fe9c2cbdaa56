//! What systemd is told of a program that it started with `Type=notify`: that it is up, what it waits for, that it
//! still turns, that it ends. Nothing is told where nobody asks for it (no `NOTIFY_SOCKET`).

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::broker::Link;

#[derive(Debug)]
pub struct Supervisor {
    socket: UnixDatagram,
    /// How often it wants to hear that the program still turns.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// Of this environment. None where the program has no supervisor.
    pub fn of(environment: &dyn Fn(&str) -> Option<String>) -> io::Result<Option<Self>> {
        let Some(name) = environment("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let socket = UnixDatagram::unbound()?;
        // A supervisor that does not read must not hold up the program.
        socket.set_nonblocking(true)?;
        socket.connect_addr(&address(&name)?)?;
        let ours = environment("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let limit = environment("WATCHDOG_USEC").and_then(|text| text.parse().ok());
        Ok(Some(Self {
            socket,
            watchdog: limit
                .filter(|_| ours)
                .map(|limit: u64| Duration::from_micros((limit / 2).max(1))),
        }))
    }

    /// Tells it all until dropped. To be called when the program listens, on the runtime that serves: when that
    /// stands still, so does the watchdog.
    pub async fn follow(self, mut link: watch::Receiver<Link>, shutdown: CancellationToken) {
        self.say("READY=1");
        let mut ending = false;
        let mut told = String::new();
        loop {
            let state = status(&link.borrow_and_update(), ending);
            if state != told {
                self.say(&format!("STATUS={state}"));
                told = state;
            }
            let beat = async {
                match self.watchdog {
                    Some(interval) => tokio::time::sleep(interval).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = beat => self.say("WATCHDOG=1"),
                changed = link.changed() => if changed.is_err() {
                    // The backend has ended, and the program is about to.
                    return;
                },
                () = shutdown.cancelled(), if !ending => {
                    ending = true;
                    self.say("STOPPING=1");
                }
            }
        }
    }

    /// What cannot be told is not worth failing for.
    fn say(&self, text: &str) {
        if let Err(error) = self.socket.send(text.as_bytes()) {
            tracing::debug!(%error, "systemd cannot be told");
        }
    }
}

fn address(name: &str) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.strip_prefix('@') {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
    }
    SocketAddr::from_pathname(Path::new(name))
}

fn status(link: &Link, ending: bool) -> String {
    match (ending, link) {
        (true, _) => "ending".into(),
        (false, Link::Up) => "serving".into(),
        (false, Link::Refused(why)) => format!("Redis cannot be used: {}", why.replace('\n', " ")),
        (false, _) => "waiting for Redis".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str, path: &Path) -> Option<String> {
        match name {
            "NOTIFY_SOCKET" => Some(path.display().to_string()),
            "WATCHDOG_USEC" => Some("200000".into()),
            _ => None,
        }
    }

    #[test]
    fn nobody_is_told_where_nobody_asks() {
        assert!(Supervisor::of(&|_| None).expect("no socket").is_none());
    }

    #[tokio::test]
    async fn systemd_is_told_of_the_start_the_state_the_beat_and_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let systemd = tokio::net::UnixDatagram::bind(&path).expect("a socket");
        let supervisor = Supervisor::of(&|name| environment(name, &path))
            .expect("connects")
            .expect("is asked for");
        let (change, link) = watch::channel(Link::Down);
        let shutdown = CancellationToken::new();
        let following = tokio::spawn(supervisor.follow(link, shutdown.clone()));
        let hear = async || {
            let mut buffer = [0; 256];
            let length = systemd.recv(&mut buffer).await.expect("a message");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert_eq!(hear().await, "READY=1");
        assert_eq!(hear().await, "STATUS=waiting for Redis");
        assert_eq!(hear().await, "WATCHDOG=1");
        let next = async |wanted: &str| loop {
            match hear().await {
                beat if beat == "WATCHDOG=1" => {}
                said => break assert_eq!(said, wanted),
            }
        };
        change.send_replace(Link::Up);
        next("STATUS=serving").await;
        shutdown.cancel();
        next("STOPPING=1").await;
        next("STATUS=ending").await;
        assert_eq!(hear().await, "WATCHDOG=1", "while it ends, too");
        drop(change);
        following.await.expect("ends with the backend");
    }
}
