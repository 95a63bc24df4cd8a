"""What clients see while nodes, databases, networks and disks fail, in numbers.

Each test runs what `deploy/local.py` runs: a primary with its standby, three nodes, and HAProxy before them.
"""

import collections
import concurrent.futures
import os
import pathlib
import shutil
import signal
import tempfile
import time
import uuid

import pytest
import requests

from conftest import Faults
from failing import AGAIN, BreakingNode, Failing
from link import Link
from load import PATCH
from local import Balancer
from test_as_code import wait_until
from watchers import Stream

pytestmark = pytest.mark.skipif(
    "CONNECTORY_TEST_POSTGRES" not in os.environ, reason="needs PostgreSQL: set CONNECTORY_TEST_POSTGRES=1"
)


@pytest.fixture
def deploy():
    """Starts deployments, and ends them."""
    deployments = []

    def deploy(*arguments, **options):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="cty", dir="/tmp"))
        # The user of PostgreSQL passes through it.
        folder.chmod(0o711)
        deployments.append(Failing(folder, *arguments, **options))
        deployments[-1].start()
        return deployments[-1]

    yield deploy
    for deployment in deployments:
        deployment.end("immediate")
        shutil.rmtree(deployment.folder)


@pytest.fixture
def links():
    """Starts links to the primary of a deployment, which nodes take for its address."""
    links = []

    def address(_, deployment):
        primary = deployment.primary.folder
        links.append(Link(lambda: primary / ".s.PGSQL.5432"))
        return f"postgres://postgres@127.0.0.1:{links[-1].port}/{deployment.DATABASE}"

    address.links = links
    yield address
    for link in links:
        link.end()


def test_the_load_balancer_repeats_reads_at_other_nodes_and_never_a_change(tmp_path):
    nodes = [BreakingNode() for _ in range(3)]
    balancer = Balancer(tmp_path, nodes)
    try:
        balancer.start()
        for method in ["POST", "PUT", "PATCH", "DELETE"]:
            answer = requests.request(method, f"{balancer.url}/v3/connectors/a", data="a change", timeout=30)
            assert answer.status_code == 502
        asked = [method for node in nodes for method in node.asked]
        assert sorted(asked) == ["DELETE", "PATCH", "POST", "PUT"]
        assert requests.get(f"{balancer.url}/v3/connectors/a", timeout=30).status_code == 502
        assert all("GET" in node.asked for node in nodes)
    finally:
        balancer.end()
        for node in nodes:
            node.http.shutdown()


def test_a_node_that_stops_or_is_killed_fails_no_read_and_loses_no_change(deploy, report):
    deployment = deploy()
    one, two, _ = deployment.nodes
    with deployment.load(readers=2) as load:
        load.wait_for(60)
        assert one.stop() == 0
        assert load.changes.keys() == load.reads.keys() == {200}, (load.changes, load.reads)
        one.begin()
        one.wait()
        load.wait_for(60)
        two.kill()
        load.wait_for(60)
        two.begin()
        two.wait()
        load.wait_for(60)
    told = load.check(deployment.urls)
    assert load.reads.keys() == {200}, load.reads
    report(f"a node stopped, another one killed: {told}")


def test_a_standby_takes_over_with_all_that_was_acknowledged_and_the_old_primary_comes_back(deploy, report):
    deployment = deploy()
    with deployment.load(readers=2) as load:
        load.wait_for(60)
        deployment.primary.kill()
        deployment.fail_over()
        since = time.monotonic()
        told = deployment.served_again(deployment.token(), since)
        load.wait_for(60)
        how = deployment.rejoin()
        load.wait_for(60)
        # The server that came back has everything too, and nothing else.
        deployment.primary.kill()
        deployment.fail_over()
        since = time.monotonic()
        told_again = deployment.served_again(deployment.token(), since)
        load.wait_for(60)
    told += f"; the old primary back by {how} and promoted: {told_again}"
    report(f"the primary killed, its standby promoted: {told}; {load.check(deployment.urls)}")


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_database_that_was_restarted_is_used_again(deploy, links, report, how):
    deployment = deploy(address=links)
    token = deployment.token()
    with deployment.load(readers=2) as load:
        load.wait_for(60)
        connected = [len(link.attempts) for link in links.links]
        began = time.monotonic()
        deployment.primary.stop() if how == "stopped" else deployment.primary.kill()
        for node in deployment.nodes:
            wait_until(lambda: requests.get(f"{node.url}/health/ready", timeout=30).status_code == 503)
            refused = requests.get(f"{node.url}/v3/connectors", headers={"Authorization": f"Bearer {token}"}, timeout=30)
            assert refused.status_code == 503 and refused.headers["Retry-After"]
        # The nodes say that, and not the load balancer.
        refused = requests.get(f"{deployment.url}/v3/connectors", headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert refused.status_code == 503 and refused.headers["Retry-After"]
        answer = requests.get(f"{deployment.url}/health/ready", timeout=30).json()
        assert answer["status"] == "not ready" and "database" in answer["reason"] and answer["lagSeconds"] > 0, answer
        deployment.primary.start()
        back = time.monotonic()
        told = deployment.served_again(token, back)
        load.wait_for(60)
    # No clock makes the nodes connect together: they seldom do in the same millisecond.
    times = [{int(at * 1000) for at in link.attempts[before:]} for link, before in zip(links.links, connected)]
    together = set.intersection(*times)
    assert len(together) < min(map(len, times)) / 3, (together, times)
    told += f"; {sum(map(len, times)) / 3 / (back - began):.0f} attempts to connect of each node in a second"
    report(f"the database {how} and started: {told}; {load.check(deployment.urls)}")


def test_a_database_that_stops_to_answer_is_used_again(deploy, report):
    deployment = deploy()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    token = deployment.token()
    with deployment.load(readers=2) as load:
        load.wait_for(60)
        # Commits wait for the standby, so some are under way.
        deployment.standby.send(signal.SIGSTOP)
        wait_until(lambda: deployment.primary.psql("postgres", waiting) != "0")
        deployment.primary.send(signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            for node in deployment.nodes:
                began = time.monotonic()
                silent = requests.get(f"{node.url}/v3/connectors", headers={"Authorization": f"Bearer {token}"}, timeout=30)
                assert silent.status_code == 503 and time.monotonic() - began < 15, silent.text
            # Longer than a commit may take and than its outcome is looked up.
            time.sleep(max(0, stopped + 22 - time.monotonic()))
        finally:
            deployment.primary.send(signal.SIGCONT)
            deployment.standby.send(signal.SIGCONT)
        back = time.monotonic()
        told = deployment.served_again(token, back)
        load.wait_for(60)
    assert load.changes[504] > 0, "no commit was under way"
    report(f"the database silent for {back - stopped:.0f} s: {told}; {load.check(deployment.urls)}")


def test_connections_that_stay_silent_are_replaced(deploy, links, report):
    deployment = deploy(address=links, synchronous=False)
    token = deployment.token()
    # Changes to several tenants at once open all connections that a node may have for them.
    tokens = [deployment.token_of_new_tenant(f"tenant-{number}") for number in range(6)]
    ends = time.monotonic() + 2

    def write(place):
        url, token = place
        while time.monotonic() < ends:
            body, headers = {"name": f"C {uuid.uuid4()}", "className": "x.Y"}, {"Authorization": f"Bearer {token}"}
            requests.post(f"{url}/v3/connectors", json=body, headers=headers, timeout=30).raise_for_status()

    places = [(url, token) for url in deployment.urls for token in tokens]
    with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
        list(pool.map(write, places))
    with deployment.load(writers=8, readers=4) as load:
        load.wait_for(100)
        for link in links.links:
            link.silence()
        time.sleep(10)
        for link in links.links:
            link.forget()
        told = deployment.served_again(token, time.monotonic())
        load.wait_for(60)
    report(f"no answer for 10 s, then new connections work and old ones stay silent: {told}; {load.check(deployment.urls)}")


def test_a_node_that_was_cut_off_catches_up(deploy, links, report):
    deployment = deploy(address=links)
    token = deployment.token()
    node, link = deployment.nodes[2], links.links[2]
    statuses = collections.Counter()
    with deployment.load(readers=2) as load:
        load.wait_for(60)
        link.silence()
        began = time.monotonic()
        while time.monotonic() < began + 30:
            answer = requests.get(f"{node.url}/v3/connectors/w-0", headers={"Authorization": f"Bearer {token}"}, timeout=30)
            statuses[answer.status_code] += 1
        link.heal()
        told = deployment.served_again(token, time.monotonic(), [node])
        load.wait_for(60)
    # It says nothing that may be old.
    assert statuses.keys() == {503}, statuses
    report(f"a node cut off for 30 s: {told}; it refused {statuses[503]} reads; {load.check(deployment.urls)}")


def test_a_standby_without_the_newest_changes_is_shown_as_it_is(deploy, report):
    deployment = deploy(synchronous=False)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {deployment.token()}"
    at = lambda node, path="": f"{deployment.nodes[node].url}/v3/connectors{path}"

    def create(name):
        answer = session.post(at(0), json={"name": name, "type": "test", "className": "x.Y"}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer

    def patch(value, **headers):
        body = [{"op": "add", "path": "/connectorMetadata/category", "value": value}]
        return session.patch(at(0, "/kept"), json=body, headers=PATCH | headers, timeout=30)

    def listed(node, **headers):
        return session.get(at(node), params={"filters": 'type eq "test"'}, headers=headers, timeout=30)

    def names(node):
        answer = listed(node)
        return [connector["name"] for connector in answer.json()] if answer.status_code == 200 else answer.status_code

    stream = Stream(f"{deployment.nodes[1].url}/connectory/v1/events", session.headers)
    wait_until(lambda: stream.last)
    create("Kept")
    assert patch("kept").status_code == 200
    position = deployment.primary.psql("postgres", "SELECT pg_current_wal_lsn()")
    replayed = f"SELECT pg_last_wal_replay_lsn() >= '{position}'"
    wait_until(lambda: deployment.standby.psql("postgres", replayed) == "t")
    deployment.standby.stop()

    lost = ["Lost", "Lost too"]
    for name in lost:
        create(name)
    newest = int(patch("lost").headers["Connectory-Revision"])
    for node in range(3):
        assert names(node) == ["Kept", *lost]
    wait_until(lambda: len(stream.events) == 5)
    cursor = stream.last
    tags = [(session.get(at(node, "/kept"), timeout=30).headers["ETag"], listed(node).headers["ETag"]) for node in range(3)]

    deployment.primary.kill()
    deployment.standby.start()
    deployment.fail_over()
    back = time.monotonic()
    for node in range(3):
        wait_until(lambda: names(node) == ["Kept"])
    seconds = time.monotonic() - back
    assert seconds <= AGAIN
    for node in range(3):
        assert "the tenant is loaded anew" in deployment.nodes[node].log

    # A client that knows more than there is, is told what there is.
    for node in range(3):
        def told():
            known = session.get(at(node, "/kept"), headers={"Connectory-Min-Revision": str(newest)}, timeout=30)
            assert known.status_code == 503 and known.headers["Retry-After"], known.text
            return known.headers.get("Connectory-Revision")

        # Without a number, the database did not answer in time.
        wait_until(lambda: told() == str(newest - 3))

    # No tag of before is one of now: neither at an older number, nor when the lost numbers are taken again.
    refused = patch("of what is lost", **{"If-Match": tags[0][0]})
    assert refused.status_code == 412, refused.text
    for number in range(newest - 3, newest + 1):
        for node in range(3):
            detail = session.get(at(node, "/kept"), headers={"If-None-Match": tags[node][0]}, timeout=30)
            assert detail.status_code == 200 and detail.json()["connectorMetadata"]["category"] == "kept", detail.text
            again = listed(node, **{"If-None-Match": tags[node][1]})
            assert again.status_code == 200 and not set(lost) & {connector["name"] for connector in again.json()}
            assert int(again.headers["Connectory-Revision"]) == number
        if number < newest:
            create(f"New {number}")
    assert patch("of what is lost", **{"If-Match": tags[0][0]}).status_code == 412

    # The stream that was open, and one that goes on from an event that is lost.
    wait_until(lambda: len(stream.events) == 9)
    later = Stream(f"{deployment.nodes[2].url}/connectory/v1/events", {**session.headers, "Last-Event-ID": cursor})
    wait_until(lambda: later.events)
    assert later.events[0]["event"] == "reset"
    told = [event["event"].removeprefix("connector.") for event in stream.events]
    assert told == ["created", "updated", "created", "created", "updated", "reset", "created", "created", "created"]
    assert stream.events[5]["data"]["revision"] == newest - 3
    report(f"an asynchronous standby promoted: clients are told that 3 revisions are gone; all nodes show it after {seconds:.1f} s")


@pytest.mark.parametrize("files", ["/base/", "/pg_wal/"])
def test_a_full_disk_of_the_database_loses_nothing(deploy, report, faults, files):
    deployment = deploy(synchronous=False)
    primary = deployment.primary
    # The user of PostgreSQL reads it.
    library = shutil.copy(faults, primary.folder / "faults.so")
    full = Faults(library, primary.folder)
    primary.stop()
    primary.variables = full.variables
    primary.start()
    token = deployment.token()
    deployment.served_again(token, time.monotonic())
    with deployment.load(readers=2) as load:
        load.wait_for(60)
        began, reads, changes = time.monotonic(), load.reads.copy(), load.changes.copy()
        full.begin(f"write ENOSPC in={files}")
        wait_until(lambda: full.hits and sum(load.changes[status] - changes[status] for status in (503, 504, 507)) >= 20)
        if files == "/base/":
            # PostgreSQL refuses what needs more room. Reads go on.
            assert load.reads.keys() == {200} and load.changes[507] > 0, (load.reads, load.changes)
        if files == "/pg_wal/":
            # PostgreSQL cannot write its log. It ends, starts by itself and ends again, until there is room.
            wait_until(lambda: "PANIC" in (primary.folder / "log").read_text())
        full.stop()
        back = time.monotonic()
        if not primary.is_running():
            primary.start()
        told = deployment.served_again(token, back)
        load.wait_for(60)
    told += f"; full for {back - began:.1f} s, changes refused: {load.changes[503]} with 503, {load.changes[507]} with 507"
    report(f"no room for the database in {files}: {told}; {load.check(deployment.urls)}")
