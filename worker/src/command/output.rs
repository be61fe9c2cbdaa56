//! What a program has written: progress passed on, the rest kept up to a limit.

use tidegate_shared::job::{LINE_LIMIT, LogLevel};

use super::process::Event;
use crate::context::Context;
use crate::job::Job;
use crate::lines::{self, Line, Lines, Tail};

/// Of standard output in the result, in bytes: as JSON it is at most twice that.
const OUTPUT_LIMIT: usize = 16 * 1024;
/// Of standard error in the error, in bytes.
const COMPLAINT_LIMIT: usize = 2 * 1024;

pub(super) struct Output {
    out: Lines,
    err: Lines,
    text: Tail,
    complaint: Tail,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            out: Lines::default(),
            err: Lines::default(),
            text: Tail::new(OUTPUT_LIMIT),
            complaint: Tail::new(COMPLAINT_LIMIT),
        }
    }

    pub(super) fn take<J: Job>(
        &mut self,
        event: &Event,
        context: &Context<J>,
        hear: &mut impl FnMut(LogLevel, &str),
    ) {
        match event {
            Event::Out(bytes) => self
                .out
                .push(bytes, |line| said(&mut self.text, line, context, hear)),
            Event::Err(bytes) => self
                .err
                .push(bytes, |line| complained(&mut self.complaint, line, context, hear)),
            Event::Ended => {}
        }
    }

    /// Nothing more will come.
    pub(super) fn end<J: Job>(&mut self, context: &Context<J>, hear: &mut impl FnMut(LogLevel, &str)) {
        self.out.end(|line| said(&mut self.text, line, context, hear));
        self.err
            .end(|line| complained(&mut self.complaint, line, context, hear));
    }

    /// Standard output without progress, and whether that is only the end of it.
    pub(super) fn text(self) -> (String, bool) {
        self.text.finish()
    }

    /// The end of standard error, to be put behind what went wrong.
    pub(super) fn complaint(self) -> String {
        let (text, cut) = self.complaint.finish();
        match (text.trim(), cut) {
            ("", _) => String::new(),
            (text, false) => format!(": {text}"),
            (text, true) => format!(": … {text}"),
        }
    }
}

fn said<J: Job>(
    text: &mut Tail,
    line: Line<'_>,
    context: &Context<J>,
    hear: &mut impl FnMut(LogLevel, &str),
) {
    let progress = line
        .text()
        .and_then(|line| lines::json(line).or_else(|| lines::plain(line)));
    if let Some(progress) = progress {
        context.put(progress);
    } else {
        text.push(line.bytes);
        log(LogLevel::Info, line, context, hear);
    }
}

fn complained<J: Job>(
    complaint: &mut Tail,
    line: Line<'_>,
    context: &Context<J>,
    hear: &mut impl FnMut(LogLevel, &str),
) {
    complaint.push(line.bytes);
    log(LogLevel::Warn, line, context, hear);
}

/// Followers of the job see it at once, up to the limits of log lines.
fn log<J: Job>(level: LogLevel, line: Line<'_>, context: &Context<J>, hear: &mut impl FnMut(LogLevel, &str)) {
    let bytes = &line.bytes[..line.bytes.len().min(LINE_LIMIT)];
    let text = lines::readable(bytes);
    if !text.trim().is_empty() {
        hear(level, &text);
        context.log(level, text);
    }
}
