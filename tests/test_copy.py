"""A database moves to another one: tokens stay valid, streams of events go on, and a kill in the middle loses nothing."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import time

import pytest

from conftest import BINARY, connectory, environment
from postgres import Cluster

WITH_POSTGRES = "CONNECTORY_TEST_POSTGRES" in os.environ


@pytest.fixture(scope="module")
def cluster():
    if not WITH_POSTGRES:
        yield None
        return
    cluster = Cluster()
    yield cluster
    cluster.end()


ENGINES = [("sqlite", "sqlite")] + [(a, b) for a in ("sqlite", "postgres") for b in ("sqlite", "postgres") if "postgres" in (a, b)]
CONNECTORS = 10_000


def fill(server):
    """Creates many connectors, and returns a session with a token."""
    session = server.session()
    created = session.post(server.connectors, json={"name": "Model", "className": "x.Y"}, timeout=60)
    assert created.status_code in (200, 201), created.text
    export = session.get(f"{server.url}/connectory/v1/connectors", timeout=60).text.splitlines()
    model = json.loads(export[1])
    for first in range(0, CONNECTORS, 1000):
        lines = []
        for number in range(first, first + 1000):
            connector = model["connector"] | {"name": f"Copied {number}", "scriptName": f"copied-{number}"}
            lines.append(json.dumps({"scriptName": f"copied-{number}", "revision": 0, "connector": connector}))
        answer = session.post(
            f"{server.url}/connectory/v1/apply", data="\n".join(lines) + "\n", timeout=120,
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert answer.status_code == 200, answer.text
    return session


def state(server, session):
    """All connectors, and the newest of the history."""
    export = session.get(f"{server.url}/connectory/v1/connectors", timeout=60)
    assert export.status_code == 200, export.text
    history = session.get(f"{server.url}/connectory/v1/revisions?limit=50", timeout=60)
    assert history.status_code == 200, history.text
    return export.text, history.json()


def place_in_events(server, session):
    """The id of the newest place in the stream of events."""
    with session.get(f"{server.url}/connectory/v1/events", stream=True, timeout=30) as stream:
        assert stream.status_code == 200
        return next(line[3:].strip() for line in stream.iter_lines(decode_unicode=True) if line.startswith("id:"))


def next_event(server, session, after):
    """The kind of the first event after a place."""
    headers = {"Last-Event-ID": after}
    with session.get(f"{server.url}/connectory/v1/events", headers=headers, stream=True, timeout=30) as stream:
        assert stream.status_code == 200
        return next(line[6:].strip() for line in stream.iter_lines(decode_unicode=True) if line.startswith("event:"))


@pytest.mark.parametrize("source_engine, target_engine", ENGINES)
def test_a_copy_that_is_killed_goes_on_and_tokens_stay_valid(start, cluster, tmp_path, source_engine, target_engine, report, seed):
    if cluster is None and "postgres" in (source_engine, target_engine):
        pytest.skip("needs PostgreSQL: set CONNECTORY_TEST_POSTGRES=1")

    def place(engine, name):
        return cluster.address(cluster.new_database()) if engine == "postgres" else tmp_path / name

    def option(place):
        return place if str(place).startswith("postgres://") else f"sqlite:{place}"

    source, target = place(source_engine, "source.db"), place(target_engine, "target.db")
    server = start("--rate-limit", "off", database=source)
    session = fill(server)
    before = state(server, session)
    event = place_in_events(server, session)
    client = server.client_id, server.secret
    server.stop()

    command = [BINARY, "database", "copy", "--from", option(source), "--to", option(target)]
    chosen, kills = random.Random(seed), []
    began = time.monotonic()
    for part in range(3):
        # Somewhere in this third of what is copied first: all revisions.
        kill_at = chosen.randrange(part * CONNECTORS // 3, (part + 1) * CONNECTORS // 3)
        copying = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while (found := copied(cluster, target)) is None or found < kill_at:
            assert copying.poll() is None, copying.communicate()
        copying.send_signal(signal.SIGKILL)
        copying.communicate()
        kills.append(copied(cluster, target))
        for command_of in (["serve", "--listen", "127.0.0.1:0"], ["client", "list"], ["backup", "create", str(tmp_path / "none")]):
            refused = connectory(*command_of, "--database", option(target), check=False)
            assert refused.returncode == 1 and "is half copied from" in refused.stderr, refused
    printed = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert printed.returncode == 0, printed
    assert f"An earlier run had copied the first {kills[-1]} records, which were not sent again." in printed.stdout, (kills, printed)
    report(f"{source_engine} to {target_engine}: killed after {kills} records, {time.monotonic() - began:.1f} s")

    moved = start("--rate-limit", "off", database=target)
    # The token is from before the copy, and so is the place in the stream.
    session.post(f"{moved.url}/v3/connectors", json={"name": "After", "className": "x.Y"}, timeout=60).raise_for_status()
    assert next_event(moved, session, event) == "connector.created"
    session.delete(f"{moved.url}/v3/connectors/after", timeout=60).raise_for_status()
    export, history = state(moved, session)
    assert export.splitlines()[1:] == before[0].splitlines()[1:]
    assert history[2:] == before[1][:48]
    assert moved.token(*client)
    moved.stop()
    assert connectory("database", "check", "--database", option(target)).stdout.endswith("Everything is what it should be.\n")


def copied(cluster, target):
    """How many records a copy that is not finished has. None if it has not begun."""
    if str(target).startswith("postgres://"):
        name = target.rsplit("/", 1)[1]
        if cluster.psql(name, "SELECT to_regclass('unfinished_copy') IS NOT NULL") != "t":
            return None
        return int(cluster.psql(name, "SELECT records FROM unfinished_copy"))
    if not target.exists():
        return None
    database = sqlite3.connect(f"file:{target}?mode=ro", uri=True)
    try:
        return database.execute("SELECT records FROM unfinished_copy").fetchone()[0]
    except sqlite3.OperationalError:
        return None
    finally:
        database.close()
