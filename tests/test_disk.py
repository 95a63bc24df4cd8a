"""No acknowledged change is lost on a disk that fails, and none when the power fails."""

import collections
import pathlib
import random
import shutil
import subprocess
import tempfile
import time

import requests

from conftest import BINARY, Faults, Server, environment
from lost_writes import WRITTEN, Recording, cut_of, place_of, rebuild
from test_crash import assert_nothing_wrong, told, write
from watchers import Inspector
from writers import Client, Life

CREDENTIALS = {"CONNECTORY_CLIENT_ID": "me", "CONNECTORY_CLIENT_SECRET": "a secret of 32 characters or more"}
# Each fault, and the statuses of changes while it is there. A process that goes on after a failed sync has no status.
FAULTS = {
    "write EIO every=3": {503},
    "write ENOSPC": {507},
    "write EIO torn": {503},
    "write ENOSPC torn every=2": {507},
    "sync EIO file=-wal": set(),
    "sync EIO file=.db": set(),
    "sync ENOSPC file=-wal": set(),
    "truncate EIO file=.lock": None,
}
# As many databases are rebuilt from each recording.
ROUNDS_OF_A_RECORDING = 10


def test_a_disk_that_fails_loses_nothing(start, faults, tmp_path, rounds, seed, report):
    faults, chance = Faults(faults, tmp_path), random.Random(seed)
    server = start("--rate-limit", "off", **faults.variables)
    life = Life(server, seed)
    life.learn()
    inspector = Inspector(life)
    clients = [Client(life, number) for number in range(4)]
    planned = [list(FAULTS)[number % len(FAULTS)] for number in range(rounds)]
    for fault in planned:
        statuses = FAULTS[fault]
        if statuses is None:
            server.kill()
            faults.begin(fault)
            assert_refused_to_start(server)
            faults.stop()
        else:
            for client in clients:
                client.refusals = statuses
            def fail_for_a_while():
                faults.begin(fault)
                if statuses:
                    time.sleep(chance.uniform(0.05, 0.15))
                    faults.stop()
                    stopped = time.monotonic()
                    # It goes on by itself.
                    while not any(o.began > stopped and o.outcome == "acknowledged" for o in life.operations[-100:]):
                        assert time.monotonic() < stopped + 15, f"seed {seed}: no change after {fault}"
                        time.sleep(0.02)
                    server.kill()
                else:
                    assert_ended(server)

            write(clients, chance.uniform(0.05, 0.15), fail_for_a_while)
            faults.stop()
        server.start()
        for client in clients:
            client.settle()
        found = inspector.check(server, life.operations)
        assert_nothing_wrong(found, f"{seed}, {fault}")
    hits = collections.Counter(f"calls failed ({line})" for line in faults.hits)
    report(f"failing disk, {rounds} rounds: {told(life.counts + found.counts + hits)}")
    for fault in set(planned):
        words = " ".join(word for word in fault.split() if "=" not in word)
        assert hits[f"calls failed ({words})"] > 0, f"seed {seed}: {fault} did not happen"
    for status in set().union(*(FAULTS[fault] or set() for fault in planned)):
        assert life.counts[str(status)] > 0, f"seed {seed}: no change was refused with {status}"


def assert_ended(server):
    """Asserts that the server ends by itself, and says why."""
    assert server.process.wait(timeout=10) != 0
    assert "sync" in server.log.splitlines()[-1], server.log


def assert_refused_to_start(server):
    """Asserts that a server which cannot write its lock file says so and ends."""
    arguments = [BINARY, "serve", "--listen", "127.0.0.1:0", "--database", server.database]
    done = subprocess.run(arguments, env=environment(**server.variables), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and ".lock" in done.stderr, done.stderr


class Recorded:
    """A life of three processes whose writes are recorded: one that is killed, one that stops, and one that is killed."""

    def __init__(self, start, library, seed):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="connectory-"))
        self.library, self.recordings, self.chance = library, [], random.Random(seed)
        variables = self.next()
        self.server = start("--rate-limit", "off", folder=self.folder, **CREDENTIALS, **variables)
        self.life = Life(self.server, seed)
        self.life.place = lambda: (len(self.recordings) - 1, self.recordings[-1].log.stat().st_size)
        _, self.recordings[-1].ready = self.life.place()
        self.life.learn()
        clients = [Client(self.life, number) for number in range(4)]
        write(clients, self.chance.uniform(0.2, 0.5), self.server.kill)
        self.restart(clients)
        write(clients, self.chance.uniform(0.2, 0.4), lambda: None)
        self.server.stop()
        self.restart(clients)
        write(clients, self.chance.uniform(0.2, 0.4), self.server.kill)
        self.recordings[-1].end()

    def next(self):
        """The variables of the next process, which is recorded too."""
        log = self.folder / f"writes-{len(self.recordings)}"
        self.recordings.append(Recording(self.folder, log))
        return {"LD_PRELOAD": str(self.library), "CONNECTORY_FAULTS_LOG": str(log)}

    def restart(self, clients):
        self.recordings[-1].end()
        self.server.variables |= self.next()
        self.server.start()
        _, self.recordings[-1].ready = self.life.place()
        for client in clients:
            client.settle()

    def operations(self, number, cut):
        """What was asked and acknowledged until the power failed in a process."""
        place = number, place_of(self.recordings[number], cut)
        return [operation for asked in self.life.operations if (operation := asked.as_of(place)) is not None]


def found_after_power_failure(start, life, left, operations, chance):
    """Opens what a power failure left with a server, and returns what is found."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="connectory-"))
    for name, content in left.items():
        (folder / name).write_bytes(content)
    if "connectory.db" in left and chance.random() < 0.5:
        # The index of the log is memory that the processes share. It was never synced.
        (folder / "connectory.db-shm").write_bytes(chance.randbytes(32 << 10))
    server = start("--rate-limit", "off", folder=folder, **CREDENTIALS)
    found = Inspector(life).check(server, operations, sample=50)
    body = {"name": "After all", "className": "x.Y"}
    created = server.session().post(server.connectors, json=body, timeout=30)
    if not created.ok:
        found.corrupt.append(f"no change succeeds: {created.text}")
    server.stop()
    shutil.rmtree(folder)
    return found


def test_what_was_acknowledged_before_a_power_failure_is_there_after_it(start, faults, rounds, seed, report):
    totals = collections.Counter()
    for number in range(rounds):
        chance = random.Random(f"{seed} {number}")
        if number % ROUNDS_OF_A_RECORDING == 0:
            recorded = Recorded(start, faults, f"{seed} {number}")
            totals += recorded.life.counts
        process = chance.randrange(3)
        recording = recorded.recordings[process]
        cut = cut_of(recording, chance)
        left = rebuild(recording, cut, chance, totals)
        operations = recorded.operations(process, cut)
        try:
            found = found_after_power_failure(start, recorded.life, left, operations, chance)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, round {number}: it does not start: process {process}, call {cut}: {error}") from error
        totals += found.counts
        assert_nothing_wrong(found, f"{seed}, round {number}, process {process}, call {cut}")
    report(f"power failures, {rounds} rounds: {told(totals)}")
    assert totals["acknowledged"] > rounds, "too few changes to prove anything"
    for needed in ["writes lost", "writes torn", "unsynced writes kept"] if rounds >= 10 else []:
        assert totals[needed] > 0, f"seed {seed}: this did not happen: {needed}"


class Never(random.Random):
    """A disk that writes nothing without a sync."""

    def choice(self, options):
        return options[0]


def test_the_checker_finds_what_a_disk_loses_that_does_not_sync(start, faults):
    recorded = Recorded(start, faults, 7)
    process = len(recorded.recordings) - 1
    recording, chance = recorded.recordings[process], random.Random(7)
    whole = len(recording.records)
    operations = recorded.operations(process, whole)
    found = found_after_power_failure(start, recorded.life, rebuild(recording, whole, Never()), operations, chance)
    assert_nothing_wrong(found, "no write was dropped")
    last = max((o for o in operations if o.outcome == "acknowledged"), key=lambda operation: operation.answered_at)
    # The syncs of its change returned, and what they should have written is not there.
    cut = sum(record.end <= last.sent_at[1] for record in recording.records)
    found = found_after_power_failure(start, recorded.life, rebuild(recording, cut, Never()), operations, chance)
    assert found.lost, found
    # One synced write of it to the log is not there, and the log was not copied into the database after that.
    first = next(at for at, record in enumerate(recording.records) if at >= cut and is_write(record, "-wal"))
    kept = [record for at, record in enumerate(recording.records) if at != first and not (at > first and is_write(record, ".db"))]
    recording.records = kept
    found = found_after_power_failure(start, recorded.life, rebuild(recording, len(kept), Never()), operations, chance)
    assert found.lost, found


def is_write(record, end):
    return record.kind == WRITTEN and record.name.endswith(end)
