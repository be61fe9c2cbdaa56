//! The game's methods: they read the state, ask the rules, and write and say what came out.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tidegate_shared::publication::{Body, Publication};

use super::game::{Answer, Audience, Outcome, Said, Scene};
use super::missed::{KEPT, Spoken, missed};
use super::moment::{Moment, is_guest, name_of};
use super::order::Order;
use super::state::Change;
use super::text::{clean, neutral};
use super::topics::{self, Names};
use super::world::World;
use crate::apps::html::escape;
use crate::{BrokerError, CallContext, CallFailure, ErrorCode, SessionId, Topic, Topics, Who};

/// How long the game remembers where a player was.
const PLAYER_TTL: Duration = Duration::from_secs(30 * 24 * 3600);
const GUEST_TTL: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(super) struct Mud {
    pub(super) world: World,
    pub(super) names: Names,
}

#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

/// A line of a player.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    text: String,
}

/// A message to a room by its name, as the sockets with the room in their path send it.
#[derive(Debug, Deserialize)]
pub(super) struct Action {
    room: String,
    message: Map<String, Value>,
}

impl Mud {
    pub(super) fn new(world: World) -> Result<Self, String> {
        let names = Names::new()?;
        Ok(Self { world, names })
    }

    /// A player's session begins: it follows what its player can hear, and is welcomed.
    pub(super) async fn enter(
        self: Arc<Self>,
        _: Nothing,
        context: CallContext,
    ) -> Result<Option<Answer>, CallFailure> {
        let (player, session) = who(&context)?;
        let moment = Moment::read(&context, &self.names, Some(session)).await?;
        let room = moment.state.room_of(&self.world, &player);
        for topic in self.places(room)? {
            context.subscribe(Who::Session(session), &topic).await?;
        }
        let mut outcome = self.scene(&moment, &player).enter();
        // Its last connection is there as well: on another screen, or on a node that has died.
        let doubtful = moment.is_connected(&player);
        for change in &mut outcome.changes {
            if let Change::Player { player, .. } = change {
                player.session = Some(session.to_string());
                player.doubtful = doubtful;
            }
        }
        self.carry_out(&context, &moment, outcome).await
    }

    pub(super) async fn look(
        self: Arc<Self>,
        _: Nothing,
        context: CallContext,
    ) -> Result<Option<Answer>, CallFailure> {
        let (player, _) = who(&context)?;
        let moment = Moment::read(&context, &self.names, None).await?;
        let mut outcome = self.scene(&moment, &player).act(&Order::Look);
        Ok(outcome.answers.pop())
    }

    /// Tells a player that has come back what was said in its room meanwhile.
    pub(super) async fn missed(self: Arc<Self>, _: Nothing, context: CallContext) -> Result<(), CallFailure> {
        let (player, session) = who(&context)?;
        if context.user().is_none() {
            return Ok(());
        }
        let moment = Moment::read(&context, &self.names, None).await?;
        let topic = topics::said(moment.state.room_of(&self.world, &player)).map_err(refused)?;
        let log = context.newest(&topic, KEPT).await?;
        let log: Vec<(u64, Spoken)> = log
            .iter()
            .filter_map(|one| Some((one.time_ms, entry(one)?)))
            .collect();
        context.publish(&topic, None, &Spoken::arrival(&player)).await?;
        let record = moment.state.players.get(&player);
        let doubtful = record.is_some_and(|record| record.doubtful);
        let doubtful_at = if doubtful {
            Some(self.last_tick(&context).await?)
        } else {
            None
        };
        let lines = missed(&log, &player, doubtful_at);
        if lines.is_empty() {
            return Ok(());
        }
        let title = if doubtful {
            "Lately here:"
        } else {
            "While you were away:"
        };
        let title = json!({"message": title});
        let system = topics::event("system").map_err(refused)?;
        context.send(session, Some(&system), &title).await?;
        let broadcast = topics::event("broadcast").map_err(refused)?;
        for line in lines {
            context
                .send(session, Some(&broadcast), &json!({"message": line}))
                .await?;
        }
        Ok(())
    }

    pub(super) async fn command(
        self: Arc<Self>,
        line: Line,
        context: CallContext,
    ) -> Result<Option<Answer>, CallFailure> {
        let (player, session) = who(&context)?;
        let order = match Order::parse(&clean(&line.text)) {
            Ok(order) => order,
            Err(told) => return Ok(Some(Answer::result(escape(&told)))),
        };
        let moment = Moment::read(&context, &self.names, None).await?;
        let outcome = self.scene(&moment, &player).act(&order);
        if let Some((from, to)) = &outcome.moved {
            let sessions = moment.sessions.iter().filter(|(name, _)| *name == player);
            let others = sessions
                .map(|(_, session)| *session)
                .filter(|one| *one != session);
            for session in others.chain([session]) {
                self.move_session(&context, session, from, to).await?;
            }
        }
        self.carry_out(&context, &moment, outcome).await
    }

    /// Everybody in the room gets what came of it, whoever sent it too.
    pub(super) async fn action(
        self: Arc<Self>,
        action: Action,
        context: CallContext,
    ) -> Result<(), CallFailure> {
        let mut result = neutral(action.message);
        let is_look = result.get("action").and_then(Value::as_str) == Some("look");
        if is_look && self.world.room(&action.room).is_some() {
            let moment = Moment::read(&context, &self.names, None).await?;
            result.insert("room".to_owned(), self.scene(&moment, "").room_data(&action.room));
        }
        let topic = topics::room(&action.room).map_err(refused)?;
        let event = topics::event("update").map_err(refused)?;
        context.publish(&topic, Some(&event), &result).await?;
        Ok(())
    }

    pub(super) async fn chat(self: Arc<Self>, line: Line, context: CallContext) -> Result<(), CallFailure> {
        let (player, _) = who(&context)?;
        let text = clean(&line.text);
        if text.is_empty() {
            return Err(refused("A chat message has a text `message`".to_owned()));
        }
        let said = json!({"username": escape(&player), "message": escape(&text)});
        let event = topics::event("chat").map_err(refused)?;
        context.publish(&self.names.chat, Some(&event), &said).await?;
        Ok(())
    }

    /// What a player in a room can hear: the room, its zone.
    fn places(&self, room: &str) -> Result<[Topic; 2], CallFailure> {
        let zone = self
            .world
            .room(room)
            .map(|room| room.zone.as_str())
            .unwrap_or_default();
        Ok([
            topics::room(room).map_err(refused)?,
            topics::zone(zone).map_err(refused)?,
        ])
    }

    async fn move_session(
        &self,
        topics: &Topics,
        session: SessionId,
        from: &str,
        to: &str,
    ) -> Result<(), CallFailure> {
        let (old, new) = (self.places(from)?, self.places(to)?);
        for topic in old.iter().filter(|topic| !new.contains(topic)) {
            topics.unsubscribe(Who::Session(session), topic).await?;
        }
        for topic in new.iter().filter(|topic| !old.contains(topic)) {
            topics.subscribe(Who::Session(session), topic).await?;
        }
        Ok(())
    }

    fn scene<'a>(&'a self, moment: &'a Moment, player: &'a str) -> Scene<'a> {
        Scene {
            world: &self.world,
            state: &moment.state,
            player,
            present: &moment.present,
        }
    }

    /// Gives the answer for whoever acted.
    async fn carry_out(
        &self,
        context: &CallContext,
        moment: &Moment,
        mut outcome: Outcome,
    ) -> Result<Option<Answer>, CallFailure> {
        for change in std::mem::take(&mut outcome.changes) {
            let (topic, key, value, ttl) = match change {
                Change::Player { name, player } => {
                    let ttl = if is_guest(&name) { GUEST_TTL } else { PLAYER_TTL };
                    (&self.names.players, name, json!(player), ttl)
                }
                Change::Item { id, place } => (&self.names.items, id, json!(place), Duration::ZERO),
            };
            let key = topics::key(&key).map_err(refused)?;
            context.set(topic, &key, &value, Some(ttl)).await?;
        }
        for said in &outcome.said {
            self.say(context, moment, said, context.session()).await?;
        }
        self.keep(context, moment, &outcome).await?;
        Ok(outcome.answers.pop())
    }

    /// When it was, by the backend's clock.
    async fn last_tick(&self, context: &CallContext) -> Result<u64, CallFailure> {
        let newest = context.newest(&self.names.clock, 1).await?;
        Ok(newest.last().map_or(0, |tick| tick.time_ms))
    }

    /// Keeps what was said, or that somebody has come, for who comes back to the room.
    async fn keep(
        &self,
        context: &CallContext,
        moment: &Moment,
        outcome: &Outcome,
    ) -> Result<(), CallFailure> {
        let (player, _) = who(context)?;
        let (room, spoken) = match (&outcome.spoken, &outcome.moved) {
            (Some(line), _) => {
                let room = moment.state.room_of(&self.world, &player);
                let there = |name: &&String| {
                    **name != player
                        && moment.state.room_of(&self.world, name) == room
                        && moment.is_connected(name)
                };
                let heard = moment.present.iter().filter(there).cloned().collect();
                (room, Spoken::line(&player, line, heard))
            }
            (None, Some((_, to))) => (to.as_str(), Spoken::arrival(&player)),
            (None, None) => return Ok(()),
        };
        let topic = topics::said(room).map_err(refused)?;
        context.publish(&topic, None, &spoken).await?;
        Ok(())
    }

    /// `speaker` is the session that is told otherwise.
    pub(super) async fn say(
        &self,
        topics: &Topics,
        moment: &Moment,
        said: &Said,
        speaker: Option<SessionId>,
    ) -> Result<(), CallFailure> {
        let event = topics::event(said.event).map_err(refused)?;
        let data = json!({"message": said.message});
        let topic = match &said.to {
            Audience::Room(id) => topics::room(id).map_err(refused)?,
            Audience::Zone(id) => topics::zone(id).map_err(refused)?,
            Audience::All => self.names.all.clone(),
            Audience::Player(player) => {
                for (_, session) in moment.sessions.iter().filter(|(name, _)| name == player) {
                    topics.send(*session, Some(&event), &data).await?;
                }
                return Ok(());
            }
        };
        let speaker = speaker.filter(|_| said.except_speaker);
        let published: Result<_, BrokerError> = match speaker {
            Some(session) => topics.publish_except(session, &topic, Some(&event), &data).await,
            None => topics.publish(&topic, Some(&event), &data).await,
        };
        published.map(|_| ()).map_err(CallFailure::from)
    }
}

fn entry(publication: &Publication) -> Option<Spoken> {
    match &publication.body {
        Body::Message { data, .. } => serde_json::from_str(data.as_str()).ok(),
        _ => None,
    }
}

fn who(context: &CallContext) -> Result<(String, SessionId), CallFailure> {
    match context.session() {
        Some(session) => Ok((name_of(context.user(), session), session)),
        None => Err(CallFailure::new(
            ErrorCode::BadRequest,
            "a player plays over a connection: connect to the game's WebSocket",
        )),
    }
}

pub(super) fn refused(why: String) -> CallFailure {
    CallFailure::new(ErrorCode::BadRequest, why)
}
