"""What several servers on one PostgreSQL share beside connectors: rate limits, access, sessions, keys, and work for one."""

import base64
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest
import requests

from conftest import Server, connectory
from postgres import Cluster
from test_as_code import wait_until
from test_nodes import CLIENT

pytestmark = pytest.mark.skipif(
    "CONNECTORY_TEST_POSTGRES" not in os.environ, reason="needs PostgreSQL: set CONNECTORY_TEST_POSTGRES=1"
)


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster()
    cluster.start_bouncer()
    yield cluster
    cluster.end()


def statuses_of(distribution, token):
    """Sends one request for each server of a distribution, all at once, and counts the statuses of the answers."""
    local = threading.local()

    def get(server):
        if not hasattr(local, "session"):
            local.session = requests.Session()
        answer = local.session.get(server.connectors, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["Retry-After"]) <= 10
        return answer.status_code

    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        return collections.Counter(pool.map(get, distribution))


def wait_for_window(cluster, seconds):
    """Waits until the current window of ten seconds lasts for so many seconds more. The windows are those of the database."""
    left = 10 - float(cluster.psql("postgres", "SELECT extract(epoch FROM clock_timestamp()) % 10"))
    if left < seconds:
        time.sleep(left + 0.01)


@pytest.mark.parametrize("bounced", [False, True], ids=["direct", "pgbouncer"])
def test_three_servers_admit_what_one_would(start, cluster, bounced):
    address = cluster.address(cluster.new_database(), bounced=bounced)
    servers = [start(database=address, **CLIENT) for _ in range(3)]
    tokens = []
    for _ in range(6):
        client_id, secret = servers[0].new_client()
        tokens.append(servers[0].token(client_id, secret))
    wait_for_window(cluster, 8)
    began = time.monotonic()
    statuses = statuses_of(servers * 100, tokens[0])
    assert time.monotonic() - began < 8, "the test is too slow for one window"
    assert statuses.keys() == {200, 429} and 90 <= statuses[200] <= 100, statuses

    one, two, three = servers
    mixed = [one] * 61 + [two] * 20 + [three] * 9
    random.Random(1).shuffle(mixed)
    for token, distribution in zip(tokens[1:], [
        [one] * 90, [one, two, three] * 30, [one] * 45 + [two] * 45, [one] * 80 + [two] * 5 + [three] * 5, mixed,
    ]):
        statuses = statuses_of(distribution, token)
        assert statuses == {200: 90}, statuses


def test_servers_count_alone_while_the_database_is_gone(start):
    own = Cluster()
    try:
        arguments = ["--reads", "local", "--max-staleness", "1m", "--metrics-listen", "127.0.0.1:0"]
        server = start(*arguments, database=own.address(own.new_database()), **CLIENT)
        token = server.token()
        assert statuses_of([server] * 3, token) == {200: 3}
        own.stop()
        # A token is verified with the database every five seconds.
        statuses = statuses_of([server] * 120, token)
        assert statuses[200] >= 90 and statuses[200] + statuses[429] + statuses[503] == 120, statuses
        metrics = requests.get(re.search(r"Metrics are at (\S+)", server.printed)[1], timeout=30).text
        assert int(re.search(r"connectory_shared_rate_limit_failures_total (\d+)", metrics)[1]) >= 1
        assert server.log.count("this server counts the rate limit alone") == 1
        own.start()
        again = "the rate limit is counted together with other servers again"
        wait_until(lambda: server.session().get(server.connectors, timeout=30).status_code == 200 and again in server.log)
    finally:
        own.end()


def holder(cluster, database, work):
    """The process that has a lease, and its epoch."""
    return cluster.psql(database, f"SELECT holder, epoch FROM leases WHERE work = '{work}'")


def test_a_server_that_was_stopped_past_its_lease_changes_nothing_when_it_goes_on(start, cluster):
    """Retention: one removes, and stops in the middle of it. Another one takes over."""
    database = cluster.new_database()
    address = cluster.address(database)
    writer = start("--rate-limit", "off", database=address, **CLIENT)
    session = writer.session()
    body = {"name": "HR", "type": "test", "className": "x.Y"}
    assert session.post(writer.connectors, json=body, timeout=30).status_code == 200
    # More revisions than one server removes in the time of this test: 640 in a second.
    cluster.psql(database, """
        INSERT INTO revisions SELECT r.tenant_id, n, r.script_name, n - 1, n, gen_random_uuid(), 2, r.changed, r.author_kind,
                r.author_id, r.author_name, r.tracking_id, 0, r.connectors, r.bytes, r.format, r.body
            FROM revisions AS r, generate_series(2, 60000) AS n WHERE r.number = 1;
        UPDATE revisions SET created_at = 0;
        UPDATE connectors SET number = 60000;
    """)
    left = lambda: int(cluster.psql(database, "SELECT count(*) FROM revisions WHERE length(body) > 0"))
    keeps = ["--rate-limit", "off", "--keep-revisions", "1h,min=1"]
    one = start(*keeps, database=address, **CLIENT)
    wait_until(lambda: left() < 59_900)
    first = holder(cluster, database, "retention")
    two = start(*keeps, database=address, **CLIENT)
    assert holder(cluster, database, "retention") == first
    one.process.send_signal(signal.SIGSTOP)
    time.sleep(5)
    stopped_at = left()
    time.sleep(3)
    assert left() == stopped_at, "the lease has not ended, so nobody removes"
    wait_until(lambda: left() < stopped_at, seconds=60)
    second = holder(cluster, database, "retention")
    assert second.split("|")[0] != first.split("|")[0] and int(second.split("|")[1]) > int(first.split("|")[1])
    # The other one waits too, with the lease. So whatever changes now would be done by the first one.
    two.process.send_signal(signal.SIGSTOP)
    time.sleep(5)
    before = left()
    one.process.send_signal(signal.SIGCONT)
    wait_until(lambda: one.session().get(one.connectors, timeout=30).status_code == 200)
    time.sleep(5)
    assert left() == before > 0 and holder(cluster, database, "retention") == second
    two.process.send_signal(signal.SIGCONT)
    # If its lease ended meanwhile, one of them takes it again first.
    wait_until(lambda: left() < before, seconds=90)
    for server in one, two:
        assert "panicked" not in server.log and " ERROR " not in server.log, server.log


def test_one_of_several_servers_makes_the_backup_of_a_period(start, cluster, tmp_path):
    address = cluster.address(cluster.new_database())
    makes = ["--backup-to", str(tmp_path), "--backup-every", "1m", "--backup-keep", "9", "--metrics-listen", "127.0.0.1:0"]
    servers = [start(*makes, database=address, **CLIENT) for _ in range(3)]
    made = lambda: sorted(tmp_path.glob("connectory-*.backup"))
    wait_until(lambda: len(made()) == 1)
    wait_until(lambda: len(made()) == 2, seconds=90)
    time.sleep(20)
    assert len(made()) == 2 and [server.log.count("a backup was made") for server in servers] == [2, 0, 0]
    for path in made():
        connectory("backup", "verify", path)
    # When the one that makes them is gone, another one does.
    servers[0].kill()
    wait_until(lambda: len(made()) == 3, seconds=120)
    # The file has its name before the line is logged.
    wait_until(lambda: sum(server.log.count("a backup was made") for server in servers[1:]) == 1)


def sign_in(server, client_id, secret):
    """Signs in to the console, as the form of the page does. Returns the session of the browser."""
    browser = requests.Session()
    form = {"client_id": client_id, "client_secret": secret}
    answer = browser.post(f"{server.url}/console/sign-in", data=form, allow_redirects=False, timeout=30)
    assert answer.status_code == 303 and "Set-Cookie" in answer.headers, (answer.status_code, answer.text)
    return browser


def is_signed_in(browser, server):
    return browser.get(f"{server.url}/console/clients", allow_redirects=False, timeout=30).status_code == 200


def test_eight_servers_that_start_at_once_make_one_of_everything(cluster):
    database = cluster.new_database()
    address = cluster.address(database)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = [pool.submit(Server, tempfile.mkdtemp(prefix="connectory-"), database=address) for _ in range(8)]
        servers = [server.result() for server in made]
    try:
        count = lambda table: cluster.psql(database, f"SELECT count(*) FROM {table}")
        assert [count(table) for table in ["tenants", "clients", "signing_keys"]] == ["1", "1", "1"]
        told = [server for server in servers if server.secret]
        assert len(told) == 1, "one of them says the secret"
        token = told[0].token()
        for server in servers:
            assert get(server, token) == 200
            assert get(told[0], server.token(told[0].client_id, told[0].secret)) == 200
    finally:
        for server in servers:
            server.kill()


def get(server, token):
    answer = requests.get(server.connectors, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    return answer.status_code


def seconds_until(condition):
    began = time.monotonic()
    wait_until(condition)
    return time.monotonic() - began


def test_sessions_and_clients_are_those_of_all_servers(start, cluster):
    address = cluster.address(cluster.new_database())
    servers = [start("--rate-limit", "off", database=address, **CLIENT) for _ in range(3)]
    one, two, three = servers
    browser = sign_in(one, one.client_id, one.secret)
    for server in servers * 3:
        assert is_signed_in(browser, server)
    another = sign_in(three, one.client_id, one.secret)
    # Whoever has the cookie may send it again, whatever the browser was told.
    copy = requests.Session()
    copy.cookies.update(dict(browser.cookies))
    page = browser.get(f"{two.url}/console/clients", timeout=30).text
    form = {"csrf": re.search(r'name="csrf" value="([^"]+)"', page)[1]}
    browser.post(f"{two.url}/console/sign-out", data=form, allow_redirects=False, timeout=30)
    assert seconds_until(lambda: not any(is_signed_in(copy, server) for server in servers)) < 5.5
    assert is_signed_in(another, two), "another session of the same client stays"

    client_id, secret = one.new_client()
    tokens = [server.token(client_id, secret) for server in servers]
    assert [get(server, token) for server in servers for token in tokens] == [200] * 9, "a new client is in at once"
    connectory("client", "delete", client_id, "--database", address)
    assert seconds_until(lambda: all(get(server, token) == 401 for server in servers for token in tokens)) < 5.5
    refused = requests.post(
        f"{three.url}/oauth/token", timeout=30,
        data={"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret},
    )
    assert refused.status_code in (400, 401), refused.text


def decoded(token, part):
    text = token.split(".")[part]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_a_key_that_was_added_is_known_everywhere_and_signs_after_a_minute(start, cluster):
    database = cluster.new_database()
    address = cluster.address(database)
    arguments = ["--rate-limit", "off"]
    one, two = [start(*arguments, database=address, **CLIENT) for _ in range(2)]
    first = decoded(one.token(), 0)["kid"]

    def add_key(name, age):
        key = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        pem = subprocess.run(key, capture_output=True, text=True, check=True, timeout=60).stdout
        created_at = f"(extract(epoch FROM clock_timestamp()) * 1000)::bigint - {age * 1000}"
        cluster.psql(database, f"INSERT INTO signing_keys VALUES ('{name}', '{pem}', {created_at})")

    add_key("new", 0)
    three = start(*arguments, database=address, **CLIENT)
    assert decoded(three.token(), 0)["kid"] == first, "it is not published for a minute"
    published = requests.get(f"{three.url}/.well-known/jwks.json", timeout=30).json()["keys"]
    assert {key["kid"] for key in published} == {first, "new"}
    cluster.psql(database, "UPDATE signing_keys SET created_at = created_at - 61000")
    four = start(*arguments, database=address, **CLIENT)
    token = four.token()
    assert decoded(token, 0)["kid"] == "new"
    for server in one, two, three, four:
        assert get(server, token) == 200

    # Tokens of made-up keys make a server read the keys, but not for each of them.
    read = lambda: int(cluster.psql(database, "SELECT seq_scan + idx_scan FROM pg_stat_all_tables WHERE relname = 'signing_keys'"))
    time.sleep(12)
    before = read()
    head = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": "made-up"}).encode()).decode().rstrip("=")
    made_up = ".".join([head, *token.split(".")[1:]])
    began, sent = time.monotonic(), 0
    while time.monotonic() < began + 3:
        assert get(one, made_up) == 401
        sent += 1
    time.sleep(12)
    assert sent > 20 and 1 <= read() - before <= 5, (sent, before, read())


@pytest.fixture(scope="session")
def clock(tmp_path_factory):
    """The library that makes the time of day another one."""
    if shutil.which("cc") is None or not sys.platform.startswith("linux"):
        pytest.skip("it takes a C compiler and Linux")
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    source = pathlib.Path(__file__).parent / "clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True, timeout=60)
    return library


def test_clocks_that_are_five_minutes_apart_change_nothing_but_a_warning(start, cluster, clock, tmp_path):
    database = cluster.new_database()
    address = cluster.address(database)
    arguments = ["--metrics-listen", "127.0.0.1:0", "--backup-to", str(tmp_path), "--backup-every", "1h"]
    fake = lambda ahead: {"LD_PRELOAD": str(clock), "CONNECTORY_CLOCK": str(ahead)}
    behind, right, ahead = [start(*arguments, database=address, **CLIENT, **fake(by)) for by in (-300, 0, 300)]
    servers = [behind, right, ahead]
    warnings = ["the clock of this machine is not that of the database" in server.log for server in servers]
    assert warnings == [True, False, True]
    for server, expected in zip(servers, [300, 0, -300]):
        metrics = requests.get(re.search(r"Metrics are at (\S+)", server.printed)[1], timeout=30).text
        assert abs(float(re.search(r"\nconnectory_clock_difference_seconds (\S+)", metrics)[1]) - expected) < 3

    tokens = [server.token() for server in servers]
    for token in tokens:
        claims = decoded(token, 1)
        assert abs(claims["iat"] - time.time()) < 5 and claims["exp"] - claims["iat"] == 720, claims
    assert [get(server, token) for server in servers for token in tokens] == [200] * 9

    # Sessions, whichever server they began on.
    for server in servers:
        browser = sign_in(server, server.client_id, server.secret)
        assert all(is_signed_in(browser, other) for other in servers)

    # A repeat is known, and the times of revisions are in their order.
    headers = {"Authorization": f"Bearer {tokens[0]}"}
    for number, server in enumerate(servers):
        body, key = {"name": f"C {number}", "className": "x.Y"}, {"Idempotency-Key": f"key-{number}"}
        made = [requests.post(other.connectors, json=body, headers=headers | key, timeout=30) for other in [server, *servers]]
        assert {answer.status_code for answer in made} == {200}, [answer.text for answer in made]
    times = cluster.psql(database, "SELECT created_at FROM revisions ORDER BY number").split()
    assert len(times) == 3 and times == sorted(times)
    for table in "clients", "access_events", "sessions", "signing_keys":
        wrong = f"SELECT count(*) FROM {table} WHERE abs(created_at / 1000.0 - extract(epoch FROM now())) > 100"
        assert cluster.psql(database, wrong) == "0", table

    # The limit is that of one window. The requests above are in it, or in one before.
    client_id, secret = right.new_client()
    token = right.token(client_id, secret)
    wait_for_window(cluster, 8)
    statuses = statuses_of(servers * 50, token)
    assert 90 <= statuses[200] <= 100 and statuses[200] + statuses[429] == 150, statuses
    wait_until(lambda: len(list(tmp_path.glob("connectory-*.backup"))) == 1)
    for server in servers:
        assert " ERROR " not in server.log, server.log
