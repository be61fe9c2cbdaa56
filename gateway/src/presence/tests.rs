//! Coming and going in any order, over a backend that takes its time, fails, and forgets.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use proptest::prelude::*;
use tidegate_shared::broker::BrokerError;
use tidegate_shared::name::SessionId;
use tidegate_shared::presence::{Member, NewMember, Presence};
use tidegate_shared::topic::Topic;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Attendance, roll};

/// The lists, as the only node there is sees them.
struct Lists {
    state: Mutex<State>,
    /// Lists that may be read.
    reads: Semaphore,
}

#[derive(Default)]
struct State {
    there: BTreeSet<(Topic, SessionId)>,
    fails: bool,
    calls: u32,
    reads: u32,
}

impl Lists {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            reads: Semaphore::new(0),
        })
    }

    /// What is sent takes effect, mostly even if nobody hears of it.
    async fn change(
        &self,
        change: impl FnOnce(&mut BTreeSet<(Topic, SessionId)>),
    ) -> Result<(), BrokerError> {
        let (fails, turns) = {
            let mut state = self.state.lock();
            state.calls += 1;
            if !state.fails || !state.calls.is_multiple_of(3) {
                change(&mut state.there);
            }
            (state.fails, state.calls % 4)
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        if fails { Err(away()) } else { Ok(()) }
    }

    fn there(&self) -> BTreeSet<SessionId> {
        self.state
            .lock()
            .there
            .iter()
            .map(|(_, session)| *session)
            .collect()
    }
}

fn away() -> BrokerError {
    BrokerError::Unavailable("it is away".into())
}

#[async_trait]
impl Presence for Lists {
    async fn enter(&self, topic: &Topic, member: NewMember, _: Duration) -> Result<(), BrokerError> {
        self.change(|there| _ = there.insert((topic.clone(), member.session)))
            .await
    }

    async fn leave(&self, topic: &Topic, session: SessionId) -> Result<(), BrokerError> {
        self.change(|there| _ = there.remove(&(topic.clone(), session)))
            .await
    }

    async fn keep(&self, topics: &[Topic], _: Duration) -> Result<Vec<usize>, BrokerError> {
        let state = self.state.lock();
        if state.fails {
            return Err(away());
        }
        let count = |topic: &Topic| state.there.iter().filter(|(one, _)| one == topic).count();
        Ok(topics.iter().map(count).collect())
    }

    async fn members(&self, _: &Topic) -> Result<Vec<Member>, BrokerError> {
        self.state.lock().reads += 1;
        self.reads.acquire().await.expect("open").forget();
        let there = self.there().into_iter();
        Ok(there.map(|session| member(session, 0)).collect())
    }

    async fn count(&self, _: &Topic) -> Result<usize, BrokerError> {
        Ok(self.there().len())
    }
}

fn member(session: SessionId, since: u64) -> Member {
    Member {
        session,
        user: None,
        info: None,
        since,
    }
}

fn newcomer(session: SessionId) -> NewMember {
    NewMember {
        session,
        user: None,
        info: None,
    }
}

fn topic() -> Topic {
    Topic::parse("room:1").expect("valid")
}

#[derive(Debug, Clone)]
enum Step {
    Enter(usize),
    /// Its connection ends, whatever is under way.
    Close(usize),
    /// It unsubscribes, if it is subscribed.
    Leave(usize),
    Fail(bool),
    /// The backend loses everything.
    Forget,
    Keep,
    Turns(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..3_usize;
    prop_oneof![
        6 => client.clone().prop_map(Step::Enter),
        1 => client.clone().prop_map(Step::Close),
        4 => client.prop_map(Step::Leave),
        1 => any::<bool>().prop_map(Step::Fail),
        1 => Just(Step::Forget),
        1 => Just(Step::Keep),
        5 => (1..8_u8).prop_map(Step::Turns),
    ]
}

struct Client {
    session: SessionId,
    entering: Option<JoinHandle<bool>>,
    is_there: bool,
}

impl Client {
    fn new() -> Self {
        Self {
            session: SessionId::new(),
            entering: None,
            is_there: false,
        }
    }

    async fn settle(&mut self, only_if_done: bool) {
        if let Some(entering) = self.entering.take_if(|one| !only_if_done || one.is_finished()) {
            self.is_there = entering.await.expect("no panic");
        }
    }
}

async fn play(steps: Vec<Step>) {
    let lists = Lists::new();
    let attendance = Attendance::new(lists.clone());
    let leaves = attendance.clone();
    let taking_off = tokio::spawn(async move { leaves.take_off().await });
    let mut clients: Vec<Client> = (0..3).map(|_| Client::new()).collect();
    for step in steps {
        for client in &mut clients {
            client.settle(true).await;
        }
        match step {
            Step::Enter(number) => {
                let client = &mut clients[number];
                if client.entering.is_none() && !client.is_there {
                    let (attendance, session) = (attendance.clone(), client.session);
                    client.entering = Some(tokio::spawn(async move {
                        let entered = attendance.enter(&topic(), newcomer(session)).await;
                        entered.map(super::Stay::stay).is_ok()
                    }));
                }
            }
            Step::Close(number) => {
                let client = std::mem::replace(&mut clients[number], Client::new());
                let mut was_there = client.is_there;
                if let Some(entering) = client.entering {
                    entering.abort();
                    was_there |= entering.await.unwrap_or(false);
                }
                if was_there {
                    attendance.leave(&topic(), client.session);
                }
            }
            Step::Leave(number) => {
                let client = &mut clients[number];
                if std::mem::take(&mut client.is_there) {
                    attendance.leave(&topic(), client.session);
                }
            }
            Step::Fail(fails) => lists.state.lock().fails = fails,
            Step::Forget => lists.state.lock().there.clear(),
            Step::Keep => drop(attendance.keep_all(vec![topic()]).await),
            Step::Turns(turns) => {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    lists.state.lock().fails = false;
    for client in &mut clients {
        client.settle(false).await;
    }
    // Time stands still but for this: what is to be done again is done by then.
    tokio::time::sleep(Duration::from_secs(5)).await;
    attendance.keep_all(vec![topic()]).await.expect("it is back");
    let expected: BTreeSet<SessionId> = clients
        .iter()
        .filter(|client| client.is_there)
        .map(|client| client.session)
        .collect();
    assert_eq!(lists.there(), expected);
    assert_eq!(attendance.seats.count(&topic()), expected.len());
    assert_eq!(
        attendance.seats.is_empty(),
        expected.is_empty(),
        "nothing is left over"
    );
    taking_off.abort();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_list_ends_as_the_clients_said_last(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(play(steps));
    }
}

#[tokio::test]
async fn many_who_ask_at_once_share_a_read_that_began_after_they_asked() {
    let lists = Lists::new();
    let attendance = Attendance::new(lists.clone());
    let ask = || {
        let attendance = attendance.clone();
        tokio::spawn(async move { attendance.members(&topic()).await.expect("a list").len() })
    };
    let first = ask();
    while lists.state.lock().reads == 0 {
        tokio::task::yield_now().await;
    }
    lists
        .change(|there| _ = there.insert((topic(), SessionId::new())))
        .await
        .expect("well");
    let later: Vec<_> = (0..1_000).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    lists.reads.add_permits(10);
    first.await.expect("no panic");
    for one in later {
        assert_eq!(one.await.expect("no panic"), 1);
    }
    assert!(lists.state.lock().reads <= 3, "a read for each");
    assert!(attendance.rolls.is_idle());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_the_backend_is_away_does_not_wait_for_ever() {
    let lists = Lists::new();
    let attendance = Attendance::new(lists.clone());
    let session = SessionId::new();
    let entered = attendance.enter(&topic(), newcomer(session)).await;
    entered.expect("well").stay();
    lists.state.lock().fails = true;
    attendance.leave(&topic(), session);
    let leaves = attendance.clone();
    let stop = CancellationToken::new();
    let ended = stop.clone();
    tokio::spawn(async move { ended.run_until_cancelled(leaves.take_off()).await });
    attendance.gone(&topic(), session).await;
    assert!(attendance.seats.has(&topic(), session), "it is tried again");
    lists.state.lock().fails = false;
    attendance.all_gone().await;
    assert!(lists.there().is_empty());
    stop.cancel();
}

#[test]
fn a_list_is_told_up_to_its_limit_and_to_what_an_outbox_takes() {
    let members: Arc<[Member]> = (0..50).map(|number| member(SessionId::new(), number)).collect();
    let told = |limit, budget| {
        let roll = roll(&members, limit, budget);
        assert_eq!(roll.count, 50);
        roll.told().len()
    };
    assert_eq!(told(7, usize::MAX), 7);
    assert_eq!(told(usize::MAX, usize::MAX), 50);
    assert_eq!(told(0, usize::MAX), 0);
    assert!((5..=10).contains(&told(50, 1_000)));
}
