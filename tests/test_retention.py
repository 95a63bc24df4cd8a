"""Retention with the real server, on both engines: old states go beside requests, and all else stays."""

import re
import shutil
import socket
import sqlite3
import time

import pytest
import requests

from conftest import connectory
from postgres import Cluster

BODIES = "/connectory/v1/connectors/hr/revisions"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path):
    """The address of a database, and a function that makes everything in it three hours older."""
    if request.param == "sqlite":
        file = tmp_path / "c.db"

        def age():
            with sqlite3.connect(file) as database:
                database.execute("UPDATE revisions SET created_at = created_at - 3 * 3600 * 1000")

        yield file, age
        return
    if shutil.which("psql") is None:
        pytest.skip("it takes PostgreSQL")
    cluster = Cluster()
    name = cluster.new_database()
    yield cluster.address(name), lambda: cluster.psql(name, "UPDATE revisions SET created_at = created_at - 3 * 3600 * 1000")
    cluster.end()


def metric(address, name):
    return float(re.search(rf"^{name} (\S+)$", requests.get(f"http://{address}/metrics", timeout=30).text, re.M)[1])


def change(session, server, value):
    patch = [{"op": "add", "path": "/connectorMetadata/category", "value": value}]
    content = {"Content-Type": "application/json-patch+json"}
    session.patch(f"{server.connectors}/hr", json=patch, headers=content, timeout=30).raise_for_status()


def test_old_states_go_and_the_newest_and_the_record_stay(start, database, tmp_path):
    address, age = database
    server = start("--rate-limit", "off", database=address)
    client = {"client_id": server.client_id, "secret": server.secret}
    session = server.session()
    session.post(server.connectors, json={"name": "HR", "className": "x.Y"}, timeout=30).raise_for_status()
    session.post(server.connectors, json={"name": "Gone", "className": "x.Y"}, timeout=30).raise_for_status()
    for number in range(4):
        change(session, server, f"old {number}")
    session.delete(f"{server.connectors}/gone", timeout=30).raise_for_status()
    server.stop()
    age()
    with socket.create_server(("127.0.0.1", 0)) as free:
        metrics = "127.0.0.1:%d" % free.getsockname()[1]
    server = start("--rate-limit", "off", "--keep-revisions", "2h,min=2", "--metrics-listen", metrics, database=address)
    session = server.session(**client)
    began = time.monotonic()
    while metric(metrics, "connectory_retention_last_pass_timestamp_seconds") == 0:
        assert time.monotonic() < began + 30, server.log
        # Requests go on beside it.
        assert session.get(f"{server.connectors}/hr", timeout=30).json()["connectorMetadata"]["category"] == "old 3"
        time.sleep(0.05)
    # Of the five states of one connector two are kept.
    assert metric(metrics, "connectory_retention_bodies_removed_total") == 3
    listed = session.get(f"{server.url}{BODIES}", timeout=30).json()
    assert [(revision["action"], revision["body"]) for revision in listed] == [
        ("update", True), ("update", True), ("update", False), ("update", False), ("create", False)]
    assert all(revision["author"]["id"] == client["client_id"] for revision in listed)
    removed, kept = listed[3]["revision"], listed[1]["revision"]
    for refused in [
        session.get(f"{server.url}{BODIES}/{removed}", timeout=30),
        session.post(f"{server.url}{BODIES}/{removed}/restore", timeout=30),
        session.get(f"{server.url}/connectory/v1/connectors/hr/diff?from={removed}", timeout=30),
    ]:
        assert refused.status_code == 410 and listed[3]["created"][:10] in refused.text, refused.text
    exported = session.get(f"{server.url}/connectory/v1/connectors?at={removed}", timeout=30)
    assert exported.status_code == 410 and "`hr` as it was at revision 3 was removed" in exported.text, exported.text
    # What is kept comes back, and a deleted connector too.
    restored = session.post(f"{server.url}{BODIES}/{kept}/restore", timeout=30)
    assert restored.json()["connectorMetadata"]["category"] == "old 2"
    gone = session.get(f"{server.url}/connectory/v1/connectors/gone/revisions", timeout=30).json()
    assert [revision["body"] for revision in gone] == [True, True]
    back = session.post(f"{server.url}/connectory/v1/connectors/gone/revisions/{gone[0]['revision']}/restore", timeout=30)
    assert back.status_code == 200 and back.json()["name"] == "Gone"
    # What remains is whole, here and in a backup.
    for change_after in range(2):
        change(session, server, f"new {change_after}")
    checked = connectory("database", "check", "--database", server.database)
    assert "Everything is what it should be." in checked.stdout
    connectory("backup", "create", tmp_path / "b", "--database", server.database)
    connectory("backup", "verify", tmp_path / "b")
    connectory("backup", "restore", tmp_path / "b", "--database", f"sqlite:{tmp_path / 'again.db'}", "--keys", "keep")
    server.stop()
    again = start("--rate-limit", "off", database=tmp_path / "again.db")
    session = again.session(**client)
    assert session.get(f"{again.connectors}/hr", timeout=30).json()["connectorMetadata"]["category"] == "new 1"
    assert session.get(f"{again.url}{BODIES}/{removed}", timeout=30).status_code == 410
