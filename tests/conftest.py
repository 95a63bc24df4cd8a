"""A real server for the tests: the optimized binary on a database of its own.

`CONNECTORY_PROFILE` names another profile than `release`.
"""

import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
import requests

ROOT = pathlib.Path(__file__).parent.parent
# Tests use the modules of `deploy`.
sys.path.append(str(ROOT / "deploy"))
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = TARGET / os.environ.get("CONNECTORY_PROFILE", "release") / "connectory"
# The official SDKs that are not in the environment of the tests: version 2 for Python, and the one for TypeScript.
SDK_2 = ROOT / ".venv-sdk2/bin/python"
NODE_MODULES = ROOT / "examples/vitest/node_modules"


# What tests report at the end, whether they pass or fail.
REPORTED = []


def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=10, help="the rounds of each test that kills servers or fails disks")
    parser.addoption("--seed", type=int, help="what these tests take their random choices from; each run prints it")


def pytest_terminal_summary(terminalreporter):
    for line in REPORTED:
        terminalreporter.write_line(line)


@pytest.fixture
def rounds(pytestconfig):
    return pytestconfig.getoption("rounds")


@pytest.fixture
def seed(pytestconfig, report, request):
    """What all random choices of a test come from."""
    given = pytestconfig.getoption("seed")
    seed = random.SystemRandom().randrange(1 << 32) if given is None else given
    report(f"{request.node.name}: --seed {seed}")
    return seed


@pytest.fixture
def report():
    """Prints a line at the end of the run."""
    return REPORTED.append


def environment(**variables):
    """The environment without the settings of the user who runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CONNECTORY_", "SAIL_"))}
    return kept | variables


def connectory(*arguments, check=True, **variables):
    """Runs a command to its end."""
    done = subprocess.run(
        [BINARY, *arguments], env=environment(**variables), capture_output=True, text=True, timeout=60
    )
    assert not check or done.returncode == 0, done.stderr
    return done


class Server:
    """`connectory serve` as a process. Its output is in its folder, and its database too unless `database` is given: the path
    of a file, or an address of PostgreSQL.

    `prepare` runs in the process before the server does, and `stderr` takes the place of the file `log`. The server does
    not drain, unless `CONNECTORY_DRAIN` is given. One that is `ephemeral` has a temporary database, which makes it faster.
    """

    def __init__(self, folder, *arguments, database=None, ephemeral=False, prepare=None, stderr=None, **variables):
        self.folder = pathlib.Path(folder)
        if str(database).startswith("postgres://"):
            self.path, self.database = None, database
        else:
            self.path = pathlib.Path(database) if database else self.folder / "connectory.db"
            self.database = f"sqlite:{self.path}"
        self.ephemeral = ephemeral
        # The next start listens there; 0 is any port.
        self.port = 0
        self.arguments = arguments
        self.prepare = prepare
        self.stderr = stderr
        self.variables = variables
        self.client_id = self.secret = None
        self.start()

    def start(self):
        began = time.monotonic()
        output = self.folder / "output"
        place = ["--ephemeral"] if self.ephemeral else ["--database", self.database]
        with open(self.folder / "log", "a") as log, open(output, "w") as stdout:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--listen", f"127.0.0.1:{self.port}", *place, *self.arguments],
                env=environment(**{"CONNECTORY_DRAIN": "0s"} | self.variables), stdout=stdout, stderr=self.stderr or log, preexec_fn=self.prepare,
            )
        while not (found := re.match(r"connectory \S+ is ready at (http://\S+): .* database (.*)\n", output.read_text())):
            assert self.process.poll() is None and time.monotonic() < began + 60, (self.folder / "log").read_text()
            time.sleep(0.005)
        self.seconds_to_ready = time.monotonic() - began
        self.url = found[1]
        if self.ephemeral:
            self.database = f"sqlite:{found[2]}"
        # The server accepts requests only after it has printed its whole first output.
        requests.get(f"{self.url}/health/live", timeout=30).raise_for_status()
        self.printed = output.read_text()
        exported = dict(re.findall(r"export (SAIL_\w+)=(\S+)", self.printed))
        if "SAIL_CLIENT_ID" in exported:
            self.client_id, self.secret = exported["SAIL_CLIENT_ID"], exported["SAIL_CLIENT_SECRET"]
        elif "CONNECTORY_CLIENT_SECRET" in self.variables:
            self.client_id = self.variables["CONNECTORY_CLIENT_ID"]
            self.secret = self.variables["CONNECTORY_CLIENT_SECRET"]

    @property
    def connectors(self):
        """The address of the connectors, in the API version that most tests use."""
        return f"{self.url}/v3/connectors"

    @property
    def log(self):
        return (self.folder / "log").read_text()

    @property
    def sail(self):
        """The environment variables that the official SDKs read."""
        return {"SAIL_BASE_URL": self.url, "SAIL_CLIENT_ID": self.client_id, "SAIL_CLIENT_SECRET": self.secret}

    def new_client(self, *arguments):
        """The id and secret of a new client."""
        printed = connectory("client", "create", "test", "--database", self.database, *arguments).stdout
        exported = dict(re.findall(r"export (SAIL_\w+)=(\S+)", printed))
        return exported["SAIL_CLIENT_ID"], exported["SAIL_CLIENT_SECRET"]

    def token(self, client_id=None, secret=None):
        fields = {
            "grant_type": "client_credentials",
            "client_id": client_id or self.client_id,
            "client_secret": secret or self.secret,
        }
        answer = requests.post(f"{self.url}/oauth/token", data=fields, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def session(self, **client):
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {self.token(**client)}"
        return session

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """Ends it as fast as possible, without a trace where it promises that."""
        if self.ephemeral and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)
        else:
            self.kill()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0


@pytest.fixture
def start():
    """Starts servers, each in a new folder unless one is given, and stops them."""
    servers = []

    def start(*arguments, folder=None, **others):
        servers.append(Server(folder or tempfile.mkdtemp(prefix="connectory-"), *arguments, **others))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


@pytest.fixture(scope="session")
def faults(tmp_path_factory):
    """The library that makes calls fail, and records them."""
    if shutil.which("cc") is None or not sys.platform.startswith("linux"):
        pytest.skip("it takes a C compiler and Linux")
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    source = pathlib.Path(__file__).parent / "faults.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl", "-lpthread"], check=True, timeout=60)
    return library


class Faults:
    """Controls which calls fail in a server that was started with the library."""

    def __init__(self, library, folder):
        self.control = folder / "faults"
        self.variables = {"LD_PRELOAD": str(library), "CONNECTORY_FAULTS": str(self.control)}
        self.stop()

    def begin(self, what):
        # Replace the file in one step: a call that reads half of it would not fail.
        (self.control.parent / "next").write_text(what)
        (self.control.parent / "next").rename(self.control)

    def stop(self):
        self.begin("")

    @property
    def hits(self):
        """A line for each call that failed."""
        hits = self.control.with_name("faults.hits")
        return hits.read_text().splitlines() if hits.exists() else []
