//! Topics and other names. What is let through is safe in a key of Redis, and reads as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_shared::job::JobId;
use tidegate_shared::name::{EventName, QueueName, SessionId, UserId};
use tidegate_shared::topic::Topic;

fuzz_target!(|text: &str| {
    if let Ok(topic) = Topic::parse(text) {
        assert_eq!(topic.as_str(), text);
        assert!(text.starts_with(topic.namespace()) || !text.contains(':'));
        let _ = topic.reserved();
        safe(text);
    }
    if let Ok(queue) = QueueName::parse(text) {
        assert_eq!(queue.as_str(), text);
        safe(text);
        assert!(Topic::parse(Topic::of_queue(&queue).as_str()).is_ok());
    }
    if let Ok(user) = UserId::parse(text) {
        assert_eq!(user.as_str(), text);
        assert_eq!(
            Topic::parse(Topic::of_user(&user).as_str()),
            Ok(Topic::of_user(&user))
        );
    }
    if let Ok(job) = JobId::parse(text) {
        assert_eq!(
            Topic::parse(Topic::of_job(&job).as_str()),
            Ok(Topic::of_job(&job))
        );
    }
    if let Some(session) = SessionId::parse(text) {
        assert_eq!(SessionId::parse(&session.to_string()), Some(session));
    }
    let _ = EventName::parse(text);
});

fn safe(name: &str) {
    let wrong = |one: char| matches!(one, '{' | '}') || one.is_control() || one.is_whitespace();
    assert!(!name.contains(wrong) && !name.is_empty(), "{name:?}");
}
