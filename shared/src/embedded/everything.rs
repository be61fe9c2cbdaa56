use crate::embedded::calls::CallBook;
use crate::embedded::fleet::Fleet;
use crate::embedded::rooms::Rooms;
use crate::embedded::state::{SWEEP, State};
use crate::namespace::Namespaces;

/// All that the store's lock guards.
#[derive(Debug)]
pub(super) struct Everything {
    pub(super) state: State,
    pub(super) rooms: Rooms,
    pub(super) fleet: Fleet,
    pub(super) calls: CallBook,
    /// When the store wakes up by itself.
    alarm: u64,
}

impl Everything {
    pub(super) fn new(namespaces: Namespaces) -> Self {
        Self {
            state: State::new(namespaces),
            rooms: Rooms::default(),
            fleet: Fleet::default(),
            calls: CallBook::default(),
            alarm: u64::MAX,
        }
    }

    /// Forgets some of what has had its time.
    pub(super) fn sweep(&mut self, now: u64) {
        self.state.sweep(now);
        self.rooms.sweep(&mut self.state.topics, now, SWEEP);
    }

    /// When something has had its time next.
    fn due(&self) -> u64 {
        self.state.topics.due().min(self.rooms.due())
    }

    /// Sets the alarm to what is due next. Gives when that is.
    pub(super) fn set_alarm(&mut self) -> u64 {
        self.alarm = self.due();
        self.alarm
    }

    /// Something is due before the alarm.
    pub(super) fn is_early(&self) -> bool {
        self.due() < self.alarm
    }
}
