//! What spans say of the steps that a node takes for clients and programs alike, and what follows from a step.

use tidegate_shared::broker::Draft;
use tidegate_shared::job::JobDraft;
use tidegate_shared::topic::Topic;
use tidegate_shared::trace::Span;

/// Of this step the publication is.
pub(crate) fn publish(mut span: Option<Span>, topic: &Topic, draft: &mut Draft) -> Option<Span> {
    if let Some(span) = &mut span {
        span.note("messaging.system", "tidegate");
        span.note("messaging.destination.name", topic);
    }
    draft.trace = span.as_ref().map(Span::context);
    span
}

/// Of this step the job is.
pub(crate) fn submit(mut span: Option<Span>, draft: &mut JobDraft) -> Option<Span> {
    if let Some(span) = &mut span {
        span.note("tidegate.job.type", &draft.kind);
        span.note("tidegate.job.id", &draft.id);
    }
    draft.trace = span.as_ref().map(Span::context);
    span
}
