// Socket.IO with its Redis adapter: rooms are topics, and what is published goes to a room over Redis, as on several nodes.
//
//     node server.mjs PORT REDIS_PORT [deflate]
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, redis] = process.argv.slice(2, 4).map(Number);
const publisher = createClient({ url: `redis://127.0.0.1:${redis}` });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const server = createServer();
const io = new Server(server, {
  adapter: createAdapter(publisher, subscriber),
  transports: ["websocket"],
  // Everything is compressed, as small as it may be, for clients that offer it.
  perMessageDeflate: process.argv[4] === "deflate" && { threshold: 0 },
  serveClient: false,
});
io.on("connection", (socket) => {
  socket.on("subscribe", async (topic, answer) => {
    await socket.join(topic);
    answer();
  });
  socket.on("publish", (topic, data) => io.to(topic).emit("message", data));
});
server.listen({ port, host: "127.0.0.1", backlog: 4096 });
