"""A client of the live map: marks, moves, and prints what the others do."""

import asyncio
import json
import math
import sys
from datetime import datetime

import websockets


async def main(url: str, user: int) -> None:
    async with websockets.connect(url) as socket:
        now = datetime.now().isoformat()
        marker = {"type": "enemy", "x": 500.5 + user, "y": 300.2, "user_id": user, "timestamp": now}
        await socket.send(json.dumps({"type": "marker_add", "marker": marker}))
        await asyncio.gather(hear(socket), move(socket, user))


async def hear(socket) -> None:
    async for message in socket:
        print(message, flush=True)


async def move(socket, user: int) -> None:
    angle = 0.0
    while True:
        angle += 0.1
        player = {
            "user_id": user,
            "username": f"Player{user}",
            "x": 450 + 100 * math.cos(angle),
            "y": 320 + 100 * math.sin(angle),
            "team": "blue",
            "timestamp": datetime.now().isoformat(),
        }
        await socket.send(json.dumps({"type": "position_update", "player": player}))
        await asyncio.sleep(1)


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1], int(sys.argv[2])))
    except KeyboardInterrupt:
        pass
