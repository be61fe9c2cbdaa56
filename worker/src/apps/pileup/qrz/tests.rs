//! The account against a server of the test's own, which answers as QRZ.com documents it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use serde_json::json;
use tidegate_shared::config::{Qrz, Secret};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{Account, Directory, Holder, Nobody, Unknown, directory, shown};
use crate::apps::pileup::callsign::Callsign;

#[derive(Clone, Default)]
struct Counts {
    logins: Arc<AtomicUsize>,
    questions: Arc<AtomicUsize>,
}

#[derive(serde::Deserialize)]
struct Asked {
    username: Option<String>,
    password: Option<String>,
    s: Option<String>,
    callsign: Option<String>,
}

async fn answer(State(counts): State<Counts>, Query(asked): Query<Asked>) -> String {
    let session =
        |inside: String| format!("<QRZDatabase version=\"1.34\"><Session>{inside}</Session></QRZDatabase>");
    if let (Some(user), Some(password)) = (&asked.username, &asked.password) {
        if (user.as_str(), password.as_str()) != ("me & you", "p&w") {
            return session("<Error>Username/password incorrect</Error>".into());
        }
        let number = counts.logins.fetch_add(1, Ordering::SeqCst) + 1;
        return session(format!("<Key>key{number}</Key>"));
    }
    counts.questions.fetch_add(1, Ordering::SeqCst);
    let key = format!("key{}", counts.logins.load(Ordering::SeqCst));
    if asked.s.as_deref() != Some(&key) {
        return session("<Error>Session Timeout</Error>".into());
    }
    match asked.callsign.as_deref() {
        Some("W1AW") => format!(
            "<QRZDatabase><Callsign><call>W1AW</call><fname>Hiram</fname><name>Maxim</name><addr2>Newington</addr2>\
             <country>United States</country><land>USA &amp; more</land></Callsign><Session><Key>{key}</Key></Session></QRZDatabase>"
        ),
        // The key ends with this one.
        Some("K9A") => {
            counts.logins.fetch_add(1, Ordering::SeqCst);
            session(format!("<Key>{key}</Key><Error>Not found: K9A</Error>"))
        }
        _ => session(format!("<Key>{key}</Key><Error>Not found</Error>")),
    }
}

struct StandIn {
    url: String,
    counts: Counts,
    _server: AbortOnDropHandle<()>,
}

impl StandIn {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/xml", listener.local_addr().expect("bound"));
        let counts = Counts::default();
        let router = Router::new()
            .route("/xml", get(answer))
            .with_state(counts.clone());
        let serving = async move {
            let _ = axum::serve(listener, router).await;
        };
        Self {
            url,
            counts,
            _server: AbortOnDropHandle::new(tokio::spawn(serving)),
        }
    }

    fn account(&self, password: &str) -> Account {
        Account::new("me & you", &Secret::new(password), Some(&self.url))
    }

    fn counted(&self) -> (usize, usize) {
        let of = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (of(&self.counts.logins), of(&self.counts.questions))
    }
}

fn sign(text: &str) -> Callsign {
    Callsign::parse(text).expect("a callsign")
}

#[tokio::test]
async fn a_holder_is_found_with_one_session_and_remembered() {
    let stand_in = StandIn::open().await;
    let account = stand_in.account("p&w");
    let found = account.look_up(&sign("W1AW")).await;
    let holder = Holder {
        name: Some("Hiram Maxim".into()),
        address: Some("Newington, United States".into()),
        dxcc_name: Some("USA & more".into()),
        image: None,
    };
    assert_eq!(found, Ok(holder.clone()));
    assert_eq!(account.look_up(&sign("W1AW")).await, Ok(holder));
    assert_eq!(stand_in.counted(), (1, 1), "the second time nobody is asked");
    assert_eq!(
        account.look_up(&sign("G4XYZ")).await,
        Err(Unknown("Not found".into()))
    );
    assert_eq!(
        account.look_up(&sign("G4XYZ")).await,
        Err(Unknown("Not found".into()))
    );
    assert_eq!(stand_in.counted(), (1, 2), "nor if nobody has it");
}

#[tokio::test]
async fn a_session_that_has_ended_is_begun_anew() {
    let stand_in = StandIn::open().await;
    let account = stand_in.account("p&w");
    let unknown = Err(Unknown("Not found: K9A".into()));
    assert_eq!(account.look_up(&sign("K9A")).await, unknown);
    assert!(account.look_up(&sign("W1AW")).await.is_ok());
    assert_eq!(
        stand_in.counted(),
        (3, 3),
        "the key had ended: one more login, and the question again"
    );
}

#[tokio::test]
async fn without_an_answer_nobody_is_asked_for_a_while() {
    let stand_in = StandIn::open().await;
    let account = stand_in.account("wrong");
    let Err(Unknown(why)) = account.look_up(&sign("W1AW")).await else {
        panic!("with a wrong password nothing is known");
    };
    assert_eq!(why, "QRZ.com authentication failed: Username/password incorrect");
    let again = account.look_up(&sign("K9A")).await;
    assert_eq!(again, Err(Unknown("QRZ.com did not answer a moment ago".into())));
    let gone = Account::new("me", &Secret::new("x"), Some("http://127.0.0.1:1/"));
    let Err(Unknown(why)) = gone.look_up(&sign("W1AW")).await else {
        panic!("nobody is there");
    };
    assert!(
        why.starts_with("QRZ.com cannot be asked: ") && !why.contains("127.0.0.1"),
        "{why}"
    );
}

#[tokio::test]
async fn without_an_account_it_is_said_so() {
    let found = Nobody.look_up(&sign("W1AW")).await;
    let told = shown(&sign("w1aw"), &found);
    assert_eq!(
        told,
        json!({"callsign": "W1AW", "name": null, "address": null, "dxcc_name": null,
               "error": "QRZ.com credentials not configured"})
    );
    let half = Qrz {
        username: Some("me".into()),
        ..Qrz::default()
    };
    assert_eq!(directory(&half).look_up(&sign("W1AW")).await, found);
}
