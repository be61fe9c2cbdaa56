//! The node's own book of who is on which list, and whose turn it is to be asked about at the backend.

use std::collections::VecDeque;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tidegate_shared::name::SessionId;
use tidegate_shared::presence::NewMember;
use tidegate_shared::topic::Topic;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::Attendance;

/// Most seats that wait to be given up. They pile up only while the backend is away; entries beyond are
/// left to their lease.
const LEAVING: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Seats {
    book: Mutex<Book>,
    /// Told whenever a turn ends.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Book {
    /// None of them is empty.
    topics: HashMap<Topic, HashMap<SessionId, Seat>>,
    /// Seats to be given up. Some may be taken again, or gone.
    leaving: VecDeque<(Topic, SessionId)>,
}

#[derive(Debug)]
struct Seat {
    member: NewMember,
    /// Its session is there, or about to be.
    wanted: bool,
    /// The backend is being asked.
    busy: bool,
    /// The backend has it, as far as we know.
    entered: bool,
}

impl Book {
    fn seat(&mut self, topic: &Topic, session: SessionId) -> Option<&mut Seat> {
        self.topics.get_mut(topic)?.get_mut(&session)
    }

    fn remove(&mut self, topic: &Topic, session: SessionId) {
        if let Some(seats) = self.topics.get_mut(topic) {
            seats.remove(&session);
            if seats.is_empty() {
                self.topics.remove(topic);
            }
        }
        if self.topics.is_empty() {
            *self = Self::default();
        }
    }

    /// `false` if there is no room for one more.
    fn give_up(&mut self, topic: &Topic, session: SessionId) -> bool {
        let has_room = self.leaving.len() < LEAVING;
        if has_room {
            self.leaving.push_back((topic.clone(), session));
        } else {
            self.remove(topic, session);
        }
        has_room
    }
}

impl Seats {
    /// Resolves when any turn has ended after this call.
    pub(super) fn ended(&self) -> Notified<'_> {
        self.ended.notified()
    }

    pub(super) fn has(&self, topic: &Topic, session: SessionId) -> bool {
        self.book.lock().seat(topic, session).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.book.lock().topics.is_empty()
    }

    /// Whether somebody is to be taken off now.
    pub(super) fn leave(&self, topic: &Topic, session: SessionId) -> bool {
        let mut book = self.book.lock();
        let Some(seat) = book.seat(topic, session).filter(|seat| seat.wanted) else {
            return false;
        };
        seat.wanted = false;
        // Whoever has the turn sees it at its end.
        !seat.busy && book.give_up(topic, session)
    }

    /// How many seats of each topic the backend should have.
    pub(super) fn counts(&self) -> HashMap<Topic, usize> {
        let book = self.book.lock();
        let settled = |seat: &&Seat| seat.wanted && seat.entered && !seat.busy;
        let count = |seats: &HashMap<SessionId, Seat>| seats.values().filter(settled).count();
        let topics = book.topics.iter();
        topics
            .map(|(topic, seats)| (topic.clone(), count(seats)))
            .collect()
    }

    pub(super) fn count(&self, topic: &Topic) -> usize {
        let book = self.book.lock();
        let seats = book.topics.get(topic).into_iter().flat_map(HashMap::values);
        seats
            .filter(|seat| seat.wanted && seat.entered && !seat.busy)
            .count()
    }

    /// Those who should be on a topic's list.
    pub(super) fn members(&self, topic: &Topic) -> Vec<NewMember> {
        let book = self.book.lock();
        let seats = book.topics.get(topic).into_iter().flat_map(HashMap::values);
        let wanted = seats.filter(|seat| seat.wanted);
        wanted.map(|seat| seat.member.clone()).collect()
    }

    pub(super) fn is_leaving(&self) -> bool {
        !self.book.lock().leaving.is_empty()
    }
}

/// The right to ask the backend about one seat.
pub(super) struct Turn<'a> {
    attendance: &'a Attendance,
    pub(super) topic: Topic,
    pub(super) session: SessionId,
    /// What the backend has said.
    said: Option<Said>,
    is_first: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Entered,
    Left,
}

impl<'a> Turn<'a> {
    /// For a session that comes: `None` if it must wait for another turn's end.
    pub(super) fn to_enter(attendance: &'a Attendance, topic: &Topic, member: &NewMember) -> Option<Self> {
        let mut book = attendance.seats.book.lock();
        let seats = book.topics.entry(topic.clone()).or_default();
        let seat = seats.entry(member.session).or_insert_with(|| Seat {
            member: member.clone(),
            wanted: true,
            busy: false,
            entered: false,
        });
        if seat.busy {
            return None;
        }
        (seat.wanted, seat.busy) = (true, true);
        drop(book);
        Some(Self::new(attendance, topic, member.session, true))
    }

    /// For a session that is there and that the backend has lost.
    pub(super) fn to_enter_again(
        attendance: &'a Attendance,
        topic: &Topic,
        session: SessionId,
    ) -> Option<Self> {
        let mut book = attendance.seats.book.lock();
        let seat = book.seat(topic, session)?;
        if seat.busy || !seat.wanted {
            return None;
        }
        seat.busy = true;
        drop(book);
        Some(Self::new(attendance, topic, session, false))
    }

    /// For the next session that has gone.
    pub(super) fn to_leave(attendance: &'a Attendance) -> Option<Self> {
        let mut book = attendance.seats.book.lock();
        loop {
            let (topic, session) = book.leaving.pop_front()?;
            if let Some(seat) = book.seat(&topic, session)
                && !seat.wanted
                && !seat.busy
            {
                seat.busy = true;
                drop(book);
                return Some(Self::new(attendance, &topic, session, false));
            }
        }
    }

    fn new(attendance: &'a Attendance, topic: &Topic, session: SessionId, is_first: bool) -> Self {
        Self {
            attendance,
            topic: topic.clone(),
            session,
            said: None,
            is_first,
        }
    }

    pub(super) fn entered(&mut self) {
        self.said = Some(Said::Entered);
    }

    pub(super) fn left(&mut self) {
        self.said = Some(Said::Left);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let seats = &self.attendance.seats;
        let mut book = seats.book.lock();
        let mut leaves = false;
        if let Some(seat) = book.seat(&self.topic, self.session) {
            seat.busy = false;
            match self.said {
                Some(Said::Entered) => seat.entered = true,
                Some(Said::Left) => seat.entered = false,
                // It did not come about, or nobody knows.
                None if self.is_first => seat.wanted = false,
                None => {}
            }
            let wanted = seat.wanted;
            if !wanted && self.said == Some(Said::Left) {
                book.remove(&self.topic, self.session);
            } else if !wanted {
                leaves = book.give_up(&self.topic, self.session);
            }
        }
        drop(book);
        if leaves {
            self.attendance.leaving.notify_one();
        }
        seats.ended.notify_waiters();
    }
}
