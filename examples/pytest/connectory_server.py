"""Servers for your tests: `connectory serve --ephemeral`, started and stopped by pytest.

`connectory fixture pytest` prints this file. It needs pytest, and the program `connectory`: the one that the variable
CONNECTORY_BINARY names, or else the one on PATH. In your conftest.py:

    from connectory_server import connectory, connectory_session, pytest_configure

If your tests are a package, which has an `__init__.py`, write `from .connectory_server import …`.

A test that takes `connectory` has a server of its own. A test that takes `connectory_session` shares a server, which is
reset before each test. Both set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET for the time of the test. Options
of `connectory serve` are in a marker, such as `@pytest.mark.connectory("--token-lifetime", "1")`. If a test fails, pytest
shows what the server logged.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import pytest

# The time that a server has to start, to answer and to end.
SECONDS = 30
# How often a request of this file is sent: a server with faults may answer with one.
TRIES = 20
# A shell becomes the server. Beside it, another shell waits until the pipe to it is closed, which happens however this
# process ends. Then it ends the server. A line in the pipe says that there is nothing to end.
RUN = 'exec 3<&0; { read -r line <&3 || kill "$$" 2>/dev/null; } & exec "$@" 3<&- </dev/null'
# The way to the server takes no proxy.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Server:
    """A server with one API client, which has every right. The arguments are those of `connectory serve`."""

    def __init__(self, *arguments: str | os.PathLike):
        self._owner = os.getpid()
        self.client_id = secrets.token_hex(16)
        self.client_secret = secrets.token_hex(32)
        self._last_log: str | None = None
        binary = _binary()
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="connectory-test-"))
        port_file = self._folder / "port"
        command = [binary, "serve", "--ephemeral", "--listen", "127.0.0.1:0", "--port-file", port_file, *arguments]
        # The settings of the user who runs the tests are not those of the tests.
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTORY_", "SAIL_"))}
        variables |= {"CONNECTORY_CLIENT_ID": self.client_id, "CONNECTORY_CLIENT_SECRET": self.client_secret}
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", RUN, "connectory", *map(os.fspath, command)],
                env=variables, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log,
            )
        atexit.register(self.stop)
        deadline = time.monotonic() + SECONDS
        while not port_file.exists():
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.stop()
                what = "ended" if ended else f"was not ready after {SECONDS} seconds"
                raise RuntimeError(f"`connectory serve` {what}. It wrote:\n{self.log}")
            time.sleep(0.001)
        self.url = f"http://127.0.0.1:{port_file.read_text().strip()}"

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone, because a test stopped it or because it failed."""
        return self._process.poll() is not None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the official SDKs read."""
        return {"SAIL_BASE_URL": self.url, "SAIL_CLIENT_ID": self.client_id, "SAIL_CLIENT_SECRET": self.client_secret}

    @property
    def log(self) -> str:
        """What the server has logged. The last lines may come some milliseconds late."""
        if self._last_log is not None:
            return self._last_log
        return (self._folder / "log").read_text(errors="replace")

    def token(self) -> str:
        """A new access token."""
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.client_secret}
        for tries_left in reversed(range(TRIES)):
            try:
                return json.loads(self._post("/oauth/token", urllib.parse.urlencode(form)))["access_token"]
            except (OSError, http.client.HTTPException, ValueError):
                if tries_left == 0:
                    raise
        raise AssertionError("the last try returns or raises")

    def reset(self) -> None:
        """Brings the server back to what it was started with."""
        self._post("/connectory/v1/reset", Authorization=f"Bearer {self.token()}")

    def stop(self) -> None:
        """Ends the server, and removes its files. `log` stays. A forked child ends nothing."""
        if self._last_log is not None or os.getpid() != self._owner:
            return
        atexit.unregister(self.stop)
        self._process.terminate()
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._process.communicate(b"\n", timeout=SECONDS)
        self._process.kill()
        self._process.wait()
        self._last_log = self.log
        shutil.rmtree(self._folder, ignore_errors=True)

    def _post(self, path, text="", **headers):
        request = urllib.request.Request(self.url + path, text.encode(), headers)
        with OPENER.open(request, timeout=SECONDS) as answer:
            return answer.read()


def _binary():
    """Where the program is."""
    named = os.environ.get("CONNECTORY_BINARY")
    found = shutil.which(named or "connectory")
    if found is None:
        what = f"CONNECTORY_BINARY names `{named}`, which is no program" if named else "no `connectory` is on PATH"
        raise RuntimeError(f"{what}; install connectory, or set CONNECTORY_BINARY to the path of the program")
    return found


@contextlib.contextmanager
def serve(*arguments: str | os.PathLike):
    """A server that ends with the block. The arguments are those of `connectory serve`."""
    server = Server(*arguments)
    try:
        yield server
    finally:
        server.stop()


def pytest_configure(config):
    config.addinivalue_line("markers", "connectory(*arguments): options of `connectory serve` for the test's server")


@pytest.fixture
def connectory(request, monkeypatch):
    """A new server for the test."""
    with serve(*_options(request)) as server:
        yield from _in_use(server, monkeypatch)


# The servers of `connectory_session`, by their options.
_shared: dict[tuple, Server] = {}


@pytest.fixture
def connectory_session(request, monkeypatch):
    """A server for all tests with the same options. It is as new for each test."""
    options = _options(request)
    server = _shared.get(options)
    if server is None:
        request.session.addfinalizer(lambda: _shared.pop(options).stop())
    if server is None or server.has_ended:
        server = _shared[options] = Server(*options)
    else:
        server.reset()
    yield from _in_use(server, monkeypatch)


def _options(request):
    """The arguments of the markers: those of the class or the module first, then those of the test."""
    markers = reversed(list(request.node.iter_markers("connectory")))
    return tuple(argument for marker in markers for argument in marker.args)


def _in_use(server, monkeypatch):
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    logged = len(server.log)
    yield server
    # pytest shows this if the test has failed.
    sys.stderr.write(server.log[logged:])
