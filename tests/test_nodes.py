"""Several servers on one PostgreSQL: clients see one service, whichever of them answers."""

import http.server
import itertools
import os
import threading

import pytest
import requests

import test_sdk
from postgres import Cluster

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
