"""Clients that write and read while things fail, and count what was acknowledged, lost, unknown and repeated."""

import collections
import concurrent.futures
import itertools
import threading
import time
import uuid

import requests

from test_as_code import wait_until

PATCH = {"Content-Type": "application/json-patch+json"}
# How long a client repeats one change before the test fails.
PATIENCE = 60
# How long a client waits after each answer, so that a test leaves the machine time for what it measures.
PAUSE = 0.02


def longest_gap(times):
    """The longest time between two successes."""
    times = sorted(times)
    return max((later - earlier for earlier, later in zip(times, times[1:])), default=float("inf"))


class Load:
    """Writers append numbers to lists, and repeat each change with the same key until it is acknowledged. Readers read these
    lists, and never repeat.

    A read must show all that was acknowledged before it was sent, whoever answers it. Use it as a context: at its end all clients
    stop, and what a client found wrong is raised.
    """

    def __init__(self, url, token, writers=4, readers=0):
        self.url = f"{url}/v3/connectors"
        self.token = {"Authorization": f"Bearer {token}"}
        self.stop = threading.Event()
        # The statuses of all answers to changes and to reads. 0 is a connection that broke.
        self.changes, self.reads = collections.Counter(), collections.Counter()
        self.repeats = 0
        # When changes and reads succeeded.
        self.changed_at, self.read_at = [], []
        # For each writer, how many numbers were acknowledged.
        self.written = [0] * writers
        self.pool = concurrent.futures.ThreadPoolExecutor(writers + readers)
        self.clients = [self.pool.submit(self.write, number) for number in range(writers)]
        self.clients += [self.pool.submit(self.read, number) for number in range(readers)]

    def change(self, session, method, url, body, headers={}):
        headers = self.token | headers | {"Idempotency-Key": str(uuid.uuid4())}
        began = time.monotonic()
        for attempt in itertools.count():
            self.repeats += attempt > 0
            try:
                answer = session.request(method, url, json=body, headers=headers, timeout=45)
                status, text = answer.status_code, answer.text
            except requests.RequestException as error:
                status, text = 0, str(error)
            self.changes[status] += 1
            if status == 200:
                self.changed_at.append(time.monotonic())
                time.sleep(PAUSE)
                return
            assert status in (0, 502, 503, 504, 507), (status, text)
            assert status != 503 or answer.headers.get("Retry-After"), answer.headers
            assert time.monotonic() < began + PATIENCE, f"no change for {PATIENCE} s; the last answer: {status} {text}"
            time.sleep(PAUSE)

    def write(self, writer):
        session = requests.Session()
        self.change(session, "POST", self.url, {"name": f"W {writer}", "className": "x.Y"})
        url = f"{self.url}/w-{writer}"
        self.change(session, "PATCH", url, [{"op": "add", "path": "/connectorMetadata/log", "value": []}], PATCH)
        while not self.stop.is_set():
            append = [{"op": "add", "path": "/connectorMetadata/log/-", "value": self.written[writer]}]
            self.change(session, "PATCH", url, append, PATCH)
            self.written[writer] += 1

    def read(self, reader):
        session = requests.Session()
        writer = reader % len(self.written)
        while not self.stop.is_set():
            if not (known := self.written[writer]):
                time.sleep(PAUSE)
                continue
            try:
                answer = session.get(f"{self.url}/w-{writer}", headers=self.token, timeout=45)
                status = answer.status_code
            except requests.RequestException:
                status = 0
            self.reads[status] += 1
            assert status in (0, 200, 502, 503, 504), answer.text
            if status == 200:
                seen = len(answer.json()["connectorMetadata"]["log"])
                assert seen >= known, f"a read shows {seen} numbers of {known} that were acknowledged before it"
                self.read_at.append(time.monotonic())
            time.sleep(PAUSE)

    def wait_for(self, changes):
        """Waits until so many more changes are acknowledged."""
        before = self.changes[200]
        wait_until(lambda: self.changes[200] >= before + changes or any(client.done() for client in self.clients))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.pool.shutdown()
        for client in self.clients:
            client.result()

    def check(self, urls):
        """Every server shows what was acknowledged: each number once, in order. Returns the numbers that are told of a run."""
        lost = 0
        for url in urls:
            for writer, count in enumerate(self.written):
                answer = requests.get(f"{url}/v3/connectors/w-{writer}", headers=self.token, timeout=30)
                assert answer.status_code == 200, (url, answer.text)
                log = answer.json()["connectorMetadata"]["log"]
                lost += len(set(range(count)) - set(log))
                assert log == list(range(count)), f"{url} has {log} of the numbers up to {count}"
        unknown = sum(self.changes[status] for status in (0, 502, 504))
        told = f"{self.changes[200]} acknowledged, {lost} lost, {unknown} unknown, {self.repeats} repeats"
        told += f"; longest time without a change {longest_gap(self.changed_at):.1f} s"
        if self.read_at:
            failed = sum(self.reads.values()) - self.reads[200]
            told += f", without a read {longest_gap(self.read_at):.1f} s; {self.reads[200]} reads, {failed} failed"
        return told
