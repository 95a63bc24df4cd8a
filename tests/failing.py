"""What `deploy/local.py` runs, with parts that fail, and nodes that only break connections."""

import concurrent.futures
import http.server
import re
import threading
import time
import uuid

import requests

from conftest import BINARY, connectory
from load import Load
from local import Deployment

# How soon every node must serve again after its database does.
AGAIN = 10


class Failing(Deployment):
    """A deployment whose parts fail."""

    def __init__(self, folder, *arguments, **options):
        super().__init__(folder, BINARY, "--rate-limit", "off", *arguments, settings={"fsync": "off"}, **options)

    def token(self, client_id=None, secret=None):
        fields = {"client_id": client_id or self.client_id, "client_secret": secret or self.secret}
        fields["grant_type"] = "client_credentials"
        # While the database takes over, a node may say that it is not reached.
        end = time.monotonic() + AGAIN
        while (answer := requests.post(f"{self.url}/oauth/token", data=fields, timeout=30)).status_code == 503:
            assert time.monotonic() < end, answer.text
            time.sleep(0.05)
        return answer.json()["access_token"]

    def token_of_new_tenant(self, name):
        connectory("tenant", "create", name, "--database", self.address)
        printed = connectory("client", "create", "test", "--tenant", name, "--database", self.address).stdout
        exported = dict(re.findall(r"export (SAIL_\w+)=(\S+)", printed))
        return self.token(exported["SAIL_CLIENT_ID"], exported["SAIL_CLIENT_SECRET"])

    def load(self, **options):
        return Load(self.url, self.token(), **options)

    @property
    def urls(self):
        return [node.url for node in self.nodes]

    def served_again(self, token, since, nodes=None):
        """The seconds from a moment until each node answers a read, and then a change."""
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {token}"

        def wait(node):
            body = {"name": f"Again {uuid.uuid4()}", "className": "x.Y"}
            read = lambda: session.get(f"{node.url}/v3/connectors?limit=1", timeout=60).status_code
            change = lambda: session.post(f"{node.url}/v3/connectors", json=body, timeout=60).status_code
            for ask in (read, change):
                while ask() != 200 and time.monotonic() < since + 6 * AGAIN:
                    time.sleep(0.05)
            return time.monotonic() - since

        nodes = nodes or self.nodes
        with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
            seconds = list(pool.map(wait, nodes))
        assert max(seconds) <= AGAIN, f"the nodes serve again after {seconds} s"
        return "served again after " + ", ".join(f"{second:.1f}" for second in seconds) + " s"


class BreakingNode:
    """A node that is ready, breaks the connection of each other request, and remembers them."""

    def __init__(self):
        self.asked = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                if self.path == "/health/ready":
                    self.send_response(200)
                    self.end_headers()
                else:
                    self.rfile.read(int(self.headers.get("Content-Length", 0)))
                    asked.append(self.command)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
