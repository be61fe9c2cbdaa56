"""Plays the MUD from a terminal: each line is a command, as `look`, `north`, `say hello`."""

import asyncio
import json
import sys

import websockets


async def main(url: str) -> None:
    async with websockets.connect(url) as socket:
        await asyncio.gather(hear(socket), play(socket))


async def hear(socket) -> None:
    async for message in socket:
        said = json.loads(message)
        print(said.get("message", message), flush=True)


async def play(socket) -> None:
    lines = asyncio.get_running_loop()
    while line := await lines.run_in_executor(None, sys.stdin.readline):
        await socket.send(json.dumps({"type": "command", "command": line.strip()}))
    await asyncio.sleep(0.5)
    await socket.close()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1]))
    except KeyboardInterrupt:
        pass
