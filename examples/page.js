// What the pages of all systems do alike: where to connect, lists, and a connection that comes back.
"use strict";
const $ = (id) => document.getElementById(id);
const secure = location.protocol === "https:" ? "wss://" : "ws://";
const here = location.host ? secure + location.host : "ws://127.0.0.1:8080";
const asked = new URLSearchParams(location.search);
/** The endpoint that the server has named, as a path or a port and a path; else the usual one. */
const named = document.body.dataset.endpoint;
const own = (path) => named.startsWith(":") ? secure + location.hostname + named : here + (named || path);

/** Text in an element of its own: nothing that comes from elsewhere is ever taken for HTML. */
function element(kind, text, name) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

/** Adds to the top of a list that stays short. */
function note(list, item) {
  list.prepend(item);
  while (list.children.length > 200) list.lastChild.remove();
}

/** A connection that comes back by itself: 1, 2, 4 … 30 s after it ended. */
class Link {
  constructor(address, hear, greet) {
    Object.assign(this, { address, hear, greet, pause: 1000 });
    this.open();
  }
  open() {
    $("state").textContent = "connecting";
    $("state").dataset.state = "connecting";
    const socket = new WebSocket(this.address());
    this.socket = socket;
    socket.onopen = () => {
      this.pause = 1000;
      $("state").textContent = "connected";
      $("state").dataset.state = "open";
      this.greet?.();
    };
    socket.onmessage = (event) => {
      let message;
      try { message = JSON.parse(event.data); } catch { return; }
      this.hear(message);
    };
    socket.onclose = (event) => {
      if (socket !== this.socket) return;
      $("state").textContent = `not connected (${event.code})`;
      $("state").dataset.state = "closed";
      this.timer = setTimeout(() => this.open(), this.pause);
      this.pause = Math.min(this.pause * 2, 30000);
    };
  }
  again() {
    clearTimeout(this.timer);
    this.pause = 1000;
    const old = this.socket;
    this.open();
    old.close();
  }
  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
