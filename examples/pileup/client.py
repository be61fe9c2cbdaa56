#!/usr/bin/env python3
"""Opens the station, registers a callsign and works it; prints what comes. `pip install websockets`."""

import asyncio
import itertools
import json
import sys

import websockets


async def main(url, user, password):
    async with websockets.connect(url) as socket:
        numbers = itertools.count(1)

        async def ask(**message):
            """Sends it, and prints what comes up to its response."""
            message["id"] = next(numbers)
            await socket.send(json.dumps(message))
            while True:
                said = json.loads(await socket.recv())
                print(json.dumps(said))
                if said.get("id") == message["id"]:
                    return said

        def request(operation, **data):
            return ask(type="request", operation=operation, data=data)

        print(await socket.recv())
        await ask(type="auth", data={"username": user, "password": password})
        await request("admin.set_system_status", active=True)
        await request("queue.register", callsign="W1AW")
        await request("queue.list")
        await request("admin.next_qso")
        await request("admin.complete_qso")
        print("listening for what others do; Ctrl-C ends it")
        async for message in socket:
            print(message)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: client.py ws://host:8000/ws/connect USER PASSWORD")
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        pass
