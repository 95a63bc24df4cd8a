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
        self.loop = asyncio.new_event_loop()
        self.tasks = set()
        started = threading.Event()

        async def serve():
            self.server = await asyncio.start_server(self.forward, "127.0.0.1", 0)
            self.port = self.server.sockets[0].getsockname()[1]
            # Open while the connections that belong to it are whole.
            self.gate = asyncio.Event()
            self.gate.set()
            self.gates = [self.gate]
            started.set()

        def run():
            self.loop.create_task(serve())
            self.loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        assert started.wait(30)

    async def forward(self, reader, writer):
        self.attempts.append(time.time())
        task = asyncio.current_task()
        self.tasks.add(task)
        gate, other = self.gate, None
        try:
            await gate.wait()
            other_reader, other = await asyncio.open_unix_connection(self.place())
            await asyncio.gather(self.pump(reader, other, gate), self.pump(other_reader, writer, gate))
        except OSError:
            # The database does not listen, or one side broke the connection.
            pass
        finally:
            self.tasks.discard(task)
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
        def change():
            self.server.close()
            for task in self.tasks:
                task.cancel()
        self.call(change)
        self.loop.call_soon_threadsafe(self.loop.stop)
