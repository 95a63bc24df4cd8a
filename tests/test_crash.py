"""No acknowledged change is lost, and none is half there, when the server is killed at any moment."""

import collections
import concurrent.futures
import random
import shutil
import subprocess
import threading
import time

import pytest

from acknowledged import MEMBERS, Operation, check, check_events, check_seen
from conftest import BINARY, environment
from watchers import Backups, Events, Inspector, Reader
from writers import Client, Life

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
        write(self.clients, chance.uniform(0.2, 0.8), self.kill)
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
    needed = ["kills while serving", "requests without an answer", "repeats that had been done", "backups verified"]
    if rounds >= 10:
        needed += [*KINDS, "kills while starting", "unknown and not done"]
    if rounds >= 100:
        # The time between a commit and its answer is short.
        needed.append("unknown and done")
    assert not (missing := [kind for kind in needed if not totals[kind]]), f"seed {seed}: this did not happen: {missing}"
    assert totals["acknowledged"] > 20 * rounds, "too few changes to prove anything"


def told(totals):
    """The counts of a run. Those of lost and corrupt are there if they are zero too."""
    first = ["acknowledged", "lost", "corrupt"]
    others = sorted(set(totals) - set(first))
    return ", ".join(f"{name} {totals[name]}" for name in first + others)


# The checker itself.

STATE = dict.fromkeys(MEMBERS, "before")


class Planted:
    """A history that is right: a create, a patch, an apply of two, a deletion, and a change without an answer."""

    def __init__(self):
        to = lambda value: lambda *_: STATE | {"name": value}
        effects = [
            {"a": ("create", to("a"))},
            {"a": ("update", lambda before, _: before | {"status": "patched"})},
            {"b": ("create", to("b")), "c": ("create", to("c"))},
            {"c": ("delete", lambda *_: None)},
            {"a": ("update", lambda before, _: before | {"status": "unknown"})},
        ]
        self.operations, self.rows = [], []
        for at, effect in enumerate(effects):
            is_last = at + 1 == len(effects)
            operation = Operation("planted", effect, outcome="unknown" if is_last else "acknowledged", began=at)
            if not is_last:
                operation.ended, operation.tracking = at + 0.5, {str(at)}
            self.operations.append(operation)
            change = len(self.rows) + len(effect)
            for name, (action, _) in effect.items():
                number = len(self.rows) + 1
                row = {"revision": number, "change": change, "scriptName": name, "action": action, "trackingId": str(at)}
                self.rows.append(row)
        a = STATE | {"name": "a"}
        c = STATE | {"name": "c"}
        self.contents = [a, a | {"status": "patched"}, STATE | {"name": "b"}, c, c, a | {"status": "unknown"}]
        self.current = {"a": (6, self.contents[5]), "b": (3, self.contents[2])}
        kinds = ["created", "updated", "created", "created", "deleted", "updated"]
        self.events = [{"event": f"connector.{kind}", "data": row} for kind, row in zip(kinds, self.rows)]
        self.seen = {row["revision"]: dict(row) for row in self.rows}

    def drop(self, *numbers):
        """Removes revisions, as if they never were."""
        left = [row for row in self.rows if row["revision"] not in numbers]
        self.contents = [self.contents[row["revision"] - 1] for row in left]
        self.rows = [row | {"revision": number, "change": number} for number, row in enumerate(left, 1)]

    def found(self):
        content = {row["revision"]: seen for row, seen in zip(self.rows, self.contents)}
        found = check(self.operations, self.rows, lambda row: content[row["revision"]], self.current)
        check_events(found, self.rows, self.events)
        check_seen(found, self.rows, self.seen)
        return found


def refuse(planted):
    planted.operations[1].outcome = "refused"


def do_again(planted):
    planted.rows.append(planted.rows[5] | {"revision": 7, "change": 7, "trackingId": "other"})
    planted.contents.append(planted.contents[5])


# What is done to the history, and what the checker says.
WRONG = {
    "an acknowledged change that was never made": (
        lambda planted: planted.operations.append(Operation("planted", {"z": ("create", None)}, outcome="acknowledged")),
        "lost: planted of z",
    ),
    "an acknowledged change that is gone": (lambda planted: planted.drop(2), "lost: planted of a"),
    "half of an apply": (lambda planted: planted.drop(3), "it was for b, c"),
    "an apply in two changes": (lambda planted: planted.rows[2].update(change=3), "it was for b, c"),
    "a change that ends later": (lambda planted: planted.rows[1].update(change=3), "not consecutive"),
    "a gap": (lambda planted: (planted.rows.pop(1), planted.contents.pop(1)), "revision 2 is missing"),
    "a repetition": (lambda planted: planted.rows[2].update(revision=2), "a gap or a repetition"),
    "another connector than was asked for": (
        lambda planted: planted.contents[1].update(className="other"), "a is not as asked for: className"),
    "a change that was refused": (refuse, "it was refused"),
    "a change that was refused, of which no answer tells the id": (
        lambda planted: setattr(planted.operations[4], "outcome", "refused"), "nobody asked for it"),
    "a change that was done twice": (do_again, "nobody asked for it, or it was done twice"),
    "a change that is before an earlier one": (
        lambda planted: setattr(planted.operations[0], "began", 9.0), "is before what was acknowledged before it"),
    "a connector that is not listed": (lambda planted: planted.current.pop("b"), "lost: b is in the history"),
    "a deleted connector that is listed": (
        lambda planted: planted.current.update(c=(4, planted.contents[3])), "c is among the connectors"),
    "a list with an old connector": (lambda planted: planted.current.update(a=(2, planted.contents[1])), "a is not what"),
    "a missing event": (lambda planted: planted.events.pop(2), "the events have a gap"),
    "an event twice": (lambda planted: planted.events.insert(2, planted.events[1]), "the events have a gap"),
    "an event of another kind": (lambda planted: planted.events[0].update(event="connector.updated"), "the event of revision 1"),
    "a revision that a reader saw and that is gone": (
        lambda planted: planted.seen.update({7: {}}), "lost: revision 7, which a reader saw"),
    "a revision that a reader saw otherwise": (
        lambda planted: planted.seen.update({2: {}}), "revision 2 is not what a reader saw"),
}


def test_the_checker_finds_nothing_in_a_history_that_is_right():
    found = Planted().found()
    assert not found.lost and not found.corrupt and found.unknown_done == 1, found


@pytest.mark.parametrize("wrong", WRONG)
def test_the_checker_finds(wrong):
    planted = Planted()
    plant, expected = WRONG[wrong]
    plant(planted)
    assert expected in str(planted.found())
