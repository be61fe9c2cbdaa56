//! `POST /api/call`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};
use tidegate_shared::call::{CALL_TIMEOUT, CALL_TIMEOUT_LIMIT, CallDraft, Caller};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{MethodName, UserId};

use super::Api;
use crate::transport::http::Problem;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    method: MethodName,
    /// Absent: null.
    #[serde(default = "RawJson::null")]
    data: RawJson,
    #[serde(default, deserialize_with = "time")]
    timeout_ms: Option<Duration>,
    /// On whose behalf.
    #[serde(default)]
    user: Option<UserId>,
}

#[derive(Debug, Serialize)]
pub(super) struct Called {
    data: RawJson,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let time = Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis);
    if time.is_some_and(|time| time.is_zero() || time > CALL_TIMEOUT_LIMIT) {
        let most = CALL_TIMEOUT_LIMIT.as_millis();
        return Err(de::Error::custom(format_args!("1 to {most} are possible")));
    }
    Ok(time)
}

impl Call {
    pub(super) async fn run(self, api: &Api) -> Result<Called, Problem> {
        let (size, limit) = (self.data.size(), api.job_data);
        if size > limit {
            return Err(Problem::new(
                ErrorCode::PayloadTooLarge,
                format!("`data` has {size} bytes, at most {limit} are allowed in a call"),
            ));
        }
        let draft = CallDraft {
            caller: Caller {
                user: self.user,
                ..Caller::default()
            },
            timeout: self.timeout_ms.unwrap_or(CALL_TIMEOUT),
            ..CallDraft::new(self.method, self.data)
        };
        let answer = api.backend.calls.call(draft).await?;
        Ok(Called { data: answer.data })
    }
}
