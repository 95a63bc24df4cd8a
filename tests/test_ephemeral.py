"""A server for tests: `connectory serve --ephemeral`."""

import base64
import email.utils
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest
import requests

from conftest import BINARY, connectory, environment

CREDENTIALS = {"CONNECTORY_CLIENT_ID": "me", "CONNECTORY_CLIENT_SECRET": "s3cret-of-the-tests"}


class Double:
    """A server as another program's tests start it: on a free port, which a file tells. It has a folder for temporary files."""

    def __init__(self, folder, *arguments, **variables):
        self.folder, self.port_file, self.temporary = folder, folder / "port", folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        began = time.monotonic()
        with open(folder / "output", "w") as output, open(folder / "log", "w") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--ephemeral", "--listen", "127.0.0.1:0", "--port-file", self.port_file, *arguments],
                env=environment(**{"TMPDIR": str(self.temporary)} | CREDENTIALS | variables), stdout=output, stderr=log,
            )
        while not self.port_file.exists():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < began + 30
            time.sleep(0.0005)
        self.seconds_to_ready = time.monotonic() - began
        self.url = f"http://127.0.0.1:{int(self.port_file.read_text())}"
        self.connectors = f"{self.url}/v3/connectors"

    @property
    def log(self):
        return (self.folder / "log").read_text()

    def session(self):
        fields = {"grant_type": "client_credentials", "client_id": "me", "client_secret": CREDENTIALS["CONNECTORY_CLIENT_SECRET"]}
        answer = requests.post(f"{self.url}/oauth/token", data=fields, timeout=30)
        assert answer.status_code == 200, answer.text
        session = requests.Session()
        session.token = answer.json()["access_token"]
        session.headers["Authorization"] = f"Bearer {session.token}"
        return session

    def leaves(self):
        return list(self.temporary.iterdir())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0


@pytest.fixture
def double(tmp_path):
    doubles = []

    def start(*arguments, **variables):
        folder = tmp_path / str(len(doubles))
        folder.mkdir()
        doubles.append(Double(folder, *arguments, **variables))
        return doubles[-1]

    yield start
    for started in doubles:
        started.process.kill()
        started.process.wait()


def names(session, server):
    listed = session.get(f"{server.connectors}?custom=true&statuses=all", timeout=30)
    assert listed.status_code == 200, listed.text
    return [connector["scriptName"] for connector in listed.json()]


def create(session, server, name):
    created = session.post(server.connectors, json={"name": name, "className": "x.Y"}, timeout=30)
    assert created.status_code == 200, created.text


def test_it_is_private_and_leaves_nothing(double):
    server = double()
    [folder] = server.leaves()
    assert folder.stat().st_mode & 0o777 == 0o700
    create(server.session(), server, "HR")
    output = (server.folder / "output").read_text()
    assert "Its id is me, its secret the one in CONNECTORY_CLIENT_SECRET." in output and "s3cret" not in output + server.log
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 1, "it does not drain"
    assert server.leaves() == [] and not server.port_file.exists()


def test_a_second_signal_ends_it_without_a_trace_and_a_killed_one_is_cleared_by_a_later_start(double):
    server = double("--drain", "8s")
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=5) == 128 + signal.SIGTERM
    assert server.leaves() == [] and not server.port_file.exists()

    killed, lives = double(), double()
    killed.process.kill()
    killed.process.wait()
    [left], [used] = killed.leaves(), lives.leaves()
    moved = lives.temporary / (left.name + "x")
    left.rename(moved)
    notes = lives.temporary / "connectory-ephemeral-notes"
    notes.mkdir()
    (notes / "thesis.txt").write_text("precious")
    hour_ago = time.time() - 3600
    for folder in [moved, used, notes]:
        os.utime(folder, (hour_ago, hour_ago))
    later = double(TMPDIR=str(lives.temporary))
    assert not moved.exists() and used.exists() and (notes / "thesis.txt").exists()
    assert names(lives.session(), lives) == []
    later.stop()


def test_it_is_ready_fast(double):
    times = sorted(double().seconds_to_ready for _ in range(5))
    # On an idle machine it is half of this; a debug build is slower.
    limit = 0.1 if BINARY.parent.name == "release" else 1.5
    assert times[0] < limit, times


def test_folders_and_an_export_are_loaded_and_a_reset_brings_them_back(double, tmp_path):
    (tmp_path / "connectors/hr").mkdir(parents=True)
    (tmp_path / "connectors/hr/connector.yaml").write_text("name: HR\nclassName: x.Y\n")
    first = double("--load", tmp_path / "connectors", "--rate-limit", "off")
    session = first.session()
    create(session, first, "Payroll")
    exported = tmp_path / "export.json"
    connectory("export", str(exported), SAIL_BASE_URL=first.url, SAIL_CLIENT_ID="me", SAIL_CLIENT_SECRET=CREDENTIALS["CONNECTORY_CLIENT_SECRET"])

    server = double("--load", exported, "--rate-limit", "off")
    session = server.session()
    assert names(session, server) == ["hr", "payroll"]
    for _ in range(3):
        assert session.delete(f"{server.connectors}/hr", timeout=30).status_code == 204
        create(session, server, "New")
        assert names(session, server) == ["new", "payroll"]
        assert session.post(f"{server.url}/connectory/v1/reset", timeout=30).status_code == 204
        assert names(session, server) == ["hr", "payroll"]
    assert requests.post(f"{server.url}/connectory/v1/reset", timeout=30).status_code == 401


def test_catalog_only_replaces_the_built_in_connectors(double, tmp_path):
    (tmp_path / "ours.json").write_text(json.dumps([{"name": "Ours", "className": "x.Y", "scriptName": "ours"}]))
    server = double("--catalog-only", tmp_path / "ours.json")
    assert [connector["name"] for connector in server.session().get(server.connectors, timeout=30).json()] == ["Ours"]


FAULTS = "429=20%,503=10%,html=10%,retry-after=3"


def fates(session, server, count):
    answers = [session.get(f"{server.connectors}?limit=1", timeout=30) for _ in range(count)]
    for answer in answers:
        fault = answer.headers.get("Connectory-Fault")
        assert {None: 200, "html": 502}.get(fault, int(fault) if (fault or "").isdigit() else None) == answer.status_code
        assert answer.headers.get("Retry-After") == ("3" if answer.status_code in (429, 503) else None)
    return [answer.headers.get("Connectory-Fault") for answer in answers]


def test_the_same_requests_have_the_same_faults(double):
    rule = f"GET /v3/connectors: {FAULTS}"
    first, same, other = (double("--rate-limit", "off", "--fault", rule, "--seed", seed) for seed in ["7", "7", "8"])
    session = first.session()
    seen = fates(session, first, 60)
    assert {"429", "503", "html", None} == set(seen)
    assert fates(same.session(), same, 60) == seen
    assert fates(other.session(), other, 60) != seen
    assert session.post(f"{first.url}/connectory/v1/reset", timeout=30).status_code == 204
    assert fates(session, first, 60) == seen, "after a reset the requests are counted from the first again"
    assert {"reset", "faults"} <= set(requests.get(f"{first.url}/connectory/v1", timeout=30).json()["capabilities"])


def test_health_has_no_faults_and_a_connection_can_end(double):
    server = double("--fault", "drop=100%", "--fault", "GET /v3/connectors: truncate=100%", "--fault", "POST /oauth/token: latency=200ms")
    for path in ["live", "ready"] * 10:
        answer = requests.get(f"{server.url}/health/{path}", timeout=30)
        assert answer.status_code == 200 and "Connectory-Fault" not in answer.headers
    began = time.monotonic()
    session = server.session()
    assert time.monotonic() - began >= 0.2
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        session.get(server.connectors, timeout=30)
    with pytest.raises(requests.exceptions.ConnectionError, match="without response|Connection aborted"):
        session.get(f"{server.connectors}/jdbc", timeout=30)
    assert session.post(f"{server.url}/connectory/v1/reset", timeout=30).status_code == 204


def test_a_long_fault_does_not_hold_the_end_up(double):
    server = double("--fault", "GET /v3/connectors: latency=60s")
    session = server.session()
    with pytest.raises(requests.exceptions.ReadTimeout):
        session.get(server.connectors, timeout=0.3)
    held = socket.create_connection(("127.0.0.1", int(server.port_file.read_text())))
    held.sendall(f"GET /v3/connectors HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {session.token}\r\n\r\n".encode())
    time.sleep(0.3)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 2
    assert held.recv(4096).startswith(b"HTTP/1.1 200")


def test_clients_are_made_beside_it_until_a_reset(double):
    server = double()
    database = re.search(r"database (\S+)", (server.folder / "output").read_text())[1]
    session = server.session()
    for _ in range(3):
        printed = connectory("client", "create", "reader", "--scopes", "idn:connector-config:read", "--database", f"sqlite:{database}").stdout
        exported = dict(re.findall(r"export (SAIL_\w+)=(\S+)", printed))
        assert exported["SAIL_BASE_URL"] == server.url
        fields = {"grant_type": "client_credentials", "client_id": exported["SAIL_CLIENT_ID"], "client_secret": exported["SAIL_CLIENT_SECRET"]}
        assert requests.post(f"{server.url}/oauth/token", data=fields, timeout=30).status_code == 200
        assert session.post(f"{server.url}/connectory/v1/reset", timeout=30).status_code == 204
        assert requests.post(f"{server.url}/oauth/token", data=fields, timeout=30).status_code == 401


@pytest.mark.parametrize(
    "options, error",
    [
        (["--ephemeral", "--load", "/dev/zero"], "/dev/zero: this is neither a folder nor a file"),
        (["--ephemeral", "--catalog-only", "/dev/zero"], "/dev/zero: this is neither a folder nor a file"),
        (["--ephemeral", "--port-file", "/dev/zero"], "--port-file: /dev/zero exists, and is not the port"),
        (["--fault", "429=5%"], "--ephemeral"),
        (["--record", "x.har"], "--ephemeral"),
        (["--load", "x"], "--ephemeral"),
        (["--clock-offset", "1h"], "--ephemeral"),
        (["--ephemeral", "--seed", "7"], "--fault"),
        (["--ephemeral", "--database", "sqlite:x.db"], "--ephemeral has a database of its own"),
        (["--ephemeral", "--fault", "429=5"], "`429=5` has no percentage from 0% to 100%"),
        (["--ephemeral", "--fault", "GET /v3/conectors: 429=5%"], "did you mean `GET /v3/connectors`?"),
        (["--ephemeral", "--load", "nowhere"], "nowhere"),
        (["--ephemeral", "--record", "/nowhere/x.har"], "/nowhere/x.har"),
        (["--ephemeral", "--clock-offset", "tomorrow"], "`tomorrow` is not a time such as `90s`"),
    ],
)
def test_options_of_tests_are_for_tests_alone(tmp_path, options, error):
    ran = subprocess.run(
        [BINARY, "serve", "--listen", "127.0.0.1:0", *options], cwd=tmp_path, capture_output=True, text=True, timeout=30,
        env=environment(HOME=str(tmp_path), TMPDIR=str(tmp_path)),
    )
    assert ran.returncode in (1, 2) and error in ran.stderr, ran.stderr
    assert list(tmp_path.iterdir()) == []


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_tokens_expire(double):
    # A token ends with a whole second, so one of a second may have no time at all.
    server = double("--token-lifetime", "3")
    session = server.session()
    assert names(session, server) == []
    time.sleep(max(claims(session.token)["exp"] - time.time(), 0) + 0.1)
    expired = session.get(server.connectors, timeout=30)
    assert expired.status_code == 401
    assert expired.json()["error"].startswith("JWT validation failed: JWT is expired: it was valid for 3 seconds; ")


@pytest.mark.parametrize("offset, seconds", [("-1h", -3600), ("2h 30m", 9000)])
def test_the_clock_is_off_in_tokens_and_dates(double, offset, seconds):
    server = double("--clock-offset", offset)
    session = server.session()
    assert abs(claims(session.token)["iat"] - time.time() - seconds) < 60
    answer = session.get(server.connectors, timeout=30)
    assert answer.status_code == 200
    assert abs(email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time() - seconds) < 60


def test_requests_are_recorded_without_secrets(double, tmp_path):
    record = tmp_path / "record.har"
    server = double("--record", record, "--fault", "DELETE /v3/connectors/{scriptName}: drop=100%", "--clock-offset", "1h")
    session = server.session()
    create(session, server, "HR")
    session.get(server.connectors, params={"filters": 'name sw "HR"', "access_token": "s3cret-parameter"}, timeout=30)
    with pytest.raises(requests.exceptions.ConnectionError):
        session.delete(f"{server.connectors}/hr", timeout=30)
    basic = requests.post(f"{server.url}/oauth/token?grant_type=client_credentials", auth=("me", CREDENTIALS["CONNECTORY_CLIENT_SECRET"]), timeout=30)
    assert basic.status_code == 200
    server.stop()
    text = record.read_text()
    assert record.stat().st_mode & 0o777 == 0o600
    for secret in [CREDENTIALS["CONNECTORY_CLIENT_SECRET"], session.token, basic.json()["access_token"], "s3cret-parameter"]:
        assert secret not in text and base64.b64encode(f"me:{secret}".encode()).decode() not in text
    log = json.loads(text)["log"]
    assert (log["version"], log["creator"]["name"]) == ("1.2", "connectory")
    told = [(entry["request"]["method"], entry["request"]["url"].removeprefix(server.url).split("?")[0], entry["response"]["status"]) for entry in log["entries"]]
    assert told == [
        ("POST", "/oauth/token", 200), ("POST", "/v3/connectors", 200), ("GET", "/v3/connectors", 200),
        ("DELETE", "/v3/connectors/hr", 0), ("POST", "/oauth/token", 200),
    ]
    created = log["entries"][1]
    assert json.loads(created["request"]["postData"]["text"]) == {"name": "HR", "className": "x.Y"}
    assert json.loads(created["response"]["content"]["text"])["scriptName"] == "hr"


def test_a_record_is_whole_when_the_server_is_killed(double, tmp_path):
    record = tmp_path / "record.har"
    server = double("--record", record)
    session = server.session()
    for _ in range(5):
        assert session.get(server.connectors, timeout=30).status_code == 200
    deadline = time.monotonic() + 5
    while len(json.loads(record.read_text())["log"]["entries"]) < 6:
        assert time.monotonic() < deadline
    server.process.kill()
    assert len(json.loads(record.read_text())["log"]["entries"]) == 6


def test_the_settings_of_this_machine_are_not_those_of_the_tests(double, tmp_path):
    settings = pathlib.Path(tmp_path / "home/.config/connectory")
    settings.mkdir(parents=True)
    (settings / "connectory.toml").write_text('rate_limit = "1/60s"\ndatabase = "sqlite:kept.db"\n')
    server = double(HOME=str(tmp_path / "home"))
    session = server.session()
    assert [session.get(server.connectors, timeout=30).status_code for _ in range(3)] == [200] * 3
    assert re.search(r"database \S*/connectory-ephemeral-\w+/connectory\.db", (server.folder / "output").read_text())
