"""Starting, stopping and configuring the server, and managing access beside it."""

import contextlib
import json
import pathlib
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import tempfile
import threading
import time
import uuid

import requests

import attackers
from conftest import BINARY, connectory, environment


def test_the_first_start_prints_a_client_once(start):
    server = start()
    assert "12 built-in connectors" in server.printed
    assert requests.get(f"{server.url}/v3/connectors", headers=server.session().headers, timeout=30).status_code == 200
    server.stop()
    again = start(folder=server.folder)
    assert again.secret is None, "a secret is shown once"
    again.client_id, again.secret = server.client_id, server.secret
    again.session()
    assert server.secret not in (server.folder / "log").read_text()
    database = (server.folder / "connectory.db").read_bytes() + (server.folder / "connectory.db-wal").read_bytes()
    assert server.secret.encode() not in database


def test_a_secret_that_nobody_can_read_is_told(start):
    folder = tempfile.mkdtemp()
    with open("/dev/full", "w") as full, open(f"{folder}/log", "w") as log:
        process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--database", f"sqlite:{folder}/c.db"],
            env=environment(), stdout=full, stderr=log)
    try:
        deadline = time.monotonic() + 30
        log = pathlib.Path(folder, "log")
        while "could not be written to standard output, and is lost; create another" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        assert f"connectory client create NAME --database sqlite:{folder}/c.db" in log.read_text()
    finally:
        process.kill()
        process.wait()


def test_the_database_is_for_its_owner_alone(start):
    server = start()
    files = [server.folder / f"connectory.db{end}" for end in ("", "-wal", "-shm", ".lock")]
    modes = lambda: [stat.S_IMODE(file.stat().st_mode) for file in files]
    assert modes() == [0o600] * 4 and "other users" not in server.log
    server.kill()
    for file in files:
        file.chmod(0o644)
    server.start()
    assert modes() == [0o600] * 4
    for file in files:
        said = 'other users had access to a file of the database; now only its owner has '
        assert f'{said}file={file} old="0644" new="0600"' in server.log
    files[0].chmod(0o666)
    said = connectory("client", "list", "--database", server.database).stderr
    assert f'now only its owner has file={files[0]} old="0666" new="0600"' in said and modes() == [0o600] * 4


def test_the_first_client_can_be_given(start):
    server = start(CONNECTORY_CLIENT_ID="ci", CONNECTORY_CLIENT_SECRET="given secret", CONNECTORY_RATE_LIMIT="1/60s")
    assert "given secret" not in server.printed
    server.client_id, server.secret = "ci", "given secret"
    session = server.session()
    assert [session.get(f"{server.url}/v3/connectors", timeout=30).status_code for _ in range(2)] == [200, 429]


def test_options_come_from_a_file_too(start, tmp_path):
    file = tmp_path / "connectory.toml"
    file.write_text('rate_limit = "1/60s"\nmax_document = 100\n')
    server = start("--config", str(file))
    session = server.session()
    assert [session.get(f"{server.url}/v3/connectors", timeout=30).status_code for _ in range(2)] == [200, 429]
    file.write_text("rate_limt = 1\n")
    refused = connectory("serve", "--config", str(file), check=False)
    assert refused.returncode == 1 and "line 1: `rate_limt` is not a setting; did you mean `rate_limit`?" in refused.stderr


def test_metrics_have_an_address_of_their_own(start):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "127.0.0.1:%d" % free.getsockname()[1]
    server = start("--metrics-listen", address)
    assert server.session().get(f"{server.url}/v3/connectors", timeout=30).ok
    metrics = requests.get(f"http://{address}/metrics", timeout=30)
    assert metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    counted = 'http_server_request_duration_seconds_count{http_request_method="GET",http_route="/v3/connectors",'
    assert counted + 'http_response_status_code="200"} 1\n' in metrics.text
    assert requests.get(f"{server.url}/metrics", timeout=30).status_code == 404


def test_a_second_process_on_the_database_is_refused(start):
    server = start()
    refused = connectory("serve", "--listen", "127.0.0.1:0", "--database", server.database, check=False)
    assert refused.returncode == 1
    assert f"is in use by another process (pid {server.process.pid})" in refused.stderr


def test_signals_finish_what_is_in_flight(start):
    for number in [signal.SIGTERM, signal.SIGINT]:
        server = start()
        token = server.token()
        body = json.dumps({"name": "HR", "className": "x.Y"})
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            head = (
                f"POST /v3/connectors HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + body[:5].encode())
            time.sleep(0.3)
            server.process.send_signal(number)
            time.sleep(0.3)
            assert server.process.poll() is None
            connection.sendall(body[5:].encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        assert server.process.wait(timeout=30) == 0


def test_after_sigterm_the_process_ends_within_ten_seconds_whatever_its_clients_do(start):
    server = start()
    session = server.session()
    acknowledged = session.post(server.connectors, json={"name": "HR", "className": "x.Y"}, timeout=30)
    assert acknowledged.status_code == 200
    # More bytes than the system buffers for a reader that reads nothing.
    reads_nothing = attackers.connect(server.url, receive_buffer=4096)
    reads_nothing.sendall(attackers.request("GET", "/docs/swagger-ui-bundle.js") * 20)
    never_ends = attackers.connect(server.url)
    never_ends.sendall(attackers.request("POST", "/v3/connectors", b'{"name', token=server.token(), length=100,
                                         Content_Type="application/json"))
    idle = attackers.Http2(server.url)
    # Another program has locked the database of this server, whose changes wait.
    waits = start(CONNECTORY_DRAIN="8s")
    headers = waits.session().headers
    lock = sqlite3.connect(waits.path)
    lock.execute("BEGIN IMMEDIATE")

    def change():
        with contextlib.suppress(requests.ConnectionError):
            while True:
                body = {"name": str(uuid.uuid4()), "className": "x.Y"}
                requests.post(waits.connectors, json=body, headers=headers, timeout=30)

    for _ in range(20):
        threading.Thread(target=change, daemon=True).start()
    time.sleep(0.5)
    began = time.monotonic()
    for each in (server, waits):
        each.process.send_signal(signal.SIGTERM)
    codes = server.process.wait(timeout=30), waits.process.wait(timeout=30)
    took = time.monotonic() - began
    assert 5 < took < 10, f"{took:.1f} s; requests in flight have some time"
    assert codes == (0, 1), "the second could not close its database"
    assert "some requests did not end in time; dropping their connections" in server.log
    lock.close()
    for connection in (reads_nothing, never_ends, idle.socket):
        connection.close()
    again = start(folder=server.folder)
    again.client_id, again.secret = server.client_id, server.secret
    assert again.session().get(f"{again.connectors}/hr", timeout=30).status_code == 200


def test_after_sigterm_the_server_is_not_ready_but_answers_while_it_drains(start):
    server = start(CONNECTORY_DRAIN="3s")
    session = server.session()
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    while time.monotonic() < began + 2.5:
        for path in ["/health/ready", "/health/ready?for=reads"]:
            ready = requests.get(server.url + path, timeout=30)
            assert (ready.status_code, ready.json()) == (503, {"status": "not ready", "reason": "stopping"})
        assert requests.get(f"{server.url}/health/live", timeout=30).status_code == 200
        assert requests.get(server.connectors, headers=session.headers, timeout=30).status_code == 200
        time.sleep(0.2)
    assert server.process.wait(timeout=30) == 0
    assert 3 <= time.monotonic() - began < 5, "without requests in flight, it ends after the drain"
    assert "status=503" in server.log and 'reason="stopping"' in server.log
    assert "ERROR" not in server.log, "it does what it was asked to"
    assert "stopping: /health/ready is 503 from now on, and in 3 s no more connections are accepted" in server.log


def test_ctrl_c_does_not_drain_and_a_second_signal_ends_at_once(start):
    for signals, code in [([signal.SIGINT], 0), ([signal.SIGTERM, signal.SIGTERM], 143),
                          ([signal.SIGTERM, signal.SIGINT], 130)]:
        server = start(CONNECTORY_DRAIN="5s")
        began = time.monotonic()
        for number in signals:
            server.process.send_signal(number)
            time.sleep(0.2)
        assert server.process.wait(timeout=30) == code
        assert time.monotonic() - began < 2, signals
        said = "stopping: no more connections are accepted, and requests in flight are finished"
        assert (said in server.log) == (signals[0] == signal.SIGINT) and "drain=" not in server.log


def test_each_line_of_the_log_says_who_and_why(start):
    server = start(CONNECTORY_LOG="connectory_server=debug,warn", CONNECTORY_RATE_LIMIT="1/60s")
    session = server.session()
    asked = [
        (session, "GET", "/v3/connectors", {}),
        (session, "GET", "/v3/connectors", {}),
        (requests, "GET", "/v3/connectors", {}),
        (requests, "POST", "/oauth/token", {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y-y"}),
        (requests, "POST", "/oauth/token", {"client_secret": "y-y"}),
        (requests, "POST", "/console/sign-in", {"client_id": "x", "client_secret": "y-y"}),
        (requests, "X" * 1000, "/health/live", {}),
    ]
    statuses = [by.request(method, server.url + path, data=form, timeout=30).status_code
                for by, method, path, form in asked]
    assert statuses == [200, 429, 401, 401, 400, 401, 405]
    time.sleep(0.2)
    lines = [line for line in server.log.splitlines() if " path=" in line]
    of = lambda status: [line for line in lines if f"status={status}" in line]
    known = f'client="{server.client_id}" kind="client"'
    [listed] = [line for line in of(200) if 'path="/v3/connectors"' in line]
    assert known in listed
    [limited] = of(429)
    assert known in limited
    assert re.search(r'reason="too many requests; try again in \d+ seconds?"', limited)
    assert [re.search('reason="(.*?)"', line)[1] for line in of(401)] == [
        "JWT is missing", "the client id or the client secret is wrong", "the client id or the client secret is wrong"]
    [wrong] = of(400)
    assert 'reason="`grant_type` is missing; expected client_credentials"' in wrong
    [method] = of(405)
    assert len(method) < 1000
    for line in lines:
        assert re.search(r" ms=\d+(\.\d{1,3})?( |$)", line), line
        assert "unsaid" not in line and "y-y" not in line and server.secret not in line
        assert ("kind=" in line) == (known in line) and "peer=127.0.0.1" in line, line
    # A token, and a refused request for one, name the client that asked.
    [issued] = [line for line in of(200) if 'path="/oauth/token"' in line]
    assert f'client="{server.client_id}"' in issued
    assert ['client="x"' in line for line in of(401)] == [False, True, True]


def test_a_stop_writes_the_refusals_of_the_last_second(start):
    server = start()
    form = {"grant_type": "client_credentials", "client_id": server.client_id, "client_secret": "wrong"}
    assert requests.post(f"{server.url}/oauth/token", data=form, timeout=30).status_code == 401
    server.stop()
    [[client, address, count]] = sqlite3.connect(server.path).execute(
        "SELECT client_id, address, count FROM refused_sign_ins").fetchall()
    assert (client, address, count) == (server.client_id, "127.0.0.1", 1)


def test_catalogs_bring_more_built_in_connectors(start, tmp_path):
    listed = [
        {"name": f"Connector {n}", "scriptName": f"c-{n}", "features": ["A", "B"], "type": "T", "className": None,
         "connectorMetadata": {"category": "Many"}} for n in range(1000)
    ]
    (tmp_path / "many.json").write_text(json.dumps(listed))
    folder = tmp_path / "folders" / "mine"
    folder.mkdir(parents=True)
    (folder / "connector.yaml").write_text("name: Mine\nclassName: x.Y\n")
    without = start()
    server = start("--catalog", str(tmp_path / "many.json"), "--catalog", str(tmp_path / "folders"))
    assert "1013 built-in connectors" in server.printed
    assert server.seconds_to_ready - without.seconds_to_ready < 1
    session = server.session()
    answer = session.get(
        f"{server.url}/v3/connectors?limit=1&count=true",
        params={"filters": 'features ca ("A","B") and category eq "many"'}, timeout=30,
    )
    assert answer.headers["X-Total-Count"] == "1000"
    detail = session.get(f"{server.url}/v3/connectors/c-7", timeout=30).json()
    assert 'featuresString="A, B"' in detail["applicationXml"] and detail["s3Location"] == "connector/c-7"
    assert session.get(f"{server.url}/v3/connectors/mine", timeout=30).json()["name"] == "Mine"
    assert session.delete(f"{server.url}/v3/connectors/c-7", timeout=30).status_code == 400

    (tmp_path / "many.json").write_text('[{"name": "a"}, {"name": "b", "directConnect": 3}]')
    server = start("--catalog", str(tmp_path / "many.json"))
    assert "13 built-in connectors" in server.printed
    assert "connector 2 (b): `directConnect` must be true or false, got the number 3; the connector is left out" \
        in server.log
    (tmp_path / "many.json").write_text('{"name": "a"}')
    refused = connectory("serve", "--database", f"sqlite:{tmp_path}/x.db", "--catalog", str(tmp_path / "many.json"),
                         "--listen", "127.0.0.1:0", check=False)
    assert refused.returncode == 1 and "expected an array of connectors" in refused.stderr


def test_access_is_managed_beside_a_running_server(start):
    server = start()
    connectory("tenant", "create", "other", "--database", server.database)
    client_id, secret = server.new_client("--tenant", "other", "--level", "SOURCE_ADMIN")
    session = server.session(client_id=client_id, secret=secret)
    created = session.post(f"{server.url}/v3/connectors", json={"name": "HR", "className": "x.Y"}, timeout=30)
    assert created.status_code == 200
    listed = connectory("client", "list", "--database", server.database).stdout
    assert client_id in listed and secret not in listed and "SOURCE_ADMIN" in listed
    connectory("client", "delete", client_id, "--database", server.database)
    deadline = time.monotonic() + 15
    while session.get(f"{server.url}/v3/connectors", timeout=30).status_code != 401:
        assert time.monotonic() < deadline, "a deleted client is still let in"
        time.sleep(0.5)
    server.stop()
    refused = connectory("tenant", "delete", "other", "--database", server.database, check=False)
    assert "has 1 connector; give --yes" in refused.stderr
    connectory("tenant", "delete", "other", "--yes", "--database", server.database)
    assert "other" not in connectory("tenant", "list", "--database", server.database).stdout


def test_a_slow_head_does_not_hold_others_up(start):
    server = start()
    host, port = server.url.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port)), timeout=30) for _ in range(50)]
    for connection in slow:
        connection.sendall(b"GET /v3/conn")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(requests.get(f"{server.url}/health/live", timeout=5)))
    thread.start()
    thread.join()
    assert answers[0].json() == {"status": "live"}
    for connection in slow:
        connection.close()
