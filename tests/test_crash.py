"""No acknowledged change is lost, and none is half there, when the server is killed at any moment."""

import collections
import concurrent.futures
import random
import shutil
import subprocess
import threading
import time

from conftest import BINARY, environment
from writers import Backups, Client, Events, Inspector, Life, Reader

CLIENTS = 6
# After as many rounds a new database begins.
ROUNDS_OF_A_LIFE = 10
KINDS = ["create", "put a document", "put a large document", "put texts", "patch", "patch in place", "delete", "restore", "apply"]


def write(clients, seconds, end):
    """Lets clients write for a time, and ends that."""
    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(client.run, stop) for client in clients]
        try:
            time.sleep(seconds)
            end()
        finally:
            stop.set()
        for client in running:
            client.result()


def kill_while_it_starts(server, seconds):
    """Starts a server and kills it, most often before it is ready."""
    arguments = [BINARY, "serve", "--listen", "127.0.0.1:0", "--database", server.database]
    process = subprocess.Popen(arguments, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    process.wait()


def assert_nothing_wrong(found, seed):
    assert not found.lost and not found.corrupt, f"seed {seed}: {found}"


class Watched:
    """A life with clients that write, and others that read, follow and back up meanwhile."""

    def __init__(self, server, seed):
        self.life, self.server = Life(server, seed), server
        self.inspector = Inspector(self.life)
        self.events = Events(self.life)
        while self.events.last is None:
            self.events.assert_no_failure()
            time.sleep(0.001)
        self.life.learn()
        self.clients = [Client(self.life, number) for number in range(CLIENTS)]
        self.reader, self.backups = Reader(self.life), Backups(self.life)

    def round(self, chance):
        """Kills the server while all write, starts it again, and returns what is found."""
        write(self.clients, chance.uniform(0.1, 0.5), self.kill)
        while chance.random() < 0.5:
            kill_while_it_starts(self.server, chance.uniform(0.0, 0.15))
            self.life.count("kills while starting")
        self.server.start()
        for client in self.clients:
            client.settle()
        found = self.inspector.check(self.server, self.life.operations, events=self.events, seen=self.reader.seen)
        self.backups.verify()
        for background in (self.reader, self.events, self.backups):
            background.assert_no_failure()
        return found

    def kill(self):
        self.server.kill()
        self.backups.kill()
        self.life.count("kills while serving")

    def end(self):
        self.backups.end()
        self.reader.end()
        # The stream ends with the server.
        self.events.ended.set()
        self.server.kill()
        self.events.end()


def test_every_acknowledged_change_survives_a_kill_and_none_is_half_there(start, rounds, seed, report):
    chance = random.Random(seed)
    totals = collections.Counter()
    for first in range(0, rounds, ROUNDS_OF_A_LIFE):
        watched = Watched(start("--rate-limit", "off"), f"{seed} {first}")
        try:
            for _ in range(first, min(first + ROUNDS_OF_A_LIFE, rounds)):
                found = watched.round(chance)
                assert_nothing_wrong(found, seed)
        finally:
            watched.end()
        watched.backups.verify()
        totals += watched.life.counts + found.counts
        shutil.rmtree(watched.server.folder)
    report(f"killed server, {rounds} rounds: {told(totals)}")
    needed = [*KINDS, "kills while serving", "requests without an answer", "repeats that had been done", "backups verified"]
    assert not (missing := [kind for kind in needed if not totals[kind]]), f"seed {seed}: this did not happen: {missing}"
    assert totals["acknowledged"] > 20 * rounds, "too few changes to prove anything"


def told(totals):
    """The counts of a run. Those of lost and corrupt are there if they are zero too."""
    first = ["acknowledged", "lost", "corrupt"]
    others = sorted(set(totals) - set(first))
    return ", ".join(f"{name} {totals[name]}" for name in first + others)
