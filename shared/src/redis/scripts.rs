//! The Lua scripts: each transition is one, sent by its digest. They are loaded whenever a connection is
//! made, and again when Redis says that it does not know one.

use fred::clients::Client;
use fred::interfaces::{FredResult, LuaInterface};
use futures_util::future::try_join_all;
use parking_lot::RwLock;

macro_rules! scripts {
    ($($name:ident = $text:literal, [$($part:literal),*];)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(super) enum Script { $($name),* }

        impl Script {
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name in metrics.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            fn source(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($(include_str!(concat!("lua/", $part, ".lua")), "\n",)*
                        include_str!(concat!("lua/", $text, ".lua")))),*
                }
            }
        }
    };
}

scripts! {
    Publish = "publish", ["time", "topic"];
    Announce = "announce", [];
    Read = "read", ["page"];
    Change = "change", ["time", "topic", "state", "page"];
    View = "view", ["time", "topic", "state", "page"];
    Sweep = "sweep", ["time", "topic", "state"];
    Enter = "enter", ["time", "topic", "presence"];
    Leave = "leave", ["time", "topic", "presence"];
    Keep = "keep", ["time", "topic", "presence"];
    Present = "present", ["time", "topic"];
    Register = "register", ["time", "topic"];
    Registered = "registered", ["time", "topic"];
    Submit = "submit", ["time", "record", "job", "wake", "place", "ready", "create"];
    Claim = "claim", ["time", "record", "job", "wake", "place", "ready", "room"];
    Heartbeat = "heartbeat", ["time", "record"];
    Progress = "progress", ["time", "record", "job"];
    Finish = "finish", ["time", "record", "job", "wake", "place", "parts", "ready", "room", "ending"];
    Checkpoint = "checkpoint", ["record"];
    Log = "log", ["time", "topic", "record"];
    Fail = "fail", ["time", "record", "job", "wake", "place", "parts", "ready", "room", "ending", "history", "failing"];
    Release = "release", ["time", "record", "job", "wake", "place", "parts", "ready", "room", "ending", "history"];
    Cancel = "cancel", ["time", "record", "job", "wake", "place", "parts", "ready", "room", "ending"];
    Promote = "promote", ["time", "record", "job", "wake", "place", "parts", "ready", "room"];
    Reclaim = "reclaim", ["time", "record", "job", "wake", "place", "parts", "ready", "room", "ending", "history", "failing"];
    Redrive = "redrive", ["time", "record", "job", "wake", "place", "parts", "ready"];
    Purge = "purge", [];
    Pause = "pause", ["wake"];
    Records = "records", [];
    Depths = "depths", [];
    Own = "own", [];
    Schedule = "schedule", [];
    Unschedule = "unschedule", [];
    Scheduled = "scheduled", ["time", "topic"];
    Tick = "tick", ["time", "record", "job", "wake", "place", "parts", "ready", "create"];
    Get = "get", [];
    Ask = "ask", ["time", "topic"];
    Take = "take", ["time", "topic"];
    Answered = "answered", [];
    Withdraw = "withdraw", [];
    Serve = "serve", ["time", "topic"];
    Retire = "retire", [];
    Calling = "calling", [];
}

/// The digests Redis gave.
#[derive(Debug)]
pub(super) struct Scripts {
    digests: RwLock<[Option<Box<str>>; Script::ALL.len()]>,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            digests: RwLock::new([const { None }; Script::ALL.len()]),
        }
    }
}

impl Scripts {
    pub(super) async fn load_all(&self, client: &Client) -> FredResult<()> {
        try_join_all(Script::ALL.iter().map(|&script| self.load(client, script))).await?;
        Ok(())
    }

    pub(super) async fn load(&self, client: &Client, script: Script) -> FredResult<()> {
        let digest: String = client.script_load(script.source()).await?;
        self.digests.write()[script as usize] = Some(digest.into());
        Ok(())
    }

    /// Its digest. Empty before it was loaded, which Redis does not know either.
    pub(super) fn digest(&self, script: Script) -> String {
        self.digests.read()[script as usize]
            .as_deref()
            .unwrap_or_default()
            .to_owned()
    }
}
