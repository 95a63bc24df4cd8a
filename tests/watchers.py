"""Others that read, follow and back up a database while clients write, and the inspection after each round."""

import json
import random
import signal
import subprocess
import threading
import time

import requests

from acknowledged import MEMBERS, check, check_events, check_seen, members
from conftest import BINARY, connectory, environment
from writers import EXTENSIONS, exported


class Background(threading.Thread):
    """Something that goes on until the end, through restarts."""

    def __init__(self, life):
        super().__init__(daemon=True)
        self.life, self.ended, self.failure = life, threading.Event(), None
        self.start()

    def run(self):
        try:
            while not self.ended.is_set():
                try:
                    self.step()
                except requests.RequestException:
                    # The server has ended. It comes back, perhaps at another address.
                    time.sleep(0.01)
        except Exception as failure:
            self.failure = failure

    def end(self):
        self.ended.set()
        self.join(30)

    def assert_no_failure(self):
        if self.failure is not None:
            raise self.failure


class Reader(Background):
    """Reads lists, details and the history, and remembers the revisions that it saw."""

    def __init__(self, life):
        self.seen, self.random = {}, random.Random(life.seed)
        super().__init__(life)

    def step(self):
        url = self.life.server.url
        get = lambda path: requests.get(url + path, headers=self.life.headers, timeout=30)
        listed = get("/v3/connectors?custom=true&limit=50")
        assert listed.status_code == 200, listed.text
        if connectors := listed.json():
            detail = get(f"/v3/connectors/{self.random.choice(connectors)['scriptName']}")
            assert detail.status_code in (200, 404), detail.text
        history = get(f"{EXTENSIONS}/revisions?limit=20")
        assert history.status_code == 200, history.text
        for row in history.json():
            before = self.seen.setdefault(row["revision"], row)
            assert before == row, f"revision {row['revision']} changed"
        self.life.count("reads", 3)
        time.sleep(0.02)


class Events(Background):
    """Follows the events from the beginning, and resumes after each end with the last id."""

    def __init__(self, life):
        self.events, self.last, self.text = [], None, ""
        super().__init__(life)

    def step(self):
        headers = self.life.headers | ({"Last-Event-ID": self.last} if self.last else {})
        with requests.get(f"{self.life.server.url}{EXTENSIONS}/events", headers=headers, stream=True, timeout=30) as answer:
            assert answer.status_code == 200, answer.text
            self.life.count("event streams")
            self.text = ""
            for part in answer.iter_content(chunk_size=None):
                self.read(part.decode())
                if self.ended.is_set():
                    return

    def read(self, text):
        *blocks, self.text = (self.text + text).split("\n\n")
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
            assert fields.get("event") != "reset", block
            if "event" in fields:
                self.events.append({"event": fields["event"], "data": json.loads(fields["data"])})
            # The place counts only with the event that it belongs to.
            self.last = fields.get("id", self.last)

    def wait_for(self, number):
        """Waits for the events up to a revision."""
        deadline = time.monotonic() + 30
        while len(self.events) < number and time.monotonic() < deadline and self.failure is None:
            time.sleep(0.005)


class Backups(Background):
    """Makes backups all the time. Half of the time it is killed too."""

    def __init__(self, life):
        self.folder = life.server.folder / "backups"
        self.folder.mkdir()
        self.process, self.made, self.random = None, 0, random.Random(life.seed)
        super().__init__(life)

    def step(self):
        self.made += 1
        file = self.folder / f"{self.made}.backup"
        command = [BINARY, "backup", "create", file, "--database", self.life.server.database]
        self.process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        _, errors = self.process.communicate(timeout=60)
        if self.process.returncode == -signal.SIGKILL:
            self.life.count("backups killed")
        else:
            assert self.process.returncode == 0, errors
            assert file.exists()
        self.ended.wait(self.random.uniform(0.0, 0.5))

    def kill(self):
        if self.process is not None and self.random.random() < 0.5:
            self.process.kill()

    def verify(self):
        """Verifies every backup that has its final name, and removes it."""
        for file in sorted(self.folder.glob("*.backup")):
            done = connectory("backup", "verify", str(file), check=False)
            assert done.returncode == 0, f"{file.name}: {done.stdout}{done.stderr}"
            self.life.count("backups verified")
            file.unlink()


class Inspector:
    """Compares what a server has with what was asked of it."""

    def __init__(self, life):
        self.life, self.contents = life, {}

    def check(self, server, operations, sample=None, events=None, seen=None):
        """Reads the whole history. With a `sample`, only as many connectors at revisions are compared with what was asked."""
        session = server.session()
        rows = []
        path = f"{EXTENSIONS}/revisions?limit=250"
        while path:
            answer = session.get(server.url + path, timeout=60)
            assert answer.status_code == 200, answer.text
            rows = answer.json()[::-1] + rows
            path = answer.links.get("next", {}).get("url")
        looked_at = {row["revision"] for row in rows}
        if sample is not None and len(rows) > sample:
            looked_at = set(random.Random(self.life.seed).sample(sorted(looked_at), sample))
        contents = {} if sample is not None else self.contents
        known = {tracking for operation in operations for tracking in operation.tracking}

        def content(row):
            number = row["revision"]
            if number not in looked_at and row["trackingId"] in known:
                return None
            if number not in contents:
                answer = session.get(f"{server.url}{EXTENSIONS}/connectors/{row['scriptName']}/revisions/{number}", timeout=60)
                contents[number] = members(answer.json()) if answer.ok else dict.fromkeys(MEMBERS, answer.text)
            return contents[number]

        current = {name: (at, members(detail)) for name, (at, detail) in exported(server, session.headers).items()}
        found = check(operations, rows, content, current)
        if events is not None:
            events.wait_for(len(rows))
            check_events(found, rows, events.events)
        if seen is not None:
            check_seen(found, rows, dict(seen))
        done = connectory("database", "check", "--database", server.database, check=False)
        if done.returncode != 0:
            found.corrupt.append(f"database check: {done.stdout}{done.stderr}")
        return found


class Stream(threading.Thread):
    """A stream of events, until its server ends it. `last` is the newest id."""

    def __init__(self, url, headers):
        super().__init__(daemon=True)
        self.events, self.last = [], None
        self.answer = requests.get(url, headers=headers, stream=True, timeout=60)
        assert self.answer.status_code == 200, self.answer.text
        self.start()

    def run(self):
        event = {}
        try:
            for line in self.answer.iter_lines(chunk_size=1, decode_unicode=True):
                if not line:
                    self.last = event.get("id", self.last)
                    if "event" in event:
                        self.events.append({"event": event["event"], "data": json.loads(event["data"])})
                    event = {}
                elif not line.startswith(":"):
                    name, value = line.split(": ", 1)
                    event[name] = value
        except requests.RequestException:
            # The server has ended.
            pass
