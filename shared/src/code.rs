//! Every code that the wire can carry. Numbers and names are a contract with clients.

use std::fmt;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $temporary:literal, $http:literal;)*) => {
        /// Why a command or request failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name),* }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            pub fn number(self) -> u16 {
                match self { $(Self::$name => $number),* }
            }

            /// The code that goes by this number, if it is one of ours.
            pub fn of_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Its name on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Whether the same command may succeed later, unchanged.
            pub fn is_temporary(self) -> bool {
                match self { $(Self::$name => $temporary),* }
            }

            pub fn http_status(self) -> u16 {
                match self { $(Self::$name => $http),* }
            }
        }
    };
}

error_codes! {
    Internal = 100, "internal", true, 500;
    Unauthorized = 101, "unauthorized", false, 401;
    Forbidden = 102, "forbidden", false, 403;
    BadRequest = 103, "bad_request", false, 400;
    UnknownTopic = 104, "unknown_topic", false, 404;
    AlreadySubscribed = 105, "already_subscribed", false, 409;
    LimitExceeded = 106, "limit_exceeded", false, 403;
    TooManyRequests = 107, "too_many_requests", true, 429;
    /// Redis cannot be reached.
    Unavailable = 108, "unavailable", true, 503;
    Expired = 109, "expired", false, 401;
    Conflict = 110, "conflict", false, 409;
    NotFound = 111, "not_found", false, 404;
    NoWorker = 112, "no_worker", true, 503;
    Timeout = 113, "timeout", true, 504;
    PayloadTooLarge = 114, "payload_too_large", false, 413;
    JobFailed = 120, "job_failed", false, 500;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.name())
    }
}

/// Why a WebSocket is closed: RFC 6455 §7.4.1 below 3000, ours above. A client may reconnect after
/// 3000–3499 and must not after 3500–3999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    Normal,
    GoingAway,
    ProtocolError,
    InvalidPayload,
    PolicyViolation,
    MessageTooBig,
    /// The node drains; another one will serve.
    ServiceRestart,
    Shutdown,
    SlowConsumer,
    Idle,
    ConnectionAged,
    Unavailable,
    Unauthorized,
    BadRequest,
    Expired,
    TooManyConnections,
    RateLimited,
    DisconnectedByApi,
}

impl CloseCode {
    pub const ALL: &'static [Self] = &[
        Self::Normal,
        Self::GoingAway,
        Self::ProtocolError,
        Self::InvalidPayload,
        Self::PolicyViolation,
        Self::MessageTooBig,
        Self::ServiceRestart,
        Self::Shutdown,
        Self::SlowConsumer,
        Self::Idle,
        Self::ConnectionAged,
        Self::Unavailable,
        Self::Unauthorized,
        Self::BadRequest,
        Self::Expired,
        Self::TooManyConnections,
        Self::RateLimited,
        Self::DisconnectedByApi,
    ];

    /// The code that goes by this number, if it is one of ours.
    pub fn of_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }

    pub fn number(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::ProtocolError => 1002,
            Self::InvalidPayload => 1007,
            Self::PolicyViolation => 1008,
            Self::MessageTooBig => 1009,
            Self::ServiceRestart => 1012,
            Self::Shutdown => 3000,
            Self::SlowConsumer => 3001,
            Self::Idle => 3002,
            Self::ConnectionAged => 3003,
            Self::Unavailable => 3008,
            Self::Unauthorized => 3500,
            Self::BadRequest => 3501,
            Self::Expired => 3502,
            Self::TooManyConnections => 3503,
            Self::RateLimited => 3504,
            Self::DisconnectedByApi => 3505,
        }
    }

    /// The close frame's reason.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::GoingAway => "going_away",
            Self::ProtocolError => "protocol_error",
            Self::InvalidPayload => "invalid_payload",
            Self::PolicyViolation => "policy_violation",
            Self::MessageTooBig => "message_too_big",
            Self::ServiceRestart => "service_restart",
            Self::Shutdown => "shutdown",
            Self::SlowConsumer => "slow_consumer",
            Self::Idle => "idle",
            Self::ConnectionAged => "connection_aged",
            Self::Unavailable => "unavailable",
            Self::Unauthorized => "unauthorized",
            Self::BadRequest => "bad_request",
            Self::Expired => "expired",
            Self::TooManyConnections => "too_many_connections",
            Self::RateLimited => "rate_limited",
            Self::DisconnectedByApi => "disconnected_by_api",
        }
    }
}
