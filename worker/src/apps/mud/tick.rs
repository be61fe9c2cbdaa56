//! The world's second: those that walk by themselves go on, and who has gone is missed.

use std::time::Duration;

use serde_json::{Value, json};

use super::game::{self, Audience, Said};
use super::methods::{Mud, refused};
use super::moment::Moment;
use super::topics;
use crate::apps::html::escape;
use crate::{CallFailure, Topics};

/// Who was there is forgotten when nobody looks for so long: then nobody is missed when the world goes on.
const REMEMBERED: Duration = Duration::from_secs(15);
/// In ticks.
const RENEWED: u64 = 5;

impl Mud {
    /// One tick. Everybody who follows `mud:world` sees what has changed since the last, and no more. Nothing
    /// goes on where nobody is.
    pub(super) async fn tick(&self, topics: &Topics) {
        if let Err(failure) = self.second(topics).await {
            tracing::debug!(%failure, "the world of the MUD stands still");
        }
    }

    async fn second(&self, topics: &Topics) -> Result<(), CallFailure> {
        let (watching, playing) =
            tokio::try_join!(topics.count(&self.names.world), topics.count(&self.names.all))?;
        if watching + playing == 0 {
            return Ok(());
        }
        let moment = Moment::read(topics, &self.names, None).await?;
        let tick = moment.state.tick + 1;
        topics
            .set(&self.names.clock, &self.names.tick, &tick, None)
            .await?;
        let mut said = game::tick(&self.world, tick);
        let gone = moment.here.iter().filter(|name| !moment.present.contains(name));
        said.extend(gone.map(|gone| Said {
            to: Audience::Room(moment.state.room_of(&self.world, gone).to_owned()),
            event: "broadcast",
            message: format!("{} has gone.", escape(gone)),
            except_speaker: false,
        }));
        if moment.here != moment.present || tick % RENEWED == 0 {
            topics
                .set(
                    &self.names.clock,
                    &self.names.here,
                    &moment.present,
                    Some(REMEMBERED),
                )
                .await?;
        }
        for said in &said {
            self.say(topics, &moment, said, None).await?;
        }
        let events: Vec<Value> = said.iter().map(|said| json!(said.message)).collect();
        let delta = json!({"tick": tick, "events": events});
        let event = topics::event("world_tick").map_err(refused)?;
        topics.publish(&self.names.world, Some(&event), &delta).await?;
        Ok(())
    }
}
