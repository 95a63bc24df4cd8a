"""Servers of two versions on one PostgreSQL database, under changes.

The older version is the same program that knows one migration less, which a build for tests can be.
"""

import os
import subprocess

import pytest
import requests

from conftest import BINARY, connectory, environment
from load import Load
from postgres import Cluster
from test_as_code import wait_until
from test_nodes import CLIENT, Balancer

pytestmark = pytest.mark.skipif(
    "CONNECTORY_TEST_POSTGRES" not in os.environ, reason="needs PostgreSQL: set CONNECTORY_TEST_POSTGRES=1"
)

OLDER = {"CONNECTORY_PLANTED": "older"}


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster()
    yield cluster
    cluster.end()


@pytest.fixture
def database(cluster):
    name = cluster.new_database()
    return cluster.address(name), lambda: cluster.psql(name, "SELECT version, expanded FROM connectory_schema")


def refused(*arguments, **variables):
    done = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0", *arguments], env=environment(**CLIENT, **variables),
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_servers_of_two_versions_serve_one_database_and_the_way_back_is_open(start, database):
    address, schema = database
    serve = lambda **variables: start("--rate-limit", "off", database=address, **CLIENT, **variables)
    older = [serve(**OLDER), serve(**OLDER)]
    version, expanded = map(int, schema().split("|"))
    assert version == expanded
    balancer = Balancer(older)
    with Load(balancer.url, older[0].token()) as load:
        load.wait_for(40)
        # One after the other is replaced. Both versions serve meanwhile.
        newer = serve()
        assert schema() == f"{version}|{version + 1}"
        assert "run `connectory database migrate --finish`" in newer.log
        balancer.servers = [older[0], newer]
        load.wait_for(60)
        older[1].stop()
        # The way back: the older version starts, and the newer one goes.
        balancer.servers = [older[0], serve(**OLDER)]
        newer.stop()
        load.wait_for(60)
        # And on again.
        balancer.servers = [serve(), serve()]
        load.wait_for(60)
    load.check([server.url for server in [*balancer.servers, older[0]]])
    told = connectory("database", "migrate", "--database", address).stdout
    assert f"The schema is prepared for {version + 1}. Servers that know {version} go on." in told
    assert "connectory database migrate --finish --database" in told
    told = connectory("database", "migrate", "--finish", "--database", address).stdout
    assert f"Finished the schema {version + 1}" in told
    assert schema() == f"{version + 1}|{version + 1}"
    # An older server that was forgotten says why it does nothing, and so does its start.
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {balancer.servers[0].token()}"
    for answer in [
        session.get(f"{older[0].connectors}/w-0", timeout=30),
        session.post(older[0].connectors, json={"name": "New", "className": "x.Y"}, timeout=30),
    ]:
        assert answer.status_code == 503 and "the database was updated for a newer connectory; update this server" in answer.text
        assert answer.headers["Retry-After"]
    wait_until(lambda: requests.get(f"{older[0].url}/health/ready", timeout=30).status_code == 503)
    assert f"its schema has version {version + 1}, which a newer connectory wrote; this one knows {version}" in refused(
        "--database", address, **OLDER)
    load.check([server.url for server in balancer.servers])
    told = connectory("database", "migrate", "--finish", "--database", address).stdout
    assert f"The schema is {version + 1}, and there is nothing to finish." in told


def test_eight_servers_that_start_together_on_an_older_database_update_it_once(start, database, cluster):
    address, schema = database
    start(database=address, **CLIENT, **OLDER).stop()
    before = int(schema().split("|")[0])
    name = address.rsplit("/", 1)[1]
    # The tables of a migration are made once, so a second attempt would fail.
    processes = [
        subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "--database", address],
                         env=environment(**CLIENT), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(8)
    ]
    try:
        assert all("is ready at" in process.stdout.readline() for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.wait(10)
    assert schema() == f"{before}|{before + 1}"
    assert cluster.psql(name, "SELECT count(*) FROM tenants") == "1"
