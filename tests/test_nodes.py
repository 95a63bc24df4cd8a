"""Several servers on one PostgreSQL: clients see one service, whichever of them answers."""

import collections
import concurrent.futures
import http.server
import itertools
import json
import os
import re
import subprocess
import threading
import time

import pytest
import requests

import test_sdk
from conftest import connectory
from postgres import Cluster
from postgresql import as_user, run
from test_as_code import FORM, Terminal, wait_until, write_connector

pytestmark = pytest.mark.skipif(
    "CONNECTORY_TEST_POSTGRES" not in os.environ, reason="needs PostgreSQL: set CONNECTORY_TEST_POSTGRES=1"
)

CLIENT = {"CONNECTORY_CLIENT_ID": "nodes", "CONNECTORY_CLIENT_SECRET": "a secret of 32 characters or more"}
# What one server says to one connection and no load balancer hands on.
HOP = {"connection", "content-length", "date", "host", "transfer-encoding"}


class Balancer:
    """A load balancer that sends each request to the next server, on whichever connection it came.

    If a server does not accept the connection, the next one gets the request. If it breaks the connection later, the client
    gets a 502, because the request may have been done. `sent` has for each request the server's number, the method, the
    path and the headers.
    """

    def __init__(self, servers):
        self.servers = servers
        self.sent = []
        self.turns = itertools.count()
        balancer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
                # What `requests` would add by itself.
                headers = {"Accept": None, "Accept-Encoding": None, "User-Agent": None} | headers
                status, answered, content = balancer.forward(self.command, self.path, headers, body)
                self.send_response(status)
                for name, value in answered.items():
                    if name.lower() not in HOP:
                        self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def forward(self, method, path, headers, body):
        for _ in self.servers:
            number = next(self.turns) % len(self.servers)
            try:
                sent = requests.request(
                    method, self.servers[number].url + path, headers=headers, data=body, stream=True, timeout=60
                )
                self.sent.append((number, method, path, headers))
                return sent.status_code, sent.headers, sent.raw.read(decode_content=False)
            except requests.ConnectionError as error:
                if "Connection refused" not in str(error):
                    break
            except Exception:
                break
        return 502, {}, b"bad gateway"

    @property
    def sail(self):
        return self.servers[0].sail | {"SAIL_BASE_URL": self.url}

    @property
    def used(self):
        """The numbers of the servers that answered requests for connectors."""
        return {number for number, _, path, _ in self.sent if path.startswith("/v")}

    def new_client(self, *arguments):
        return self.servers[0].new_client(*arguments)

    def session(self):
        session = self.servers[0].session()
        session.hooks["response"].append(lambda answer, **_: answer.raise_for_status())
        return session


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster()
    cluster.start_bouncer()
    yield cluster
    cluster.end()


@pytest.fixture
def nodes(start, cluster):
    """Starts servers on one database of its own, with a load balancer before them."""
    balancers = []

    def nodes(*arguments, count=3, bounced=False):
        address = cluster.address(cluster.new_database(), bounced=bounced)
        servers = [start("--rate-limit", "off", *arguments, database=address, **CLIENT) for _ in range(count)]
        balancers.append(Balancer(servers))
        return balancers[-1]

    yield nodes
    for balancer in balancers:
        balancer.http.shutdown()
        balancer.http.server_close()


@pytest.mark.parametrize("bounced", [False, True], ids=["direct", "pgbouncer"])
@pytest.mark.parametrize("version", ["v3", "v2024", "v2025"])
def test_the_official_sdk_needs_to_know_nothing_of_several_servers(nodes, version, bounced):
    balancer = nodes("--reads", "fresh", bounced=bounced)
    test_sdk.test_a_connector_lives_its_whole_life(balancer, version)
    assert balancer.used == {0, 1, 2}


def test_a_pooler_without_transactions_is_refused_at_the_start(cluster):
    address = cluster.address("stateless", bounced=True)
    refused = connectory("serve", "--listen", "127.0.0.1:0", "--database", address, check=False)
    assert refused.returncode == 1
    assert "it must lend a connection for a whole transaction, as PgBouncer does with pool_mode = transaction" in refused.stderr


def test_the_command_line_needs_no_fresh_reads(nodes, tmp_path):
    balancer = nodes("--reads", "local")
    terminal = Terminal(tmp_path, **balancer.sail)
    nothing = ": 0 to create, 0 to change, 0 to delete\n"

    def plan():
        """Prints what would be done. A new process does not know what an earlier one was told."""
        return connectory("plan", str(tmp_path / "c"), check=False, HOME=str(tmp_path), **balancer.sail).stdout

    for name in ["One", "Two", "Three"]:
        write_connector(terminal, f"c/{name.lower()}", name)
    assert "created 3, changed 0, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout
    wait_until(lambda: plan().endswith(nothing))
    for name in ["one", "two", "three"]:
        terminal.write(f"c/{name}/translations/de.properties", "menuLabel_Connection=Verbindung\n")
    assert "created 0, changed 3, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout
    wait_until(lambda: plan().endswith(nothing))
    told = [headers for _, _, _, headers in balancer.sent if "connectory-min-revision" in {name.lower() for name in headers}]
    assert told and {server for server, _, path, _ in balancer.sent if path.startswith("/connectory/v1/")} == {0, 1, 2}

    # Each change is another process at another server, and knows the changes before it.
    terminal.run("connector", "create", "HR", "--class-name", "x.Y")
    for number in range(3):
        terminal.write("form.xml", FORM.format(name=f"HR {number}"))
        terminal.run("connector", "set-source-config", "hr", "form.xml")
        terminal.write("patch.json", json.dumps([{"op": "add", "path": "/connectorMetadata/category", "value": f"HR {number}"}]))
        terminal.run("connector", "patch", "hr", "patch.json")
    wait_until(lambda: "HR 2" in terminal.run("connector", "get", "hr", "--output", "json").stdout)
    assert "HR 2" in terminal.run("connector", "get-source-config", "hr").stdout
    terminal.run("connector", "delete", "hr", "--yes")
    refused = terminal.run("connector", "delete", "hr", "--yes", code=1)
    assert "404" in refused.stderr or "not found" in refused.stderr.lower()


def test_a_client_that_says_what_it_knows_reads_what_it_wrote(nodes):
    balancer = nodes("--reads", "local", "--max-staleness", "1m")
    session = balancer.session()
    url = f"{balancer.url}/v3/connectors"
    session.post(url, json={"name": "HR", "className": "x.Y"})
    for number in range(30):
        patch = [{"op": "add", "path": "/connectorMetadata/category", "value": str(number)}]
        patched = session.patch(f"{url}/hr", json=patch, headers={"Content-Type": "application/json-patch+json"})
        for _ in range(2):
            known = {"Connectory-Min-Revision": patched.headers["Connectory-Revision"]}
            assert session.get(f"{url}/hr", headers=known).json()["connectorMetadata"]["category"] == str(number)


def test_metrics_tell_what_a_server_does_among_others(nodes):
    balancer = nodes("--metrics-listen", "127.0.0.1:0", count=2)
    server = balancer.servers[0]
    assert server.session().get(server.connectors, timeout=30).status_code == 200
    metrics = requests.get(re.search(r"Metrics are at (\S+)", server.printed)[1], timeout=30).text
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    assert int(values["connectory_fresh_read_wait_seconds_count"]) > 0
    assert 0 <= float(values["connectory_follower_lag_seconds"]) < 30
    assert values["connectory_edits_refused_total"] == "0"


def test_commands_work_beside_running_servers(nodes):
    balancer = nodes()
    database = ["--database", balancer.servers[0].database]
    connectory("tenant", "create", "sandbox", *database)
    assert "sandbox" in connectory("tenant", "list", *database).stdout
    connectory("tenant", "quota", "sandbox", "--max-connectors", "1", *database)
    client_id, secret = balancer.new_client("--tenant", "sandbox")
    for server in balancer.servers:
        assert server.session(client_id=client_id, secret=secret).get(server.connectors, timeout=30).status_code == 200
    one, two, three = balancer.servers
    session = one.session(client_id=client_id, secret=secret)
    assert session.post(two.connectors, json={"name": "A", "className": "x.Y"}, timeout=30).status_code == 200
    refused = session.post(three.connectors, json={"name": "B", "className": "x.Y"}, timeout=30)
    assert refused.status_code == 400 and "quota" in refused.text, refused.text
    connectory("tenant", "delete", "sandbox", "--yes", *database)
    assert "sandbox" not in connectory("tenant", "list", *database).stdout
    for server in balancer.servers:
        wait_until(lambda: session.get(server.connectors, timeout=30).status_code == 401)
        assert server.session().get(server.connectors, timeout=30).status_code == 200


def test_a_password_is_never_shown(cluster, start):
    address = cluster.address(cluster.new_database(), user=f"app:{Cluster.PASSWORD}")
    server = start("--log", "debug", database=address, **CLIENT)
    session = server.session()
    assert session.get(server.connectors, timeout=30).status_code == 200
    created = connectory("client", "create", "other", "--database", address)
    listed = connectory("tenant", "list", "--database", address)
    shown = [server.printed, created.stdout, created.stderr, listed.stdout, listed.stderr]
    server.stop()
    shown.append(server.log)
    assert "DEBUG" in server.log

    wrong = "incorrect-horse-9"
    folder = str(cluster.folder).replace("/", "%2F")
    for place, said in [
        (f"app:{wrong}@{folder}/postgres", "password authentication failed"),
        (f"app:{wrong}@no-such-host.invalid/postgres", "no-such-host.invalid"),
        (f"app:{wrong}@127.0.0.1:1/postgres", "127.0.0.1:1"),
        (f"app:{wrong}@127.0.0.1:1/postgres?sslmode=nonsense", "the option sslmode must be"),
        (f"app:{wrong}/@127.0.0.1:1/postgres", "write %40 for @, %2F for /"),
    ]:
        for command in [["serve", "--listen", "127.0.0.1:0", "--log", "debug"], ["tenant", "list"]]:
            address = f"postgres://{place}"
            for option, variables in [(["--database", address], {}), ([], {"CONNECTORY_DATABASE": address})]:
                refused = connectory(*command, *option, check=False, **variables)
                assert refused.returncode == 1 and said in refused.stderr, (refused.returncode, refused.stderr)
                shown += [refused.stdout, refused.stderr]
    for line in [
        ["serve", "--database", f"mysql://app:{wrong}@localhost/app"],
        ["serve", "--database", f"Postgres:app:{wrong}"],
        ["client", "list", "--database", f"host=127.0.0.1 user=app password={wrong} dbname=app"],
        ["serve", "--database", f"user=app password=x:{wrong}"],
        ["tenant", "list", f"postgres://app:{wrong}@localhost/app"],
        [f"postgres://app:{wrong}@localhost/app"],
    ]:
        refused = connectory(*line, check=False)
        assert refused.returncode == 1
        shown += [refused.stdout, refused.stderr]
    for text in shown:
        assert wrong not in text and Cluster.PASSWORD not in text, text


def test_a_restore_beside_servers_is_no_fault_of_theirs(start):
    own = Cluster()
    try:
        address = own.address(own.new_database())
        server = start("--rate-limit", "off", database=address, **CLIENT)
        name = server.database.rsplit("/", 1)[-1].split("?")[0]
        session = server.session()

        def create(number):
            body = {"name": f"Connector {number}", "type": "test", "className": "x.Y"}
            return session.post(server.connectors, json=body, timeout=60)

        assert create(0).status_code == 200
        dump = own.folder / "dump"
        psql = ["-h", own.folder, "-U", "postgres", "-d", name]
        run(*as_user(own.programs / "pg_dump", *psql, "-Fc", "-f", dump))
        stop = threading.Event()
        numbers = itertools.count(1)
        answers = []

        def write():
            while not stop.is_set():
                answer = create(next(numbers))
                answers.append((answer.status_code, answer.text))

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(write) for _ in range(4)]
            try:
                for _ in range(5):
                    time.sleep(0.5)
                    restore = ["--clean", "--if-exists", "--no-owner", dump]
                    subprocess.run(
                        as_user(own.programs / "pg_restore", *psql, *restore), cwd="/", timeout=120, capture_output=True
                    )
            finally:
                stop.set()
            for writer in writers:
                writer.result()
        statuses = collections.Counter(status for status, _ in answers)
        print(statuses)
        assert statuses[200] > 0 and statuses.keys() <= {200, 400, 401, 503, 504}, (statuses, [a for a in answers if a[0] not in (200, 400, 401, 503, 504)][:3])
        wait_until(lambda: create(next(numbers)).status_code == 200)
    finally:
        own.end()
