"""No caller can fill the server's memory, lock others out, or stop the server.

Each test attacks the release binary in one way, while a bystander in another process sends requests. Afterwards the server
still runs, never had more memory than `MOST_MB`, and is ready.
"""

import contextlib
import html
import http.client
import json
import os
import re
import shutil
import socket
import tempfile
import threading
import time

import pytest
import requests

from attackers import (
    LOCALES, MIB, Bystander, Holders, Http2, answer, ask, comparisons, conditional_fields, connect, cookie, doubling,
    limited, many_fields, multipart, peak_mb, processor_seconds, request, sign_in, texts, zeros,
)
from conftest import Server

# The server's largest permitted memory under any attack.
MOST_MB = 300
GIVEN = {"CONNECTORY_CLIENT_ID": "ci", "CONNECTORY_CLIENT_SECRET": "secret"}
JSON = {"Content_Type": "application/json"}
PATCH = {"Content_Type": "application/json-patch+json"}


@pytest.fixture
def attacked(start):
    """Starts a server for an attack, and asserts after the test that it still works."""
    servers = []

    def attacked(*arguments, files=None, **others):
        others.setdefault("prepare", limited(files=files))
        servers.append(start("--rate-limit", "off", *arguments, **others, **GIVEN))
        return servers[-1]

    yield attacked
    for server in servers:
        is_well(server)
        server.kill()
        shutil.rmtree(server.folder)


def is_well(server):
    assert server.process.poll() is None, f"the server ended: {server.process.returncode}"
    peak = peak_mb(server)
    print(f"peak {peak:.0f} MB")
    assert peak < MOST_MB, f"the server had {peak:.0f} MB"
    assert requests.get(f"{server.url}/health/ready", timeout=10).status_code == 200


def create(server, session, name):
    created = session.post(server.connectors, json={"name": name, "className": "x.Y"}, timeout=30)
    assert created.status_code == 200, created.text
    return f"{server.connectors}/{created.json()['scriptName']}"


def patch(session, connector, *operations):
    return session.patch(connector, json=list(operations), headers={"Content-Type": "application/json-patch+json"}, timeout=60)


def put(session, path, content):
    return session.put(path, files={"file": content}, timeout=60)


def fill(session, connector, keys, size, seed=0):
    """Writes texts for each locale."""
    for n, locale in enumerate(LOCALES):
        answered = put(session, f"{connector}/translations/{locale}", texts(keys, size, f"{seed}{n}"))
        assert answered.status_code == 200, answered.text


def fill_to_the_brim(session, connector):
    """Makes a connector of almost the largest size, with the largest number of keys in each locale."""
    for n, locale in enumerate(LOCALES):
        size = 4_700_000 if n >= 16 else 110_000
        assert put(session, f"{connector}/translations/{locale}", texts(10_000, size, n)).status_code == 200


def change_all_locales(server, session, connector):
    """Makes a revision in which every line of each locale changes, and returns its number. The texts are just small enough
    that the console still compares them."""
    console = sign_in(server)
    script_name = connector.rsplit("/", 1)[1]
    fill(session, connector, 8000, 250_000, 1)
    first = newest_revision(console, server, script_name)
    fill(session, connector, 8000, 250_000, 2)
    restore = f"{server.url}/console/connectors/{script_name}/history/{first}/restore"
    page = console.get(restore, timeout=60)
    field = lambda name: html.unescape(re.search(rf'name="{name}" value="([^"]+)"', page.text)[1])  # noqa: E731
    form = {"csrf": field("csrf"), "base": field("base")}
    restored = console.post(restore, data=form, timeout=60, allow_redirects=False)
    assert restored.status_code == 303, restored.text[:300]
    return newest_revision(console, server, script_name)


def newest_revision(console, server, script_name):
    history = console.get(f"{server.url}/console/connectors/{script_name}/history", timeout=60)
    return max(int(seq) for seq in re.findall(r"/history/(\d+)", history.text))


def timed(work, *arguments, **named):
    began = time.monotonic()
    done = work(*arguments, **named)
    return time.monotonic() - began, done


# JSON Patch.


@pytest.mark.parametrize("copies", [24, 60])
def test_a_patch_cannot_double_a_document_into_itself(attacked, copies):
    server = attacked()
    session = server.session()
    connector = create(server, session, "HR")
    before = session.get(connector, timeout=30).json()
    with Bystander(server) as bystander:
        refused = patch(session, connector, *doubling(copies))
    # The paths of all operations are checked before any is done, so the first copy is refused.
    assert refused.status_code == 400 and "operation 1" in refused.text, refused.text
    bystander.was_well(1)
    assert session.get(connector, timeout=30).json() == before


def test_a_patch_changes_documents_only_as_a_whole_and_to_strings(attacked):
    server = attacked()
    session = server.session()
    connector = create(server, session, "HR")
    detail = session.get(connector, timeout=30).json()
    for member in ["applicationXml", "correlationConfigXml", "sourceConfigXml"]:
        for operation in [
            {"op": "add", "path": f"/{member}/-", "value": "x"},
            {"op": "replace", "path": f"/{member}/0", "value": "x"},
            {"op": "add", "path": f"/{member}", "value": []},
            {"op": "replace", "path": f"/{member}", "value": {"a": "b"}},
            {"op": "copy", "from": "/connectorMetadata", "path": f"/{member}"},
            {"op": "copy", "from": "/features", "path": f"/{member}"},
            {"op": "move", "from": f"/{member}/0", "path": "/connectorMetadata/x"},
        ]:
            # No later operation can make the patch valid.
            mended = {"op": "replace", "path": f"/{member}", "value": detail[member]}
            refused = patch(session, connector, operation, mended)
            assert refused.status_code == 400 and "operation 0" in refused.text, (operation, refused.text)
    allowed = [
        {"op": "test", "path": "/name", "value": "HR"},
        {"op": "copy", "from": "/scriptName", "path": "/connectorMetadata/was"},
        {"op": "add", "path": "/correlationConfigXml", "value": detail["correlationConfigXml"] + "\n"},
        {"op": "copy", "from": "/correlationConfigXml", "path": "/connectorMetadata/kept"},
    ]
    assert patch(session, connector, *allowed).status_code == 200
    metadata = session.get(connector, timeout=30).json()["connectorMetadata"]
    assert metadata["was"] == "hr" and metadata["kept"].endswith("\n")


def test_copies_of_a_large_document_in_a_patch_are_bounded_before_they_are_made(attacked):
    server = attacked()
    session = server.session()
    connector = create(server, session, "HR")
    large = f'<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd"><!--{"x" * (5 * MIB - 200)}--></Form>'
    assert put(session, f"{connector}/source-config", large).json()["status"] == "UPDATED"
    attacks = [
        [{"op": "copy", "from": "/sourceConfigXml", "path": f"/connectorMetadata/{n}"} for n in range(1000)],
        [{"op": "copy", "from": "/sourceConfigXml", "path": "/sourceConfigXml"}] * 1000,
        [{"op": "add", "path": "/connectorMetadata/a", "value": []}]
        + [{"op": "copy", "from": "/connectorMetadata", "path": "/connectorMetadata/a/-"}] * 999,
    ]
    with Bystander(server) as bystander:
        for operations in attacks:
            took, refused = timed(patch, session, connector, *operations)
            assert refused.status_code in (400, 413), refused.text[:300]
            assert took < 3
    bystander.was_well(1)


# Bodies.


def test_a_body_of_millions_of_values_is_refused_while_it_is_read(attacked):
    server = attacked()
    token = server.token()
    session = server.session()
    create(server, session, "HR")
    body = zeros(10 * MIB)
    nested = b"[" * 5_000_000
    members = b"{" + b",".join(b'"%x":0' % n for n in range(900_000)) + b"}"
    with Bystander(server) as bystander:
        for method, path, head in [("POST", "/v3/connectors", JSON), ("PATCH", "/v3/connectors/hr", PATCH)]:
            for attack in [body, members, nested]:
                status, told = ask(server.url, request(method, path, attack, token, **head))
                assert status in (400, 413), told[:300]
    bystander.was_well(1)


@pytest.mark.parametrize("path", ["/oauth/token", "/console/sign-in", "/console/preferences", "/console/sign-out"])
def test_a_large_form_of_someone_unknown_is_not_kept(attacked, path):
    server = attacked()
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    body, type_ = multipart(many_fields(9 * MIB), "grant_type")
    parts = b"".join(b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' for _ in range(150_000)) + b"--b--\r\n"
    with Bystander(server) as bystander:
        for attack in [
            request("POST", path, many_fields(10 * MIB - 10), **form),
            request("POST", path, body, Content_Type=type_),
            request("POST", path, parts, Content_Type="multipart/form-data; boundary=b"),
            request("POST", path, many_fields(10 * MIB - 10), **form, Authorization="Basic eDp5"),
        ]:
            status, told = ask(server.url, attack)
            # The token endpoint has the errors of RFC 6749, which defines 400 for this.
            assert status in ([400, 413] if path == "/oauth/token" else [413]), (status, told[:300])
        known = "grant_type=client_credentials&client_id=ci&client_secret=secret&csrf=x&language=de&back=/"
        for what, more in [("20 KB", "&more=" + "x" * 20_000), ("20 fields", "&a=b" * 20)]:
            status, told = ask(server.url, request("POST", path, (known + more).encode(), **form))
            assert status in (400, 413), f"{what} are taken"
    bystander.was_well(1)


def test_stalled_uploads_leave_room_for_the_small_writes_of_others(attacked):
    server = attacked()
    session = server.session()
    token = server.token()
    size = 10 * MIB - 100
    prefix = request("POST", "/v3/connectors", b'"' + b"x" * (size - 2), token, length=size, **JSON)
    with Holders(server.url, prefix, 150, ["127.0.0.2"], per_second=100) as attackers, Bystander(server) as bystander:
        attacking = threading.Thread(target=attackers.run, args=[8])
        attacking.start()
        time.sleep(1)
        slowest = 0
        for n in range(20):
            took, created = timed(
                session.post, server.connectors, json={"name": f"small {n}", "className": "x.Y"}, timeout=30,
            )
            assert created.status_code == 200, created.text
            slowest = max(slowest, took)
            time.sleep(0.25)
        attacking.join()
    assert slowest < 2
    bystander.was_well(2)
    assert 503 in attackers.statuses, "no upload is told to come later"
    # The budget is free again when they have closed.
    large = {"name": "large", "className": "x.Y", "more": "x" * (9 * MIB)}
    deadline = time.monotonic() + 10
    while (created := session.post(server.connectors, json=large, timeout=30)).status_code == 503:
        assert time.monotonic() < deadline, "the room does not come back"
        assert int(created.headers["Retry-After"]) >= 1
        time.sleep(0.2)
    assert created.status_code in (200, 400), created.text


def test_one_http2_connection_cannot_fill_the_memory_with_bodies(attacked):
    server = attacked()
    token = server.token()
    with Http2(server.url, "127.0.0.2") as attacker, Bystander(server) as bystander:
        most = min(60, attacker.connection.remote_settings.max_concurrent_streams)
        streams = [attacker.request("POST", "/v3/connectors", token, 10 * MIB) for _ in range(most)]
        attacker.pour(streams, 10 * MIB, 7)
    bystander.was_well(2)


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """The folder of a database whose lists are as large as they may be: 250 connectors, and one with large documents."""
    server = Server(tmp_path_factory.mktemp("wide"), "--rate-limit", "off", **GIVEN)
    session = server.session()
    for n in range(250):
        connector = create(server, session, f"wide {n}")
        value = {"notes": f"{n} " + "x" * 60_000}
        assert patch(session, connector, {"op": "add", "path": "/connectorMetadata", "value": value}).status_code == 200
    connector = create(server, session, "long")
    comment = "<!--" + "x" * (4 * MIB) + "-->"
    config = f'<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd">{comment}</Form>'
    template = f"<Application>{comment}</Application>"
    assert put(session, f"{connector}/source-config", config).json()["status"] == "UPDATED"
    assert put(session, f"{connector}/source-template", template).json()["status"] == "UPDATED"
    server.stop()
    return server.folder


def copy_of(folder):
    copy = tempfile.mkdtemp(prefix="connectory-")
    for file in folder.glob("connectory.db*"):
        shutil.copy(file, copy)
    return copy


def test_one_http2_connection_cannot_fill_the_memory_with_answers(attacked, wide):
    server = attacked(folder=copy_of(wide))
    token = server.token()
    unread = {"window": 2**31 - 1, "receive_buffer": 4096}
    with Http2(server.url, "127.0.0.2", **unread) as attacker, Bystander(server) as bystander:
        for n in range(min(60, attacker.connection.remote_settings.max_concurrent_streams)):
            attacker.request("GET", f"/v3/connectors?offset={n}", token)
        time.sleep(4)
    bystander.was_well(2)


def test_readers_that_never_read_hold_little_and_not_for_long(attacked, wide):
    server = attacked(folder=copy_of(wide))
    token = server.token()
    asked = [request("GET", f"/v3/connectors?offset={n}", token=token) for n in range(20)]
    asked += [request("GET", f"/v3/connectors/long?locale={locale}", token=token) for locale in LOCALES]
    readers = Holders(server.url, asked, 40, ["127.0.0.2"], reads=False, per_second=20)
    with readers, Bystander(server) as bystander:
        readers.run(3)
        began = time.monotonic()
        # They hold the budget for a while only. Then others get large responses again.
        session = server.session()
        while session.get(f"{server.connectors}?offset=7&count=true", timeout=30).status_code != 200:
            assert time.monotonic() < began + 40, "readers that do not read keep others out for good"
            time.sleep(1)
        # Refused clients may repeat their request on the same connection for 30 s.
        time.sleep(max(0, began + 36 - time.monotonic()))
        is_well(server)
        left = established(server, "127.0.0.2")
    bystander.was_well(2)
    assert left == 0, f"{left} of 40 connections are still open to a reader that does not read"


def established(server, source):
    """The number of the server's open connections from a source address."""
    port = int(server.url.rsplit(":", 1)[1])
    peer = "".join(f"{int(part):02X}" for part in reversed(source.split(".")))
    with open(f"/proc/{server.process.pid}/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    local = f":{port:04X}"
    return sum(row[1].endswith(local) and row[2].startswith(peer) and row[3] in ("01", "08") for row in rows)


def test_http2_readers_without_a_window_keep_no_known_caller_out_and_are_cut_off(attacked):
    server = attacked()
    session = server.session()
    name = create(server, session, "HR")
    note = {"op": "add", "path": "/connectorMetadata", "value": {"notes": "x" * 30_000}}
    assert patch(session, name, note).status_code == 200
    paths = ["/openapi.json", "/console/assets/htmx.min.js", "/console/assets/console.js"]
    readers = [Http2(server.url, "127.0.0.2", window=0) for _ in range(4)]
    for reader in readers:
        for n in range(60):
            reader.request("GET", paths[n % len(paths)])
        reader.read_until(lambda: len(reader.statuses) == 60)
        assert len(reader.statuses) == 60 and reader.received == 0
    began = time.monotonic()
    for n in range(10):
        assert patch(session, name, note | {"value": {"notes": "y" * 30_000, "n": n}}).status_code == 200
        assert session.get(name, timeout=10).status_code == 200
    while not all(reader.ended for reader in readers):
        assert time.monotonic() < began + 45, "readers that take nothing are never cut off"
        for reader in readers:
            reader.read(0.1)
    assert requests.get(f"{server.url}/openapi.json", timeout=10).status_code == 200
    is_well(server)


def test_http2_connections_full_of_unread_answers_end(attacked):
    server = attacked(files=(1024, 4096))
    readers = [Http2(server.url, "127.0.0.2", window=0) for _ in range(100)]
    for reader in readers:
        for n in range(60):
            if not reader.ended:
                reader.request("GET", f"/console/sign-in?back=%2F{n}")
    deadline = time.monotonic() + 10
    while sum(reader.ended for reader in readers) < 50:
        assert time.monotonic() < deadline, "6,000 answers wait for readers"
        for reader in readers:
            reader.read(0.001)
    is_well(server)


# Connections.


def test_idle_connections_make_room(attacked):
    server = attacked(files=(256, 256))
    asked = b"GET /health/live HTTP/1.1\r\nHost: connectory\r\n\r\n"
    idle = []
    for n in range(300):
        connection = connect(server.url, f"127.0.0.{2 + n % 3}")
        connection.sendall(asked)
        answer(connection)
        idle.append(connection)
    for _ in range(5):
        assert requests.get(f"{server.url}/health/live", timeout=5).status_code == 200
    for connection in idle:
        connection.close()


NEWCOMER = {"path": "/health/live", "every": 0.1, "fresh": True}


def test_silent_connections_of_one_machine_lock_nobody_out(attacked):
    server = attacked(files=(1024, 4096))
    with Holders(server.url, b"", 1050, ["127.0.0.2"]) as attackers, Bystander(server, **NEWCOMER) as bystander:
        attackers.run(3)
    bystander.was_well(1)
    lines = [line for line in server.log.splitlines() if "127.0.0.2" in line or "connection" in line]
    assert len(lines) < 50, f"{len(lines)} lines about it"


def test_connections_that_never_say_a_whole_request_are_closed(attacked):
    server = attacked(files=(1024, 8192))
    sources = [f"127.0.0.{n}" for n in range(2, 12)]
    beginnings = [b"", b"PRI * HTTP/2.0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[:20], b"GET /v3/conn", b"\r\n", b"GET"]
    attackers = Holders(server.url, beginnings, 2000, sources, drip=b"x", per_second=4000)
    with attackers, Bystander(server, **NEWCOMER) as bystander:
        waiting = attackers.run(13).waiting
    bystander.was_well(1)
    assert waiting == 0, f"{waiting} of 2000 connections wait for ever"


def test_where_connections_take_all_there_is_others_get_in_again(attacked):
    # A connection has ten seconds for its first request.
    server = attacked(files=(256, 256))
    session = server.session()
    name = create(server, session, "HR")
    attackers = Holders(server.url, [b"", b"PRI * HTTP/2.0"], 300, ["127.0.0.2", "127.0.0.3", "127.0.0.4"])
    with attackers, Bystander(server, path="/v3/connectors/hr/source-config") as bystander:
        attacking = threading.Thread(target=attackers.run, args=[2])
        attacking.start()
        time.sleep(1)
        # Existing connections still work, and so does the database.
        for n in range(5):
            create(server, session, f"during {n}")
            assert session.get(f"{name}/source-template", timeout=10).status_code == 200
        attacking.join()
        deadline = time.monotonic() + 15
        while True:
            try:
                if requests.get(f"{server.url}/health/live", timeout=2).status_code == 200:
                    break
            except requests.RequestException:
                assert time.monotonic() < deadline, "nobody gets in any more"
                time.sleep(0.1)
    bystander.was_well(1)


def is_open(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def held(server, source, number):
    """Opens connections that each send one request, and returns those that got a response."""
    open_ = []
    for _ in range(number):
        connection = connect(server.url, source, timeout=1)
        try:
            connection.sendall(request("GET", "/health/live"))
            assert answer(connection)[0] == 200
            open_.append(connection)
        except (OSError, http.client.HTTPException, AssertionError):
            connection.close()
    return open_


def test_a_limit_for_each_machine_does_not_hold_for_a_trusted_proxy(attacked):
    server = attacked(
        "--max-connections", "64", "--max-connections-per-peer", "8", "--trusted-proxy", "127.0.0.9",
        "--trusted-proxy", "127.0.1.0/24",
    )
    for source, most in [("127.0.0.8", 8), ("127.0.0.9", 20), ("127.0.1.7", 20), ("127.0.2.7", 8)]:
        open_ = held(server, source, 20)
        assert len(open_) == most, source
        for connection in open_:
            connection.close()
        time.sleep(0.2)
    # Idle connections are closed for new ones.
    everyone = [connection for n in range(20, 40) for connection in held(server, f"127.0.0.{n}", 5)]
    assert len(everyone) == 100
    time.sleep(0.2)
    assert 50 <= sum(map(is_open, everyone)) <= 64
    for connection in everyone:
        connection.close()


TOKEN_FORM = {"Content_Type": "application/x-www-form-urlencoded"}


def token_request(secret, size=None):
    """A token request. With a size, it says that its body has more bytes than it sends."""
    body = f"grant_type=client_credentials&client_id=ci&client_secret={secret}".encode()
    return request("POST", "/oauth/token", body, length=size, **TOKEN_FORM)


def test_clients_that_leave_do_not_leave_their_verifications_behind(attacked):
    server = attacked()
    until = time.monotonic() + 5

    def leave(source):
        while time.monotonic() < until:
            with contextlib.suppress(OSError), connect(server.url, source) as connection:
                connection.sendall(token_request("wrong"))
                time.sleep(0.01)

    leaving = [threading.Thread(target=leave, args=[f"127.0.0.{n}"]) for n in range(2, 10)]
    for thread in leaving:
        thread.start()
    for thread in leaving:
        thread.join()
    took, _ = timed(server.token)
    assert took < 10, f"a token took {took:.1f} s"


def test_token_requests_wait_in_a_bounded_queue_and_unknown_ids_delay_no_client(attacked):
    server = attacked()
    burst = [connect(server.url, f"127.0.0.{2 + n % 4}", timeout=60) for n in range(300)]
    unknown = request("POST", "/oauth/token", b"grant_type=client_credentials&client_id=x&client_secret=x", **TOKEN_FORM)
    for connection in burst:
        connection.sendall(unknown)
    took, _ = timed(server.token)
    assert took < 5, f"a client's token took {took:.1f} s"
    statuses = [answer(connection)[0] for connection in burst]
    assert set(statuses) == {401, 503}, set(statuses)
    response = requests.post(f"{server.url}/oauth/token", data={"grant_type": "client_credentials"}, timeout=10)
    assert response.status_code == 401, response.text


def test_http2_does_not_multiply_what_a_small_body_may_have(attacked):
    server = attacked(files=(4096, 8192))
    attackers = []
    with Bystander(server) as bystander:
        for n in range(250):
            attacker = Http2(server.url, f"127.0.0.{2 + n % 2}")
            attackers.append(attacker)
            streams = [attacker.request("POST", "/oauth/token", length=16_384) for _ in range(64)]
            attacker.pour(streams, 16_000, 0.1)
        time.sleep(1)
    for attacker in attackers:
        attacker.socket.close()
    bystander.was_well(2)


@pytest.mark.parametrize("kind", ["heads", "bodies"])
def test_requests_that_do_not_arrive_do_not_add_up(attacked, kind):
    server = attacked(files=(8192, 8192))
    head = b"GET /v3/connectors HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 31_000
    body = request("POST", "/oauth/token", b"a" * 16_000, length=16_384, X_A="a" * 29_000, **TOKEN_FORM)
    prefix = {"heads": head, "bodies": body}[kind]
    sources = [f"127.0.0.{n}" for n in range(2, 10)]
    with Holders(server.url, prefix, 4000, sources, per_second=2000) as attackers, Bystander(server) as bystander:
        attackers.run(8)
        assert requests.get(f"{server.url}/health/live", timeout=10).status_code == 200
    bystander.was_well(2)


def test_small_bodies_that_stop_do_not_lock_others_out(attacked):
    server = attacked(files=(1024, 1024))
    sources = ["127.0.0.2", "127.0.0.3"]
    attackers = Holders(server.url, token_request("x", 16_384), 1000, sources, reopen=True)
    with attackers, Bystander(server, path="/v3/connectors") as bystander:
        attacking = threading.Thread(target=attackers.run, args=[16])
        attacking.start()
        time.sleep(8)
        got_in = 0
        for _ in range(20):
            with contextlib.suppress(requests.RequestException):
                got_in += requests.get(f"{server.url}/health/live", timeout=3).status_code == 200
        attacking.join()
    # New clients compete with new attackers; known clients stay.
    assert got_in >= 10, f"{got_in} of 20 new clients got in"
    bystander.was_well(2)


def test_errors_that_nobody_reads_hold_little(attacked):
    server = attacked()
    token = server.token()
    patch_ = json.dumps([{"op": "x" * (10 * MIB - 100), "path": "/"}]).encode()
    unread = []
    with Bystander(server) as bystander:
        for _ in range(40):
            connection = connect(server.url, "127.0.0.2", receive_buffer=4096)
            connection.sendall(request("PATCH", "/v3/connectors/nothing", patch_, token, **PATCH))
            unread.append(connection)
            time.sleep(0.05)
    bystander.was_well(2)
    status, told = answer(unread[0])
    assert status in (400, 404, 503) and len(told) < 5000, (status, len(told))
    for connection in unread:
        connection.close()


# Pages and responses that are derived from stored connectors.


def test_a_preview_of_thousands_of_conditional_fields_takes_no_time_from_others(attacked):
    server = attacked()
    session = server.session()
    connector = create(server, session, "Long")
    assert put(session, f"{connector}/source-config", conditional_fields(12_000)).json()["status"] == "UPDATED"
    console = sign_in(server)
    page = f"{server.url}/console/connectors/long"
    with Bystander(server) as bystander:
        for path in ["/preview", "/preview?locale=de", "/documents/source-config"]:
            took, shown = timed(console.get, page + path, timeout=10)
            assert shown.status_code == 200 and took < 3, (path, shown.status_code, took)
            assert len(shown.content) < 8 * MIB
    bystander.was_well(1)


def test_no_page_repeats_a_long_field_and_no_error_a_long_text(attacked):
    server = attacked()
    session = server.session()
    connector = create(server, session, "HR")
    console = sign_in(server)
    csrf = re.search(r'name="csrf" value="([^"]+)"', console.get(f"{server.url}/console/new", timeout=30).text)[1]
    head = {"Cookie": cookie(console), "X_CSRF_Token": csrf, "Content_Type": "multipart/form-data; boundary=b"}
    pages = "/console/connectors/hr"
    with Bystander(server) as bystander:
        for path, field, size, expected in [
            ("/console/new", "name", 10 * MIB - 300, 413),
            ("/console/clients", "name", 10 * MIB - 300, 413),
            (f"{pages}/delete", "name", 10 * MIB - 300, 413),
            (f"{pages}/metadata", "category", 10 * MIB - 300, 413),
            (f"{pages}/metadata", "others", 10 * MIB - 300, 413),
            (f"{pages}/translations/en/text", "text", 10 * MIB - 300, 413),
            (f"{pages}/documents/source-config", "text", 5 * MIB - 300, 422),
            (f"{pages}/documents/source-config/check", "text", 5 * MIB - 300, 200),
        ]:
            part = f'--b\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n'.encode()
            body = part + b'"' * size + b"\r\n--b--\r\n"
            status, told = ask(server.url, request("POST", path, body, **head))
            assert status == expected and len(told) < 20_000, (path, field, status, len(told), told[:300])
        half = (5 * MIB - 1000) // 2
        for document in [
            "<" + "a" * half + "></" + "b" * half + ">",
            "<a " + "b" * half + '="" ' + "b" * half + '=""/>',
            "<" + "p" * 2 * half + ":a/>",
            "<a>&" + "e" * 2 * half + ";</a>",
            "<" + "r" * 2 * half + "/>",
        ]:
            refused = put(session, f"{connector}/source-config", document)
            assert len(refused.content) < 2000, (refused.status_code, len(refused.content))
        refused = patch(session, connector, {"op": '"' * (4 * MIB), "path": "/"})
        assert refused.status_code == 400 and len(refused.content) < 2000, len(refused.content)
    bystander.was_well(1)


def test_long_work_ends_when_its_client_has_left(attacked):
    server = attacked()
    session = server.session()
    connector = create(server, session, "Long")
    assert put(session, f"{connector}/source-config", conditional_fields(12_000)).json()["status"] == "UPDATED"
    console = sign_in(server)
    asked = request("GET", "/console/connectors/long/preview", Cookie=cookie(console))
    for _ in range(4):
        with connect(server.url) as connection:
            connection.sendall(asked)
            time.sleep(0.1)
    time.sleep(2)
    before = processor_seconds(server)
    time.sleep(2)
    assert processor_seconds(server) - before < 0.5, "it works for nobody"


def test_translations_are_bounded_in_number_and_shown_a_page_at_a_time(attacked):
    server = attacked()
    session = server.session()
    connector = create(server, session, "Many")
    console = sign_in(server)
    page = f"{server.url}/console/connectors/many/translations"
    with Bystander(server) as bystander:
        many = "".join(f"{n:x}=\n" for n in range(600_000))
        answered = put(session, f"{connector}/translations/en", many)
        if answered.status_code == 200:
            console.get(page, timeout=20)
        assert answered.status_code == 413 and "keys" in answered.text, answered.text
        fill(session, connector, 10_000, 200_000)
        assert put(session, f"{connector}/translations/en", texts(10_001, 200_000, 0)).status_code == 413
        every = "&".join(f"locale={locale}" for locale in LOCALES)
        for path in [page, f"{page}?{every}", f"{server.url}/console/connectors/many"]:
            took, shown = timed(console.get, path, timeout=20)
            assert shown.status_code == 200 and took < 3, (path, shown.status_code, took)
            assert len(shown.content) < 2 * MIB, f"a page of {len(shown.content)} bytes"
    bystander.was_well(1)


def test_differences_between_many_large_texts_are_bounded(attacked):
    server = attacked()
    session = server.session()
    connector = create(server, session, "Texts")
    changed = change_all_locales(server, session, connector)
    console = sign_in(server)
    with Bystander(server) as bystander:
        assert session.delete(connector, timeout=60).status_code == 204
        for seq in [changed, newest_revision(console, server, "texts")]:
            page = f"{server.url}/console/connectors/texts/history/{seq}"
            took, shown = timed(console.get, page, timeout=60)
            assert shown.status_code == 200 and took < 5, (shown.status_code, took)
            assert len(shown.content) < 8 * MIB, f"a page of {len(shown.content)} bytes"
    bystander.was_well(1)


def test_what_lists_show_of_a_connector_is_bounded(attacked):
    server = attacked()
    session = server.session()
    connector = create(server, session, "HR")

    def metadata(value):
        return patch(session, connector, {"op": "add", "path": "/connectorMetadata", "value": value})

    def features(*listed):
        template = f'<Application featuresString="{",".join(listed)}"/>'
        return put(session, f"{connector}/source-template", template)

    short = "short description|shortDesc|ShortDesc"
    for answered, named in [
        (metadata({"shortDesc": "x" * 60_000}), short),
        (metadata({"shortDesc": "x" * 4097}), short),
        (put(session, f"{connector}/translations/de", "ShortDesc=" + "x" * (4 * MIB)), short),
        (put(session, f"{connector}/translations/en", "ShortDesc=" + "x" * 4097), short),
        (metadata({"labels": [f"l{n}" for n in range(101)]}), "label"),
        (metadata({"labels": ["x" * 1021]}), "label"),
        (metadata({"category": "x" * 1021}), "category"),
        (features(*(f"F{n}" for n in range(201))), "feature"),
        (features(*(f"F{n}" for n in range(500_000))), "feature"),
        (features("F" * 256), "feature"),
    ]:
        assert answered.status_code == 413, (named, answered.status_code, answered.text[:300])
        assert re.search(named, answered.json()["messages"][0]["text"]), answered.text
    assert metadata({"shortDesc": "x" * 4096, "labels": ["x" * 500] * 100, "category": "x" * 1020}).status_code == 200
    assert features(*(f"F{n}" for n in range(200))).json()["status"] == "UPDATED"
    listed = session.get(f"{server.connectors}?custom=true", timeout=30).content
    assert len(listed) < 200_000


def test_a_whole_connector_is_bounded(attacked):
    server = attacked()
    session = server.session()
    connector = create(server, session, "HR")
    answers = [
        put(session, f"{connector}/translations/{locale}", texts(9000, 5_200_000, locale)) for locale in LOCALES[:4]
    ]
    assert [answered.status_code for answered in answers] == [200, 200, 200, 413]
    assert re.search("16777216|16 MiB", answers[-1].json()["messages"][0]["text"]), answers[-1].text
    assert session.get(f"{connector}/translations/{LOCALES[0]}", timeout=30).status_code == 200
    large = f'<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd"><!--{"x" * (4 * MIB)}--></Form>'
    assert put(session, f"{connector}/source-config", large).status_code == 413
    copied = patch(session, connector, {"op": "replace", "path": "/sourceConfigXml", "value": large})
    assert copied.status_code == 413


def test_how_large_a_connector_may_be_is_an_option(attacked):
    server = attacked("--max-connector", "100000")
    session = server.session()
    connector = create(server, session, "HR")
    assert put(session, f"{connector}/translations/de", texts(100, 70_000, 0)).status_code == 200
    refused = put(session, f"{connector}/translations/fr", texts(100, 70_000, 1))
    assert refused.status_code == 413 and "100000" in refused.text


def test_a_patch_of_a_large_connector_takes_no_seconds(attacked):
    server = attacked()
    session = server.session()
    connector = create(server, session, "Large")
    # The largest number of lines. A search for the short description reads all of them.
    many = "".join(f"{n:x}=\n" for n in range(600_000))
    if put(session, f"{connector}/translations/de", many).status_code == 200:
        assert put(session, f"{connector}/translations/fr", many).status_code == 200
    else:
        fill_to_the_brim(session, connector)
    with Bystander(server) as bystander:
        took = []
        for n in range(5):
            operation = {"op": "add", "path": "/connectorMetadata/n", "value": n}
            seconds, patched = timed(patch, session, connector, operation)
            assert patched.status_code == 200, patched.text
            took.append(seconds)
    assert sorted(took)[2] < 1.5, took
    bystander.was_well(1)


# Filters.


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """Many connectors with long names."""
    file = tmp_path_factory.mktemp("catalog") / "many.json"
    listed = [{"name": f"Connector {n} " + "of a system " * 15, "scriptName": f"c-{n}", "className": "x.Y"} for n in range(20_000)]
    file.write_text(json.dumps(listed))
    return file


def test_a_filter_is_bounded_in_comparisons(attacked):
    server = attacked()
    session = server.session()
    for filters, status in [
        (comparisons(100), 200),
        (comparisons(101), 400),
        (comparisons(400), 400),
        ("not (" + comparisons(101) + ")", 400),
        (" and ".join("directConnect eq true" for _ in range(300)), 400),
        ("features ca (" + ",".join(f'"{n}"' for n in range(500)) + ")", 400),
    ]:
        answered = session.get(server.connectors, params={"filters": filters}, timeout=30)
        assert answered.status_code == status, (filters[:50], answered.status_code)
        assert status == 200 or "comparison" in answered.text, answered.text


def test_who_may_read_nothing_costs_nothing(attacked, catalog):
    server = attacked("--catalog", str(catalog))
    client_id, secret = server.new_client("--level", "USER")
    session = server.session(client_id=client_id, secret=secret)
    session.get(server.connectors, timeout=30)
    before = processor_seconds(server)
    number = 50
    with Bystander(server) as bystander:
        for n in range(number):
            asked = {"filters": comparisons(99, n), "count": "true"}
            assert session.get(server.connectors, params=asked, timeout=30).status_code == 403
    used = (processor_seconds(server) - before) / number
    bystander.was_well(0.5)
    assert used < 0.005, f"{used * 1000:.0f} ms of a processor for each refusal"


def test_long_filters_take_no_time_from_others(attacked, catalog):
    server = attacked("--catalog", str(catalog), prepare=on_one_core)
    sessions = [server.session() for _ in range(4)]
    statuses = set()

    def select(worker):
        for n in range(8):
            filters = comparisons(99, 1000 * worker + n)
            selected = sessions[worker].get(server.connectors, params={"filters": filters}, timeout=60)
            statuses.add(selected.status_code)

    workers = [threading.Thread(target=select, args=[worker]) for worker in range(4)]
    with Bystander(server) as bystander:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert statuses <= {200, 503}, statuses
    bystander.was_well(1)
    assert bystander.percentile(90) < 0.05, f"{bystander.percentile(90) * 1000:.0f} ms"


def on_one_core():
    """A server on one core, so it has one thread for requests."""
    limited()()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def test_each_request_counts_once_against_the_rate_limit(attacked):
    server = attacked(CONNECTORY_RATE_LIMIT="", prepare=None)
    server.kill()
    server.arguments = ("--rate-limit", "6/60s")
    server.start()
    session = server.session()
    asked = ["?limit=1", "?limit=1", "?limit=2", "/active-directory-ldap", "/active-directory-ldap", "?limit=1", "?limit=1"]
    statuses = [session.get(server.connectors + path, timeout=30).status_code for path in asked]
    assert statuses == [200] * 6 + [429]


# The log.


def flood(server, path, number):
    """Sends many requests over one connection, many at once, and returns the number of responses."""
    answered = 0
    one = request("GET", path)
    with connect(server.url, timeout=10) as connection:
        for _ in range(number // 20):
            connection.sendall(one * 20)
            reading = b""
            while reading.count(b"HTTP/1.1 ") < 20 or not reading.endswith(b"}"):
                try:
                    data = connection.recv(65_536)
                except TimeoutError:
                    return answered
                if not data:
                    return answered
                reading += data
            answered += 20
    return answered


def with_an_unread_log(attacked, *arguments):
    """A server whose standard error is not read, and the address of its metrics."""
    reading, writing = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "127.0.0.1:%d" % free.getsockname()[1]
    server = attacked("--metrics-listen", address, *arguments, stderr=writing)
    os.close(writing)
    return server, f"http://{address}/metrics", reading


def test_a_log_that_nobody_reads_does_not_stop_the_server(attacked):
    server, _, unread = with_an_unread_log(attacked)
    assert flood(server, "/nothing", 10_000) == 10_000
    assert requests.get(f"{server.url}/health/live", timeout=5).status_code == 200
    is_well(server)
    os.close(unread)


def test_what_the_log_has_no_room_for_is_dropped_and_counted(attacked):
    server, metrics, unread = with_an_unread_log(attacked, "--log", "debug")
    assert flood(server, "/health/live", 10_000) == 10_000
    counted = re.search(r"^connectory_log_lines_dropped_total (\d+)", requests.get(metrics, timeout=5).text, re.M)
    assert counted and int(counted[1]) > 0
    is_well(server)
    os.close(unread)


def test_the_log_has_a_sample_of_repeated_refusals(attacked):
    server = attacked()
    flood(server, "/nothing", 2000)
    time.sleep(1.1)
    flood(server, "/nothing", 20)
    time.sleep(0.2)
    lines = [line for line in server.log.splitlines() if "/nothing" in line]
    assert 5 <= len(lines) <= 500, f"{len(lines)} lines for 2,020 refusals"


def test_a_path_in_the_log_is_bounded(attacked):
    server = attacked()
    assert requests.get(f"{server.url}/{'x' * 30_000}", timeout=10).status_code == 404
    time.sleep(0.2)
    [line] = [line for line in server.log.splitlines() if "xxxx" in line]
    assert len(line) < 1000
