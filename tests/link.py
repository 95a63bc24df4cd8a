"""A network between a server and its database that can go silent, as a proxy."""

import asyncio
import threading
import time


class Link:
    """Forwards from a port of this machine to the socket of a database, whose address it asks for at each connection.

    While it is silent, nothing is forwarded in either direction, not even an end: both sides only notice that there is no answer.
    What was sent meanwhile arrives when the link is whole again. `attempts` has the time of each connection.
    """

    def __init__(self, place):
        self.place = place
        self.attempts = []
        started = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve(started)), daemon=True)
        self.thread.start()
        assert started.wait(30)

    async def serve(self, started):
        self.loop, self.ended = asyncio.get_running_loop(), asyncio.Event()
        # Open while the connections that belong to it are whole.
        self.gate = asyncio.Event()
        self.gate.set()
        self.gates = [self.gate]
        server = await asyncio.start_server(self.forward, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self.ended.wait()

    async def forward(self, reader, writer):
        self.attempts.append(time.time())
        gate, other = self.gate, None
        try:
            await gate.wait()
            other_reader, other = await asyncio.open_unix_connection(self.place())
            await asyncio.gather(self.pump(reader, other, gate), self.pump(other_reader, writer, gate))
        except (OSError, asyncio.CancelledError):
            # The database does not listen, one side broke the connection, or the link ends.
            pass
        finally:
            for end in filter(None, (writer, other)):
                end.close()

    async def pump(self, reader, writer, gate):
        while data := await reader.read(1 << 16):
            await gate.wait()
            writer.write(data)
            await writer.drain()
        await gate.wait()
        writer.close()

    def call(self, change):
        """Runs a change where the connections are, and waits for its end."""
        async def called():
            change()
        asyncio.run_coroutine_threadsafe(called(), self.loop).result(30)

    def silence(self):
        """Nothing passes from now on."""
        self.call(lambda: [gate.clear() for gate in self.gates])

    def forget(self):
        """What is connected now is silent for ever, as when a firewall loses its state. New connections are whole."""
        def change():
            self.gate.clear()
            self.gate = asyncio.Event()
            self.gate.set()
            self.gates.append(self.gate)
        self.call(change)

    def heal(self):
        self.call(lambda: [gate.set() for gate in self.gates])

    def end(self):
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join(30)
