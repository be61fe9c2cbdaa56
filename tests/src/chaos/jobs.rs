//! Jobs that run through the faults: submitted with keys, done by the real worker, each followed by an
//! auditing subscriber until its end.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::publisher::Api;
use super::subscriber::{Subscriber, Way};

/// Followed at the same time.
const MOST: usize = 6;
const PAUSE: Duration = Duration::from_millis(700);

/// Submits jobs until the template's token is cancelled; then waits for the ends of all.
pub async fn run(template: Subscriber, worlds: PathBuf) {
    let Ok(api) = Api::new(&template.doors) else {
        return;
    };
    let mut followers = JoinSet::new();
    let mut number = 0;
    while !template.stop.is_cancelled() {
        while followers.len() >= MOST {
            followers.join_next().await;
        }
        number += 1;
        let name = format!("{}-{number}", template.name);
        let data = json!({
            "source": worlds.join("source"),
            "destination": worlds.join(format!("{name}.tar.gz")),
        });
        let body = json!({ "type": "backup", "data": data, "key": name });
        match api.insist("/api/jobs", &body).await {
            Ok(job) => {
                template.book.count("jobs submitted", 1);
                let Some(id) = job["id"].as_str() else {
                    template.book.wrong(&name, "job", &format!("no id: {job}"));
                    return;
                };
                let topic = format!("job:{id}");
                let follower = Subscriber {
                    name: name.clone(),
                    seed: template.seed + number,
                    topics: vec![topic.clone()],
                    way: if number % 3 == 0 {
                        Way::EventStream
                    } else {
                        Way::Socket
                    },
                    restless: true,
                    // They are ended by their jobs.
                    stop: tokio_util::sync::CancellationToken::new(),
                    ..template.clone()
                };
                followers.spawn(async move {
                    let book = follower.book.clone();
                    follower.run().await;
                    book.count("jobs followed to the end", 1);
                    book.end(&name, &topic);
                });
            }
            Err(error) => template.book.wrong(&name, "job", &format!("{error:#}")),
        }
        sleep(PAUSE).await;
    }
    while followers.join_next().await.is_some() {}
}
