//! What event streams are resumed by (`Last-Event-ID`): read, narrowed to a stream's topics, and asked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_gateway::dialect::events::Cursor;
use tidegate_shared::topic::Topic;

fuzz_target!(|text: &str| {
    let Some(mut cursor) = Cursor::parse(text) else {
        return;
    };
    assert!(text.len() <= Cursor::LIMIT);
    let topics: Vec<Topic> = ["news", "long:1", "job:x"]
        .iter()
        .filter_map(|one| Topic::parse(one).ok())
        .collect();
    let before: Vec<_> = topics.iter().map(|topic| cursor.position(topic)).collect();
    cursor.retain(&topics);
    let after: Vec<_> = topics.iter().map(|topic| cursor.position(topic)).collect();
    assert_eq!(before, after);
    cursor.retain([]);
    assert!(cursor.is_empty());
});
