//! What requests were refused with. An answer that is a problem document carries its code to here.

use axum::response::Response;
use prometheus::{IntCounterVec, Opts, Registry};
use tidegate_shared::code::ErrorCode;

#[derive(Debug, Clone)]
pub(super) struct Refused {
    requests: IntCounterVec,
}

impl Refused {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let options = Opts::new(
            "tidegate_requests_refused_total",
            "Requests of the client port that were answered with a problem document, by the name of its code",
        );
        let requests = IntCounterVec::new(options, &["code"])?;
        for code in ErrorCode::ALL {
            requests.with_label_values(&[code.name()]);
        }
        registry.register(Box::new(requests.clone()))?;
        Ok(Self { requests })
    }

    pub(super) fn count(&self, response: &Response) {
        if let Some(code) = response.extensions().get::<ErrorCode>() {
            self.requests.with_label_values(&[code.name()]).inc();
        }
    }
}
