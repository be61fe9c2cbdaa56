//! A client's call, from its session to the answer.

use std::sync::Arc;

use tidegate_shared::call::{Answer, CALL_TIMEOUT, CallDraft, CallError, Caller};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::json::RawJson;
use tokio::time::{Instant, timeout_at};

use crate::calls::Asker;
use crate::dialect::{CallRequest, Failure, Reply};
use crate::node::Node;
use crate::outbox::Outbox;

/// Gives the answer when everything that was published for it is in the outbox, as far as this client follows
/// it.
pub(super) async fn call(node: &Node, outbox: &Arc<Outbox>, call: CallRequest) -> Reply {
    match answer(node, outbox, call).await {
        Ok(data) => Reply::Result { data },
        Err(failure) => Reply::Failed(failure),
    }
}

async fn answer(node: &Node, outbox: &Arc<Outbox>, call: CallRequest) -> Result<RawJson, Failure> {
    let CallRequest {
        method,
        data,
        timeout,
    } = call;
    let session = outbox.session();
    let identity = node.identity(session);
    let caller = Caller {
        user: identity.as_ref().map(|identity| identity.user.clone()),
        session: Some(session),
        info: identity.and_then(|identity| identity.info.clone()),
    };
    let _place = node.calls.enter(Asker::new(caller.user.clone(), session))?;
    let timeout = timeout.unwrap_or(CALL_TIMEOUT);
    let deadline = Instant::now() + timeout;
    let draft = CallDraft {
        method: method.clone(),
        data,
        caller,
        timeout,
    };
    let Answer { data, after } = node
        .backend
        .calls
        .call(draft)
        .await
        .map_err(|error| refused(&error))?;
    let seen = async {
        for place in &after {
            node.hub.reached(outbox, place).await;
        }
    };
    if timeout_at(deadline, seen).await.is_err() {
        let message = format!("{method} was answered, but what it published did not arrive in time");
        return Err(Failure::new(ErrorCode::Timeout, message));
    }
    Ok(data)
}

fn refused(error: &CallError) -> Failure {
    Failure::new(error.code(), error.to_string())
}
