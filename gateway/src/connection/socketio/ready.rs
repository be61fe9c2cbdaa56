//! From the outbox to packets that the carrier takes next.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use tidegate_shared::code::CloseCode;

use super::{CHUNK, Client, Ending, Frames, Out, Record, Taken};

impl Client {
    /// Takes from the outbox what the carrier may want soon.
    pub(super) fn fill(&mut self, cx: &mut Context<'_>) {
        while self.ready_bytes < CHUNK && self.ending.is_none() {
            match self.member.outbox.poll_take(cx) {
                Poll::Ready(Taken::Frames(frames)) => self.take(frames),
                Poll::Ready(Taken::Behind(topic, at)) => {
                    let (node, outbox) = (&self.member.node, &self.member.outbox);
                    self.catch_up.start(node, outbox, topic, at);
                    if self.catch_up.poll_done(cx).is_ready() {
                        self.member.outbox.refilled();
                    }
                }
                Poll::Ready(Taken::End(ending)) => self.begin_end(ending),
                Poll::Pending => return,
            }
        }
        if self.ending.is_none() && self.member.outbox.poll_slow(cx).is_ready() {
            self.begin_end(Ending::Slow);
        }
    }

    fn take(&mut self, frames: Frames) {
        self.member.node.outbox_metrics.left(frames.size());
        self.leaving.add(&frames);
        let mut records = frames.into_bytes();
        while let Some(record) = Record::next(&mut records) {
            let mut out = Vec::new();
            let steps = self.conversation.on_record(record, &mut out);
            for packet in out {
                self.make_ready(packet);
            }
            self.carry_out(steps);
        }
    }

    pub(super) fn make_ready(&mut self, packet: Out) {
        self.ready_bytes += packet.size();
        self.ready.push_back(packet);
    }

    fn begin_end(&mut self, ending: Ending) {
        let code = match ending {
            Ending::Slow => {
                self.ready = VecDeque::new();
                self.ready_bytes = 0;
                CloseCode::SlowConsumer
            }
            Ending::Orderly { code, .. } => code,
        };
        // Who is told by its namespaces does not come back by itself.
        if code.number() >= CloseCode::Unauthorized.number() {
            let mut out = Vec::new();
            self.conversation.end(&mut out);
            for packet in out {
                self.make_ready(packet);
            }
        }
        self.ending = Some(code);
    }

    /// What was ready has been taken.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.count_bytes(bytes);
        self.member.sent(&mut self.leaving);
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        let metrics = &self.member.node.outbox_metrics;
        metrics.sent_bytes.inc_by(bytes as u64);
    }
}
