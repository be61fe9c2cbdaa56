//! Sockets of `Engine.IO` clients: as all there is, or in the place of polling.

use std::io;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::{ClientStream, Door, Visitor};
use crate::connection::socketio::Arrival;
use crate::transport::ws::{self, Handshake, Opening, WebSocket};

impl Door {
    /// A client that comes by a WebSocket at once.
    pub(super) fn open_socket(self: &Arc<Self>, visitor: Visitor, mut request: Request) -> Response {
        let Handshake { response, opening } = match self.shake_hands(&mut request) {
            Ok(handshake) => handshake,
            Err(refused) => return *refused,
        };
        let door = Arc::clone(self);
        let headers = request.headers().clone();
        self.gate.spawn(async move {
            if let Some(socket) = door.socket(opening).await {
                // Nobody finds it by its name: it sends no requests.
                door.begin(visitor, &headers, Some(socket));
            }
        });
        response
    }

    /// A client that polls, and wants to go on over a WebSocket.
    pub(super) fn upgrade(
        self: &Arc<Self>,
        arrivals: mpsc::Sender<Arrival>,
        mut request: Request,
    ) -> Response {
        let Handshake { response, opening } = match self.shake_hands(&mut request) {
            Ok(handshake) => handshake,
            Err(refused) => return *refused,
        };
        let door = Arc::clone(self);
        self.gate.spawn(async move {
            if let Some(socket) = door.socket(opening).await {
                // If the client has gone meanwhile, this closes it.
                let _ = arrivals.send(Arrival::Upgrade(Box::new(socket))).await;
            }
        });
        response
    }

    fn shake_hands(&self, request: &mut Request) -> Result<Handshake, Box<Response>> {
        // Whether the page may was looked at before.
        ws::accept(request, self.gate.any_origin(), &[]).map_err(|refusal| {
            self.gate.rejected(refusal.name());
            Box::new(refusal.into_response())
        })
    }

    async fn socket(&self, opening: Opening) -> Option<WebSocket<ClientStream>> {
        let limit = self.gate.config().limits.message;
        let opened = async {
            let (mut socket, mut sending) = opening.websocket::<ClientStream>(limit).await?;
            socket.flush(&mut sending).await?;
            io::Result::Ok(socket)
        };
        match opened.await {
            Ok(socket) => Some(socket),
            Err(error) => {
                // A client that went away before the answer reached it.
                tracing::debug!(%error, "a handshake was not finished");
                self.gate.rejected("handshake");
                None
            }
        }
    }
}
