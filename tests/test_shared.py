"""What several servers on one PostgreSQL share beside connectors: rate limits, access, sessions, keys, and work for one."""

import collections
import concurrent.futures
import os
import random
import re
import threading
import time

import pytest
import requests

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
