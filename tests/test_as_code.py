"""Connectors as code: a user's commands against a real server."""

import datetime
import http.server
import io
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import zipfile

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from conftest import ROOT, BINARY, connectory, environment

TARGET = BINARY.parent.parent


class Proxy:
    """A proxy in front of a service that fails when it is told to.

    `faults` has (a method and path, what to answer, how often). `lost` does what was asked, and then breaks the
    connection. `delays` has the seconds to wait before a method's answer, `before` and `after` what to do before a method is
    forwarded and after. `calls` has every call. While `hides`, the service seems to be one that cannot export and apply.
    `most` is how many changes it seems to make in one commit.
    """

    def __init__(self, target):
        self.target = target
        self.faults = []
        self.delays = {}
        self.before = {}
        self.after = {}
        self.calls = []
        self.hides = True
        self.most = None
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                call = f"{self.command} {self.path}"
                proxy.calls.append((call if self.path == "/oauth/token" else self.command, self.path))
                proxy.before.get(self.command, lambda: None)()
                fault = proxy.fault(call)
                if proxy.hides and self.path.startswith("/connectory/v1/"):
                    fault = 404
                if isinstance(fault, int):
                    status, headers, content = fault, {}, b'{"message": "faulty"}'
                else:
                    headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "accept-encoding")}
                    answered = requests.request(self.command, proxy.target + self.path, data=body, headers=headers, timeout=60)
                    status, headers, content = answered.status_code, answered.headers, answered.content
                    if self.path == "/connectory/v1" and (proxy.hides or proxy.most):
                        service = answered.json()
                        if proxy.hides:
                            service["capabilities"] = [c for c in service["capabilities"] if c not in ("export", "apply")]
                        service["limits"]["maxApplyLines"] = proxy.most
                        content = json.dumps(service).encode()
                proxy.after.get(self.command, lambda: None)()
                time.sleep(proxy.delays.get(self.command, 0))
                if fault == "lost":
                    self.connection.close()
                    self.close_connection = True
                    return
                self.send_response(status)
                for name in headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "content-encoding", "date"):
                        self.send_header(name, headers[name])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """A client that has gone is no error of the test."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def fault(self, call):
        for at, (wanted, fault, times) in enumerate(self.faults):
            if call == wanted and times > 0:
                self.faults[at] = (wanted, fault, times - 1)
                return fault
        return None


def behind_proxy(start, tmp_path, *arguments):
    """A server, a proxy in front of it, and a terminal that knows only the proxy."""
    server = start("--rate-limit", "off", *arguments, ephemeral=True)
    proxy = Proxy(server.url)
    return server, proxy, Terminal(tmp_path, **server.sail | {"SAIL_BASE_URL": proxy.url})


@pytest.fixture(params=["at once", "singly"])
def each_way(request, start, tmp_path):
    """A terminal for a service that makes several changes in one commit, and for one that takes only single calls."""
    _server, proxy, terminal = behind_proxy(start, tmp_path)
    proxy.hides = request.param == "singly"
    return terminal


def wait_until(condition, seconds=30):
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds
        time.sleep(0.01)


class Terminal:
    """Runs commands in a folder that is also the user's home."""

    def __init__(self, folder, **variables):
        self.folder = folder
        self.variables = variables | {"HOME": str(folder)}

    def run(self, *arguments, code=0, stdin=""):
        done = subprocess.run(
            [BINARY, *arguments], env=environment(**self.variables), cwd=self.folder, input=stdin, capture_output=True,
            text=True, timeout=300,
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        assert "panicked" not in done.stderr
        return done

    def write(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, path):
        return (self.folder / path).read_text()

    def tree(self, path):
        files = [file for file in (self.folder / path).rglob("*") if file.is_file()]
        return {str(file.relative_to(self.folder)): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


@pytest.fixture
def terminal(start, tmp_path):
    server = start("--rate-limit", "off", ephemeral=True)
    return Terminal(tmp_path, **server.sail)


FORM = """<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd" connectorName="{name}" name="{name}" type="SourceConfig">
    <Menu name="Connection" label="menuLabel_Connection">
        <Section name="Server" label="sectionLabel_Server">
            <Field name="host" displayName="Host" type="text" required="true"/>
        </Section>
    </Menu>
</Form>
"""


def changed(diff):
    """The lines of a diff that begin with a sign, without its file headers."""
    return [line for line in diff.splitlines() if re.match(r"[-+](?!--|\+\+)", line)]


def write_connector(terminal, folder, name, **members):
    yaml = "".join(f"{member}: {value}\n" for member, value in {"name": name, "className": "x.Y", **members}.items())
    terminal.write(f"{folder}/connector.yaml", yaml)
    terminal.write(f"{folder}/source-config.xml", FORM.format(name=name))
    terminal.write(f"{folder}/translations/en.properties", "menuLabel_Connection=Connection\nsectionLabel_Server=Server\n")


def test_a_label_is_changed_by_pull_plan_and_apply(terminal):
    terminal.run("connector", "create", "HR system", "--class-name", "x.Y")
    terminal.write("form.xml", FORM.format(name="HR system"))
    terminal.run("connector", "set-source-config", "hr-system", "form.xml")
    terminal.write("de.properties", "menuLabel_Connection=Verbindung\n")
    terminal.run("connector", "set-translations", "hr-system", "de", "de.properties")

    assert terminal.run("pull", "c").stdout == "pulled 1 connector, 5 files changed\n"
    before = terminal.tree("c")
    assert terminal.run("pull", "c").stdout == "pulled 1 connector, 0 files changed\n"
    assert terminal.tree("c") == before, "a second pull touches no file"
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")

    form = terminal.read("c/hr-system/source-config.xml")
    terminal.write("c/hr-system/source-config.xml", form.replace('"sectionLabel_Server"', '"sectionLabel_Host"'))
    plan = terminal.run("plan", "c", code=2).stdout
    assert changed(plan) == [
        '-        <Section name="Server" label="sectionLabel_Server">',
        '+        <Section name="Server" label="sectionLabel_Host">',
    ]
    assert plan.endswith("0 to create, 1 to change, 0 to delete\n")
    assert "\x1b" not in plan, "no colour where there is no terminal"
    refused = terminal.run("apply", "c", code=1)
    assert "give --yes" in refused.stderr
    assert "created 0, changed 1, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")
    assert "sectionLabel_Host" in terminal.run("connector", "get-source-config", "hr-system").stdout


def test_broken_xml_ends_at_lint_and_nothing_is_sent(terminal):
    write_connector(terminal, "c/good", "Good")
    write_connector(terminal, "c/bad", "Bad")
    terminal.write("c/bad/source-config.xml", FORM.format(name="Bad").replace("</Section>", "</Sektion>"))
    lint = terminal.run("lint", "c", code=1).stdout
    assert "error[malformed-xml]" in lint and "c/bad/source-config.xml:5:9" in lint
    assert re.search(r"5 \|         </Sektion>\n.*\|         \^{10}\n", lint), lint
    for command in [["plan", "c"], ["apply", "c", "--yes"], ["import", "c", "--yes"]]:
        refused = terminal.run(*command, code=1)
        assert "</Sektion>" in refused.stdout and "nothing was sent" in refused.stderr
    assert terminal.run("connector", "list", "--custom", "--count").stdout == "0\n"


def test_creating_changing_and_pruning(each_way):
    terminal = each_way
    write_connector(terminal, "c/a", "A", connectorMetadata="{category: HR}")
    write_connector(terminal, "c/b", "B", status="DEVELOPMENT", directConnect="false")
    plan = terminal.run("plan", "c", code=2).stdout
    assert plan.startswith(f"{terminal.variables['SAIL_BASE_URL']}: 2 to create, 0 to change, 0 to delete\n")
    assert "\ncreate a\n  connector.yaml              +7\n" in plan and "<Menu name=" not in plan, plan
    plan = terminal.run("plan", "c", "--verbose", code=2).stdout
    assert "create a\n--- /dev/null\n+++ a/connector.yaml\n" in plan and "\n+    <Menu name=" in plan
    assert "created 2, changed 0, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")
    b = json.loads(terminal.run("connector", "get", "b", "--output", "json").stdout)
    assert (b["status"], b["directConnect"], b["sourceConfigXml"]) == ("DEVELOPMENT", False, FORM.format(name="B"))

    # A locale and metadata that the folder no longer has are removed. A document that the folder lacks stays.
    write_connector(terminal, "c/a", "A")
    (terminal.folder / "c/a/translations/en.properties").unlink()
    (terminal.folder / "c/a/source-config.xml").unlink()
    assert changed(terminal.run("plan", "c", code=2).stdout) == [
        "-connectorMetadata:", "-  category: HR", "-menuLabel_Connection=Connection", "-sectionLabel_Server=Server",
    ]
    terminal.run("apply", "c", "--yes")
    a = json.loads(terminal.run("connector", "get", "a", "--output", "json").stdout)
    assert (a["connectorMetadata"], a["translationProperties"]) == ({}, {})
    assert a["sourceConfigXml"] == FORM.format(name="A")

    shutil.rmtree(terminal.folder / "c/b")
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n"), "only --prune deletes"
    assert terminal.run("plan", "c", "--prune", code=2).stdout.endswith("0 to create, 0 to change, 1 to delete\n")
    terminal.run("apply", "c", "--prune", "--yes")
    terminal.run("connector", "get", "b", code=1)


def test_replacing_where_a_member_cannot_be_changed(start, tmp_path):
    _server, _proxy, terminal = behind_proxy(start, tmp_path)
    write_connector(terminal, "c/a", "A")
    terminal.run("apply", "c", "--yes")
    write_connector(terminal, "c/a", "A", className="x.Z")
    plan = terminal.run("plan", "c", code=2).stdout
    assert "replace a: className cannot be changed, so it is deleted and created again" in plan
    assert plan.endswith("0 to create, 0 to change, 0 to delete, 1 to replace\n")
    refused = terminal.run("apply", "c", "--yes", code=1)
    assert "give --replace" in refused.stderr
    assert terminal.run("apply", "c", "--yes", "--replace").stdout.endswith(", replaced 1\n")
    assert json.loads(terminal.run("connector", "get", "a", "-o", "json").stdout)["className"] == "x.Z"
    # Another name would give another script name, and leave the folder without its connector.
    write_connector(terminal, "c/a", "Other", className="x.Z")
    assert "the script name other; rename the folder to that" in terminal.run("apply", "c", "--yes", "--replace", code=1).stderr
    terminal.run("connector", "get", "a")


def test_logins_at_the_same_time_lose_nothing(start, tmp_path):
    server = start("--rate-limit", "off", ephemeral=True)
    terminal = Terminal(tmp_path, SAIL_CLIENT_SECRET=server.secret)
    names = [f"e{n}" for n in range(8)]
    arguments = ["--base-url", server.url, "--client-id", server.client_id]
    logins = [
        subprocess.Popen([BINARY, "login", name, *arguments], env=environment(**terminal.variables), stdout=subprocess.DEVNULL)
        for name in names
    ]
    assert [login.wait(timeout=60) for login in logins] == [0] * len(names)
    assert [environment["name"] for environment in json.loads(terminal.run("env", "list", "-o", "json").stdout)] == names


def test_what_the_server_would_refuse_is_told_by_plan_and_nothing_is_sent(start, tmp_path):
    server, proxy, terminal = behind_proxy(start, tmp_path, "--max-document", "100000")
    terminal.run("connector", "create", "Taken", "--class-name", "x.Y")
    proxy.calls.clear()
    write_connector(terminal, "c/a", "A")
    write_connector(terminal, "c/mine", "Jdbc")
    write_connector(terminal, "c/other", "TAKEN")
    write_connector(terminal, "c/wrong", "Right")
    write_connector(terminal, "c/old", "Old", status="DEPRECATED")
    write_connector(terminal, "c/large", "Large")
    terminal.write("c/large/source-config.xml", FORM.format(name="Large") + f"<!-- {'x' * 100_000} -->")
    for command in [["plan", "c"], ["apply", "c", "--yes"], ["import", "c", "--yes"]]:
        refused = terminal.run(*command, code=1).stderr
        assert re.findall(r"^  (.*)", refused, re.M) == [
            f"large: source-config.xml has {len(terminal.read('c/large/source-config.xml'))} bytes; the server takes 100000",
            "mine: `Jdbc` is the name of the connector jdbc already; rename the folder to `jdbc` to change it",
            "old: `status` is DEPRECATED; a new connector is DEVELOPMENT, DEMO or RELEASED",
            "other: `TAKEN` is the name of the connector taken already; rename the folder to `taken` to change it",
            "wrong: the server gives `Right` the script name right; rename the folder to that, and change the sources that refer to wrong",
        ], refused
        assert "nothing was changed" in refused and "again" not in refused
    assert {method for method, _ in proxy.calls} <= {"GET", "POST /oauth/token"}
    # The folder of a second connector whose name gives the same script name.
    shutil.rmtree(terminal.folder / "c")
    write_connector(terminal, "c/taken-2", "Taken!")
    assert "created 1, changed 0, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout
    assert "built-in connector" in _plan_of_built_in(terminal)


def test_an_interrupted_create_is_completed_by_the_next_apply(terminal):
    terminal.run("connector", "create", "Third", "--class-name", "x.Y")
    write_connector(terminal, "c/third", "Third")
    assert "created 0, changed 1, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")


def put_back(stderr):
    """The arguments of the command that puts back what was there."""
    [command] = re.findall(r"this puts it back: connectory (.*)", stderr)
    return [*command.split(), "--yes"]


def test_a_replacement_that_cannot_succeed_deletes_nothing(start, tmp_path):
    server, proxy, terminal = behind_proxy(start, tmp_path)
    write_connector(terminal, "c/a", "A")
    terminal.run("apply", "c", "--yes")
    before = terminal.run("export").stdout
    write_connector(terminal, "c/a", "A", status="DEPRECATED")
    assert "warning[status]" in terminal.run("lint", "c").stdout
    proxy.calls.clear()
    refused = terminal.run("apply", "c", "--yes", "--replace", code=1).stderr
    assert "a: `status` is DEPRECATED; a new connector is DEVELOPMENT, DEMO or RELEASED" in refused
    assert {method for method, _ in proxy.calls} == {"GET", "POST /oauth/token"}
    assert terminal.run("export").stdout == before

    # Everything was foreseen, and it fails all the same.
    write_connector(terminal, "c/a", "A", className="x.Z")
    proxy.faults = [("POST /v2025/connectors", 403, 1)]
    failed = terminal.run("apply", "c", "--yes", "--replace", code=1)
    assert failed.stdout.endswith("\ncreated 0, changed 0, deleted 0\n")
    assert "a: the service answered 403 Forbidden: faulty; what was there was put back\n" in failed.stderr
    assert "run the command again" not in failed.stderr.lower()
    assert terminal.run("export").stdout == before

    # The translations of the new one are refused: nothing half made stays.
    proxy.faults = [("PUT /v2025/connectors/a/translations/en", 403, 1)]
    failed = terminal.run("apply", "c", "--yes", "--replace", code=1).stderr
    assert "what was created of it was deleted again; what was there was put back" in failed
    assert terminal.run("export").stdout == before

    # What was there cannot be put back either. The tally says so, and the printed command brings it back.
    proxy.faults = [("POST /v2025/connectors", 500, 2)]
    failed = terminal.run("apply", "c", "--yes", "--replace", code=1)
    assert failed.stdout.endswith("\ncreated 0, changed 0, deleted 1\n")
    assert "what was there is deleted, and could not be put back whole: the service answered 500" in failed.stderr
    # Another run would create it without the documents that only the server had.
    assert failed.stderr.endswith("\nPut that back first. Then run the command again.\n")
    first, last = failed.stderr.split("error:")
    terminal.run(*put_back(last))
    assert put_back(first) == put_back(last), "it was told before the first change, too"
    assert terminal.run("export").stdout == before
    # A part cannot be put back: all the rest is.
    proxy.faults = [("PUT /v2025/connectors/a/translations/en", 403, 2)]
    failed = terminal.run("apply", "c", "--yes", "--replace", code=1)
    assert failed.stdout.endswith("\ncreated 0, changed 0, deleted 0, replaced 1\n")
    assert "the rest of it was put back" in failed.stderr
    whole, part = json.loads(before)[0], json.loads(terminal.run("export").stdout)[0]
    assert (part["translationProperties"], part["sourceConfigXml"]) == ({}, whole["sourceConfigXml"])
    terminal.run(*put_back(failed.stderr.split("error:")[1]))
    assert terminal.run("export").stdout == before
    assert terminal.run("apply", "c", "--yes", "--replace").stdout.endswith(", replaced 1\n")
    terminal.run(*put_back(first))
    assert terminal.run("export").stdout == before


def test_a_connector_is_created_and_changed_wholly_or_not_at_all(start, tmp_path):
    server, proxy, terminal = behind_proxy(start, tmp_path)
    write_connector(terminal, "c/a", "A")
    write_connector(terminal, "c/b", "B")
    for fault in ["PATCH /v2025/connectors/a", "PUT /v2025/connectors/a/translations/en"]:
        proxy.faults = [(fault, 403, 1)]
        failed = terminal.run("apply", "c", "--yes", code=1)
        assert "created 1, changed 0, deleted 0\n" in failed.stdout or "created 0" in failed.stdout
        assert "a: " in failed.stderr and "what was created of it was deleted again" in failed.stderr
        assert "again to go on" not in failed.stderr, "403 stays"
        terminal.run("connector", "get", "a", code=1)
    # The half-made connector cannot be deleted again.
    proxy.faults = [("PATCH /v2025/connectors/a", 500, 2), ("DELETE /v2025/connectors/a", 500, 1)]
    failed = terminal.run("apply", "c", "--yes", code=1)
    assert "created 1, changed 0, deleted 0\n" in failed.stdout
    assert "a part of it was created, and was not deleted again" in failed.stderr
    assert "Run the command again to go on." in failed.stderr
    assert "created 0, changed 1, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout

    # Answers that are lost.
    write_connector(terminal, "c/d", "D")
    for fault in ["POST /v2025/connectors", "PATCH /v2025/connectors/d", "DELETE /v2025/connectors/d"]:
        proxy.faults = [(fault, "lost", 1)]
        assert "created 1, changed 0, deleted 0\n" in terminal.run("apply", "c", "--yes", "--replace").stdout
        assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")
        shutil.move(terminal.folder / "c/d", terminal.folder / "d")
        assert "created 0, changed 0, deleted 1\n" in terminal.run("apply", "c", "--yes", "--prune").stdout
        shutil.move(terminal.folder / "d", terminal.folder / "c/d")

    # A change whose second half is refused.
    before = terminal.run("export").stdout
    write_connector(terminal, "c/a", "A", connectorMetadata="{x: 1}")
    terminal.write("c/a/translations/en.properties", "menuLabel_Connection=Other\nsectionLabel_Server=Server\n")
    proxy.faults = [("PUT /v2025/connectors/a/translations/en", 403, 1), ("POST /v2025/connectors", 403, 1)]
    failed = terminal.run("apply", "c", "--yes", code=1)
    assert "created 0, changed 0, deleted 0\n" in failed.stdout
    assert "a: the service answered 403 Forbidden: faulty; what was there was put back" in failed.stderr
    assert terminal.run("export").stdout == before


def test_what_was_there_is_saved_or_nothing_is_done(terminal):
    write_connector(terminal, "c/a", "A")
    terminal.run("apply", "c", "--yes")
    saved = terminal.folder / ".local/state/connectory/before"
    assert not saved.exists(), "nothing was there"
    for n in range(25):
        write_connector(terminal, "c/a", "A", connectorMetadata=f"{{n: {n}}}")
        told = terminal.run("apply", "c", "--yes").stderr
        assert "this puts it back: connectory import --replace" in told and told.count("\n") == 1
    assert len(list(saved.iterdir())) == 20
    shutil.rmtree(saved)
    saved.write_text("a file in the way")
    write_connector(terminal, "c/a", "A")
    refused = terminal.run("apply", "c", "--yes", code=1).stderr
    assert "nothing was changed" in refused and "--backup FILE" in refused and str(saved) in refused
    terminal.run("apply", "c", "--yes", "--backup", "before.json")
    saved = terminal.read("before.json")
    assert json.loads(saved)[0]["connectorMetadata"] == {"n": 24}
    write_connector(terminal, "c/a", "A", connectorMetadata="{x: 1}")
    refused = terminal.run("apply", "c", "--yes", "--backup", "before.json", code=1).stderr
    assert "nothing was changed" in refused and terminal.read("before.json") == saved, "what was saved is never overwritten"
    assert "1 to change" in terminal.run("plan", "c", code=2).stdout


def test_a_part_of_a_connector_is_not_imported(terminal):
    write_connector(terminal, "c/a", "A", connectorMetadata="{x: 1}")
    terminal.run("apply", "c", "--yes")
    before = terminal.run("export").stdout
    terminal.write("list.json", terminal.run("connector", "list", "--custom", "--output", "json").stdout)
    terminal.write("misspelt.json", before.replace("translationProperties", "translationPropertie"))
    for file in ["list.json", "misspelt.json"]:
        refused = terminal.run("import", file, "--yes", code=1).stderr
        assert "is missing; a whole connector is wanted, as `connectory export` writes it" in refused
    assert terminal.run("export").stdout == before


def test_nothing_is_deleted_after_a_failure(start, tmp_path):
    server, proxy, terminal = behind_proxy(start, tmp_path)
    write_connector(terminal, "c/old", "Old")
    terminal.run("apply", "c", "--yes")
    shutil.rmtree(terminal.folder / "c/old")
    write_connector(terminal, "c/new", "New")
    proxy.faults = [("POST /v2025/connectors", 403, 1)]
    failed = terminal.run("apply", "c", "--yes", "--prune", code=1)
    assert "created 0, changed 0, deleted 0\n" in failed.stdout
    assert "not begun, because nothing is replaced or deleted after a failure: old" in failed.stderr
    assert "created 1, changed 0, deleted 1\n" in terminal.run("apply", "c", "--yes", "--prune").stdout


def test_a_tally_says_no_more_than_is_known(start, tmp_path):
    server, proxy, terminal = behind_proxy(start, tmp_path)
    write_connector(terminal, "c/a", "A")
    terminal.run("apply", "c", "--yes")
    # Somebody else writes between the last look and the patch.
    write_connector(terminal, "c/a", "A", connectorMetadata="{x: 1}")
    patch = [{"op": "add", "path": "/connectorMetadata/y", "value": 2}]
    patched = {"Authorization": f"Bearer {server.token()}", "Content-Type": "application/json-patch+json"}
    proxy.before = {"PATCH": lambda: requests.patch(f"{server.connectors}/a", json=patch, headers=patched, timeout=30)}
    failed = terminal.run("apply", "c", "--yes", code=1)
    assert "created 0, changed 0, deleted 0\n" in failed.stdout
    assert "a: it was changed on the server since the plan was made\n" in failed.stderr
    assert failed.stderr.endswith("\n`connectory pull` fetches what others changed; then plan again.\n")
    assert "puts it back" not in failed.stderr, "that would undo what the other changed"
    proxy.before = {}
    terminal.run("apply", "c", "--yes")
    # The answer to a deletion is lost, and then the service is.
    write_connector(terminal, "c/a", "A", className="x.Z")
    proxy.faults = [("DELETE /v2025/connectors/a", "lost", 9)]
    proxy.after = {"DELETE": lambda: proxy.faults.append(("GET /v2025/connectors/a", 500, 9))}
    failed = terminal.run("apply", "c", "--yes", "--replace", code=1)
    assert "whether it was deleted is not known" in failed.stderr
    assert failed.stderr.endswith("Put that back first. Then run the command again.\n")


def test_a_command_goes_on_without_readers(terminal):
    def run(command):
        return subprocess.run(["sh", "-c", command], env=environment(**terminal.variables, B=str(BINARY)), cwd=terminal.folder).returncode

    write_connector(terminal, "c/a", "A")
    bash = ["bash", "-o", "pipefail", "-c", '"$B" plan c | true']
    piped = subprocess.run(bash, env=environment(**terminal.variables, B=str(BINARY)), cwd=terminal.folder).returncode
    assert piped == 2, "something differs, whoever reads it"
    assert run('"$B" apply c --yes >&- 2>&-') in (0, 1)
    terminal.run("connector", "get", "a")
    write_connector(terminal, "c/a", "A", connectorMetadata="{x: 1}")
    assert run('"$B" apply c --yes >/dev/full 2>/dev/full') == 1, "the output is lost, and nothing else"
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_apply_finishes_what_is_under_way_and_says_what_was_done(start, tmp_path, signal_):
    server, proxy, terminal = behind_proxy(start, tmp_path)
    for n in range(30):
        write_connector(terminal, f"c/c-{n:02}", f"C {n:02}")
    proxy.delays = {"PUT": 1}

    def apply():
        process = subprocess.Popen(
            [BINARY, "apply", "c", "--yes"], env=environment(**terminal.variables), cwd=terminal.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        seen = len(proxy.calls)
        wait_until(lambda: any(method == "PUT" for method, _ in proxy.calls[seen:]))
        process.send_signal(signal_)
        return process

    stdout, stderr = (process := apply()).communicate(timeout=60)
    assert process.returncode == 1
    proxy.delays = {}
    listed = [item["scriptName"] for item in json.loads(terminal.run("connector", "list", "--custom", "-o", "json").stdout)]
    assert 0 < len(listed) < 30
    assert stdout.endswith(f"created {len(listed)}, changed 0, deleted 0\n")
    assert "Finishing the" in stderr and "not begun, because interrupted: c-" in stderr
    assert "Run the command again to go on." in stderr
    # Each is complete.
    assert terminal.run("plan", "c", code=2).stdout.endswith(f"{30 - len(listed)} to create, 0 to change, 0 to delete\n")

    # The second signal ends it at once.
    proxy.delays = {"PUT": 20}
    process = apply()
    while "Finishing" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal_)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 1 and "stopped in the middle of c-" in stderr
    proxy.delays = {}
    terminal.run("apply", "c", "--yes")
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")


def test_large_documents_fit_into_requests(start, tmp_path):
    server, proxy, terminal = behind_proxy(start, tmp_path, "--max-request", "600000")
    # Documents that fit into a request alone, and not together. With the text before, the second fits into none.
    write_connector(terminal, "c/a", "A")
    sizes = {"source-config": 250_000, "source-template": 400_000, "correlation-config": 250_000}
    roots = {"source-template": "Application", "correlation-config": "CorrelationConfig"}
    for file, size in sizes.items():
        text = f'<{roots[file]} name="A"/>\n' if file in roots else FORM.format(name="A")
        terminal.write(f"c/a/{file}.xml", text + f"<!-- {'x' * size} -->\n")
    assert "created 1, changed 0, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")
    for file in sizes:
        terminal.write(f"c/a/{file}.xml", terminal.read(f"c/a/{file}.xml").replace("xxx -->", "yyy -->"))
    proxy.calls.clear()
    assert "created 0, changed 1, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout
    assert [method for method, _ in proxy.calls if method in ("PATCH", "PUT")] == ["PATCH", "PATCH", "PUT"]
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")


def test_pull_keeps_what_was_edited_and_tells_it(terminal):
    write_connector(terminal, "c/a", "A")
    write_connector(terminal, "c/b", "B")
    terminal.run("apply", "c", "--yes")
    terminal.run("pull", "d")
    terminal.write("d/a/source-config.xml", FORM.format(name="A").replace("Host", "Mine"))
    terminal.write("d/a/translations/de.properties", "menuLabel_Connection=Verbindung\n")
    terminal.run("connector", "set-source-config", "a", "-", stdin=FORM.format(name="A").replace("Host", "Theirs"))
    terminal.run("connector", "set-source-config", "b", "-", stdin=FORM.format(name="B").replace("Host", "Theirs"))
    pulled = terminal.run("pull", "d")
    assert pulled.stdout == "pulled 2 connectors, 1 file changed\n"
    assert "warning: 2 paths changed here since the last pull, and kept" in pulled.stderr
    assert pulled.stderr.splitlines()[1:] == ["  a/source-config.xml", "  a/translations/de.properties (not on the server)"]
    assert "Mine" in terminal.read("d/a/source-config.xml") and "Theirs" in terminal.read("d/b/source-config.xml")
    forced = terminal.run("pull", "d", "--force", "--quiet")
    assert (forced.stdout, forced.stderr) == ("", "")
    assert "Theirs" in terminal.read("d/a/source-config.xml")
    assert not (terminal.folder / "d/a/translations/de.properties").exists()
    terminal.run("connector", "delete", "b", "--yes")
    shutil.rmtree(terminal.folder / "d/a")
    told = terminal.run("pull", "d").stderr
    assert "1 path changed here since the last pull" in told and "\n  a (deleted here)\n" in told
    assert "1 path here, and not on the server any more" in told and told.endswith("\n  b\n")
    assert terminal.run("pull", "d", "a").stdout.startswith("pulled 1 connector, ")
    assert "d/a is a connector folder" in terminal.run("pull", "d/a", "a", code=1).stderr


def test_what_is_not_utf8_keeps_its_bytes_on_every_way(terminal):
    write_connector(terminal, "c/a", "A")
    files = {
        "correlation-config.xml": "<?xml version='1.0' encoding='ISO-8859-1'?>\n<CorrelationConfig name='Größe'/>\n",
        "translations/de.properties": "menuLabel_Connection=Größe\n",
    }
    for name, text in files.items():
        (terminal.folder / "c/a" / name).parent.mkdir(exist_ok=True)
        (terminal.folder / "c/a" / name).write_bytes(text.encode("latin-1"))
    terminal.run("apply", "c", "--yes")
    terminal.run("pull", "whole")
    terminal.run("pull", "named", "a")
    terminal.run("clone", "a", "B")
    terminal.run("pull", "cloned", "b")
    for folder in "whole/a", "named/a", "cloned/b":
        for name, text in files.items():
            assert (terminal.folder / folder / name).read_bytes() == text.encode("latin-1"), (folder, name)
    assert "0 to create, 0 to change, 0 to delete" in terminal.run("plan", "whole").stdout


def test_a_zip_file_of_the_server_is_a_folder_for_every_command(terminal):
    write_connector(terminal, "c/a", "A", status="DEMO")
    write_connector(terminal, "c/gr%c3%b6%c3%9fe", "Größe")
    latin1 = "<?xml version='1.0' encoding='ISO-8859-1'?>\n<CorrelationConfig name='Größe'/>\n".encode("latin-1")
    (terminal.folder / "c/a/correlation-config.xml").write_bytes(latin1)
    terminal.run("apply", "c", "--yes")
    base = terminal.variables["SAIL_BASE_URL"]
    token = requests.post(f"{base}/oauth/token", data={
        "grant_type": "client_credentials", "client_id": terminal.variables["SAIL_CLIENT_ID"],
        "client_secret": terminal.variables["SAIL_CLIENT_SECRET"],
    }, timeout=30).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    def exported(query=""):
        answer = requests.get(f"{base}/connectory/v1/connectors{query}", headers=headers | {"Accept": "application/zip"}, timeout=30)
        assert answer.ok and answer.headers["Content-Type"] == "application/zip", answer.text
        return answer.content

    zipped = exported()
    assert exported() == zipped, "the same connectors have the same bytes"
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        archive.extractall(terminal.folder / "unpacked")
    assert sorted(os.listdir(terminal.folder / "unpacked")) == ["a", "gr%c3%b6%c3%9fe"]
    assert (terminal.folder / "unpacked/a/correlation-config.xml").read_bytes() == latin1
    terminal.run("lint", "unpacked")
    assert terminal.run("plan", "unpacked").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")
    assert "0 to create, 0 to change, 0 to delete" in terminal.run("apply", "unpacked", "--yes").stdout

    # A server that has none of them gets them by one request, and a pull finds them as they were.
    before = terminal.run("export").stdout
    for name in "a", "größe":
        terminal.run("connector", "delete", name, "--yes")
    answer = requests.post(f"{base}/connectory/v1/import", data=zipped, headers=headers | {"Content-Type": "application/zip"}, timeout=30)
    assert answer.json()["created"] == 2, answer.text
    assert terminal.run("export").stdout == before
    terminal.run("apply", "unpacked", "--yes")
    with zipfile.ZipFile(io.BytesIO(exported("?custom=false"))) as archive:
        archive.extractall(terminal.folder / "built-in")
    assert terminal.run("plan", "built-in").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")


def test_a_pull_removes_the_folders_of_deleted_connectors_on_demand(terminal):
    for name in "abcd":
        write_connector(terminal, f"c/{name}", name.upper())
    terminal.run("apply", "c", "--yes")
    terminal.run("pull", "d")
    terminal.run("pull", "d", "jdbc")
    for name in "bcd":
        terminal.run("connector", "delete", name, "--yes")
    terminal.write("d/c/source-config.xml", FORM.format(name="C").replace("Host", "Mine"))
    terminal.write("d/d/README.md", "notes")
    write_connector(terminal, "d/new", "New")
    before = terminal.tree("d")
    told = terminal.run("pull", "d").stderr
    assert "3 paths here, and not on the server any more; `--prune` removes them" in told and told.endswith("\n  b\n  c\n  d\n")
    assert terminal.tree("d") == before, "nothing is removed without --prune"
    for more in [["a"], ["--filter", 'name sw "A"']]:
        assert "--prune' cannot be used with" in terminal.run("pull", "d", "--prune", *more, code=1).stderr

    pulled = terminal.run("pull", "d", "--prune")
    assert pulled.stdout == "pulled 1 connector, 10 files changed, 2 folders removed\n"
    assert pulled.stderr.splitlines() == [
        "warning: 1 path changed here since the last pull, of connectors that are not on the server any more; "
        "their folders stay, and `--force` removes them:", "  c/source-config.xml",
        "warning: 1 path in removed folders, and kept, because they are no files of a connector:", "  d/README.md",
    ]
    assert set(os.listdir(terminal.folder / "d")) == {".connectory.json", ".gitattributes", "a", "c", "d", "jdbc", "new"}
    assert set(os.listdir(terminal.folder / "d/d")) == {"README.md"}
    assert len(os.listdir(terminal.folder / "d/c")) == 5, "half a connector would be of no use"
    forced = terminal.run("pull", "d", "--prune", "--force")
    assert (forced.stdout, forced.stderr) == ("pulled 1 connector, 5 files changed, 1 folder removed\n", "")
    assert not (terminal.folder / "d/c").exists()
    assert terminal.run("plan", "d", code=2).stdout.endswith("1 to create, 0 to change, 0 to delete\n"), "new, and nothing else"


def test_two_people_do_not_undo_each_others_changes_without_a_word(terminal):
    write_connector(terminal, "c/a", "A")
    write_connector(terminal, "c/b", "B")
    terminal.run("apply", "c", "--yes")
    shutil.copytree(terminal.folder / "c", terminal.folder / "d")
    # One changes a, the other b.
    terminal.write("c/a/source-config.xml", FORM.format(name="A").replace("Host", "Theirs"))
    assert "changed on the server" not in terminal.run("apply", "c", "--yes").stderr
    terminal.write("d/b/source-config.xml", FORM.format(name="B").replace("Host", "Mine"))
    warned = terminal.run("plan", "d", code=2).stderr
    assert "a changed on the server since the last pull, and not here: source-config.xml" in warned and "b changed" not in warned
    # Besides, the pull writes the two documents of each connector that the server made.
    assert terminal.run("pull", "d").stdout == "pulled 2 connectors, 5 files changed\n"
    assert "Theirs" in terminal.read("d/a/source-config.xml") and "Mine" in terminal.read("d/b/source-config.xml")
    assert "created 0, changed 1, deleted 0\n" in terminal.run("apply", "d", "--yes").stdout
    # What one has applied is no edit any more, so a later change of the other is taken.
    terminal.write("d/a/source-config.xml", FORM.format(name="A").replace("Host", "Later"))
    terminal.run("apply", "d/a", "--yes")
    pulled = terminal.run("pull", "c")
    assert (pulled.stdout, pulled.stderr) == ("pulled 2 connectors, 6 files changed\n", "")
    assert "Later" in terminal.read("c/a/source-config.xml") and "Mine" in terminal.read("c/b/source-config.xml")


def test_connectors_of_one_script_name_with_numbers_are_created_in_order_and_replaced_only_if_they_come_back(start, tmp_path):
    _server, _proxy, terminal = behind_proxy(start, tmp_path)
    names = {"hr-system": "HR System", "hr-system-2": "HR-System", "hr-system-3": "HR--System"}
    for folder, name in names.items():
        write_connector(terminal, f"c/{folder}", name)
    assert "created 3, changed 0, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout
    terminal.run("export", "all.json")
    for folder, name in names.items():
        write_connector(terminal, f"c/{folder}", name, className="x.Z")
    assert terminal.run("apply", "c", "--yes", "--replace").stdout.endswith(", replaced 3\n")
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")
    # Everything comes back from one file.
    for name in names:
        terminal.run("connector", "delete", name, "--yes")
    terminal.run("import", "all.json", "--yes")
    assert {c["scriptName"] for c in json.loads(terminal.run("export").stdout)} == set(names)
    # Without the first, the second would come back under its name.
    terminal.run("connector", "delete", "hr-system", "--yes")
    shutil.rmtree(terminal.folder / "c/hr-system")
    before = terminal.run("export").stdout
    refused = terminal.run("apply", "c", "--yes", "--replace", code=1).stderr
    assert "hr-system-2: the server gives `HR-System` the script name hr-system; rename the folder to that" in refused
    assert terminal.run("export").stdout == before


def test_prune_spares_what_pull_cannot_write(terminal):
    long = "A" * 90
    terminal.run("connector", "create", "A", "--class-name", "x.Y")
    [whole] = json.loads(terminal.run("export").stdout)
    terminal.write("i.json", json.dumps([whole | {"name": long, "scriptName": long}]))
    terminal.run("import", "i.json", "--yes")
    assert "it is left out" in terminal.run("pull", "d").stderr
    # A folder may have a name that is nearly that of a file.
    write_connector(terminal, "d/lint-toml", "Lint.toml")
    applied = terminal.run("apply", "d", "--prune", "--yes")
    assert "created 1, changed 0, deleted 0" in applied.stdout and "it is left out" in applied.stderr
    assert terminal.run("connector", "get", long).stdout
    assert "a value is required" in terminal.run("connector", "get", "", code=1).stderr
    assert "an argument is empty" in terminal.run("diff", "", "lint-toml", code=1).stderr


def test_prune_refuses_to_delete_what_is_there_in_another_form(terminal):
    write_connector(terminal, "c/a", "A")
    write_connector(terminal, "c/b", "B")
    terminal.run("apply", "c", "--yes")
    shutil.move(terminal.folder / "c/b", terminal.folder / "b")
    places = ["c/.b", "c/a/notes/old/b"]
    for place in places:
        shutil.copytree(terminal.folder / "b", terminal.folder / place)
        for command in [["plan", "c", "--prune"], ["apply", "c", "--prune", "--yes"]]:
            assert f"--prune would delete b, and {place} is there" in terminal.run(*command, code=1).stderr.replace(".b,", "b,")
        shutil.rmtree(terminal.folder / place)
    shutil.rmtree(terminal.folder / "c/a/notes")
    terminal.write("c/b", "../elsewhere/b")
    assert "and c/b is there" in terminal.run("apply", "c", "--prune", "--yes", code=1).stderr
    terminal.run("connector", "get", "b")
    (terminal.folder / "c/b").unlink()
    assert "created 0, changed 0, deleted 1\n" in terminal.run("apply", "c", "--prune", "--yes").stdout


def _plan_of_built_in(terminal):
    terminal.run("pull", "built-in", "jdbc")
    terminal.run("plan", "built-in")
    yaml = terminal.read("built-in/jdbc/connector.yaml")
    terminal.write("built-in/jdbc/connector.yaml", yaml.replace("category: Database", "category: Other"))
    return terminal.run("plan", "built-in", code=1).stderr


def test_apply_refuses_what_changed_since_the_plan(terminal):
    write_connector(terminal, "c/a", "A")
    terminal.run("apply", "c", "--yes")
    write_connector(terminal, "c/a", "A", connectorMetadata="{x: 1}")
    # The command runs in a terminal, so it asks. The answer is given after another user's change.
    import pty
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [BINARY, "apply", "c"], env=environment(**terminal.variables), cwd=terminal.folder, stdin=child,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    while "to delete" not in process.stdout.readline():
        assert process.poll() is None
    terminal.write("patch.json", json.dumps([{"op": "add", "path": "/connectorMetadata/y", "value": 2}]))
    terminal.run("connector", "patch", "a", "patch.json")
    os.write(parent, b"y\n")
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1 and "a: someone else changed it in revision 2, after revision 1" in stderr, stderr
    assert json.loads(terminal.run("connector", "get", "a", "-o", "json").stdout)["connectorMetadata"] == {"y": 2}


def test_a_certificate_of_an_unknown_issuer_is_refused_at_once(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test of connectory")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(1))
        .not_valid_after(now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM) + key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service = {"SAIL_BASE_URL": f"https://localhost:{server.server_port}", "SAIL_CLIENT_ID": "i", "SAIL_CLIENT_SECRET": "s"}
    try:
        refused = Terminal(tmp_path, **service).run("connector", "list", code=1).stderr
        assert "does not trust the issuer of the server's certificate" in refused and "trying again" not in refused, refused
        # The server knows no POST.
        trusted = Terminal(tmp_path, **service, SSL_CERT_FILE=str(pem)).run("connector", "list", code=1).stderr
        assert "the service answered 501" in trusted, trusted
    finally:
        server.shutdown()


class Tunnels:
    """A proxy that opens tunnels (CONNECT) to this machine, whatever the host's name, and forwards plain requests. It refuses all
    with `refusal`, if there is one. `asked` has each host, or address of a plain request."""

    def __init__(self, refusal=None):
        self.asked = []
        tunnels = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self):
                tunnels.asked.append(self.path)
                if refusal:
                    self.send_error(refusal)
                    return
                with socket.create_connection(("127.0.0.1", int(self.path.rsplit(":", 1)[1]))) as service:
                    self.send_response(200)
                    self.end_headers()
                    back = threading.Thread(target=copy, args=(service, self.connection), daemon=True)
                    back.start()
                    copy(self.connection, service)
                    back.join()

            def forward(self):
                tunnels.asked.append(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                port, path = re.fullmatch(r"http://service\.internal:([0-9]+)(/.*)", self.path).groups()
                headers = {name: self.headers[name] for name in ["Content-Type", "Authorization"] if name in self.headers}
                answered = requests.request(self.command, f"http://127.0.0.1:{port}{path}", data=body, headers=headers, timeout=60)
                self.send_response(answered.status_code)
                self.send_header("Content-Length", str(len(answered.content)))
                self.end_headers()
                self.wfile.write(answered.content)

            do_GET = do_POST = forward

            def log_message(self, *_):
                pass

        def copy(source, target):
            try:
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def small_service(tls=None):
    """A service that issues tokens and lists nothing, and the calls that it gets."""
    calls = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            calls.append(self.path.split("?")[0])
            body = b'{"access_token": "t"}' if self.path == "/oauth/token" else b"[]"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port, calls


def private_ca(folder, host):
    """A certificate authority of its own, in a file, and TLS with a certificate of it for a host."""
    now = datetime.datetime.now(datetime.UTC)

    def certificate(name, public, issuer, key, *extensions):
        builder = (
            x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(1))
            .not_valid_after(now + datetime.timedelta(1))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca, pem = folder / "ca.pem", folder / "service.pem"
    ca.write_bytes(certificate("a private CA", ca_key.public_key(), "a private CA", ca_key, x509.BasicConstraints(True, None)))
    pem.write_bytes(
        certificate(host, key.public_key(), "a private CA", ca_key, x509.SubjectAlternativeName([x509.DNSName(host)]))
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    return ca, tls


def test_a_proxy_and_a_private_ca_serve_the_token_call_too(tmp_path):
    # Only the proxy knows this host.
    host = "service.internal"
    ca, tls = private_ca(tmp_path, host)
    for scheme, variable in [("https", "HTTPS_PROXY"), ("http", "HTTP_PROXY")]:
        port, calls = small_service(tls if scheme == "https" else None)
        service = {"SAIL_BASE_URL": f"{scheme}://{host}:{port}", "SAIL_CLIENT_ID": "i", "SAIL_CLIENT_SECRET": "s3cret"}
        proxy = Tunnels()
        through = service | {variable: proxy.url, "SSL_CERT_FILE": str(ca)}
        assert Terminal(tmp_path, **through).run("connector", "list", "-o", "json").stdout.strip() == "[]"
        assert calls == ["/oauth/token", "/v2025/connectors"]
        if scheme == "https":
            assert set(proxy.asked) == {f"{host}:{port}"}
        else:
            assert [asked.split("?")[0] for asked in proxy.asked] == [service["SAIL_BASE_URL"] + path for path in calls]
        # Around the proxy, the host is not known.
        around = Terminal(tmp_path, **through, NO_PROXY="internal").run("connector", "list", code=1).stderr
        assert "failed to lookup address" in around and "s3cret" not in around, around
    port, _ = small_service(tls)
    service = {"SAIL_BASE_URL": f"https://{host}:{port}", "SAIL_CLIENT_ID": "i", "SAIL_CLIENT_SECRET": "s3cret"}
    untrusted = Terminal(tmp_path, **service, HTTPS_PROXY=Tunnels().url).run("connector", "list", code=1).stderr
    assert "does not trust the issuer of the server's certificate" in untrusted, untrusted
    for refusal in [403, 407, 502]:
        refused = Terminal(tmp_path, **service, HTTPS_PROXY=Tunnels(refusal).url).run("connector", "list", code=1).stderr
        assert "the proxy opens no tunnel to it (" in refused and "s3cret" not in refused, refused


def test_environments_promotion_and_differences(start, tmp_path):
    servers = {name: start("--rate-limit", "off", ephemeral=True) for name in ["sandbox", "production"]}
    terminal = Terminal(tmp_path)
    for name, server in servers.items():
        terminal.run("login", name, "--base-url", server.url, "--client-id", server.client_id, stdin=f"{server.secret}\n")
    config = tmp_path / ".sailpoint/config.yaml"
    assert config.stat().st_mode & 0o077 == 0 and "activeenvironment: production" in config.read_text()
    wrong = terminal.run("login", "x", "--base-url", servers["sandbox"].url, "--client-id", "x", stdin="no\n", code=1)
    assert "did not accept the API client `x`" in wrong.stderr and "no\n" not in config.read_text()
    assert "has no environment `nowhere`; it has `production`, `sandbox`" in terminal.run(
        "pull", "c", "--env", "nowhere", code=1).stderr

    write_connector(terminal, "c/a", "A")
    write_connector(terminal, "c/b", "B")
    terminal.run("apply", "c", "--yes", "--env", "sandbox")
    assert terminal.run("connector", "list", "--custom", "--count").stdout == "0\n"
    promoted = terminal.run("promote", "--from", "sandbox", "--to", "production", "a", "--yes").stdout
    assert promoted.endswith("created 1, changed 0, deleted 0\nrevision 1; what was before is revision 0; `connectory rollback --to 0 --env production` goes back to it\n")
    again = terminal.run("promote", "--from", "sandbox", "--to", "production", "a", "--yes").stdout
    assert again == f"{servers['production'].url}: 0 to create, 0 to change, 0 to delete\n"
    assert terminal.run("diff", "sandbox:a", "production:a").stdout == ""
    different = terminal.run("diff", "production:", "sandbox:", code=2).stdout
    assert "+++ sandbox:b/connector.yaml" in different and "a/" not in different.replace("sandbox:", "").split()
    assert changed(terminal.run("diff", "sandbox:a", "sandbox:b", code=2).stdout)[:1] == ["-name: A"]

    terminal.run("export", "all.json", "--env", "sandbox")
    assert len(json.loads(terminal.read("all.json"))) == 2
    assert "created 1, changed 0, deleted 0\n" in terminal.run("import", "all.json", "--yes").stdout
    assert terminal.run("diff", "production:", "sandbox:").stdout == ""


def test_new_connectors_pass_in_single_calls_under_the_default_rate_limit(start, tmp_path):
    server = start(ephemeral=True)
    terminal = Terminal(tmp_path, **server.sail | {"SAIL_BASE_URL": Proxy(server.url).url})
    # The limit is 100 requests in 10 s. A part of 500 shows the same; all of them take minutes.
    count = int(os.environ.get("CONNECTORY_TEST_CONNECTORS", 60))
    for n in range(count):
        write_connector(terminal, f"c/bulk-{n}", f"Bulk {n}")
    done = terminal.run("apply", "c", "--yes")
    assert done.stdout.endswith(f"created {count}, changed 0, deleted 0\n")
    # The first long pause is said, and no other. There is no terminal, so lines tell how far it is.
    warning, *lines = done.stderr.splitlines()
    assert warning.startswith("warning: the service answered 429"), done.stderr
    assert lines and all(re.fullmatch(rf"(read|applied) \d+ of {count} connectors", line) for line in lines), done.stderr
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")


def test_lint_is_fast_machine_readable_and_fixes(terminal):
    for n in range(100):
        write_connector(terminal, f"c/c-{n}", f"C {n}")
        terminal.write(f"c/c-{n}/translations/de.properties", "menuLabel_Connection=Verbindung\nsectionLabel_Server=Server\n")
    took = []
    for _ in range(5):
        began = time.monotonic()
        assert terminal.run("lint", "c").stderr == "0 errors and 100 warnings in 100 connectors\n"
        took.append(time.monotonic() - began)
    assert min(took) < 0.1, took

    shutil.rmtree(terminal.folder / "c")
    write_connector(terminal, "c/a", "A")
    terminal.write("c/a/source-config.xml", FORM.format(name="B").replace('type="text"', 'type="text" parentKey="hst"'))
    terminal.write("c/a/source-template.xml", '<Application name="A"/>\n')
    with open(terminal.folder / "c/a/translations/en.properties", "a") as english:
        english.write("old=Old\n")
    found = json.loads(terminal.run("lint", "c", "--format", "json", code=1).stdout)
    assert [(f["rule"], f["file"], f["line"], f["fixable"]) for f in found] == [
        ("connector-name", "c/a/source-config.xml", 1, True),
        ("unknown-parent", "c/a/source-config.xml", 4, False),
        ("unused-translation", "c/a/translations/en.properties", 3, True),
    ]
    assert "there is no field `hst`; did you mean `host`?" in found[1]["message"]
    sarif = json.loads(terminal.run("lint", "c", "--format", "sarif", code=1).stdout)
    assert sarif["version"] == "2.1.0" and len(sarif["runs"][0]["results"]) == 3
    github = terminal.run("lint", "c", "--format", "github", code=1).stdout.splitlines()
    assert github[1].startswith("::error file=c/a/source-config.xml,line=4,col=74,title=unknown-parent::there is no")
    fixed = terminal.run("lint", "c", "--fix", code=1)
    assert "fixed 2 findings" in fixed.stderr and fixed.stderr.endswith("1 error and 0 warnings in 1 connector\n")
    assert 'connectorName="A"' in terminal.read("c/a/source-config.xml")
    assert "old" not in terminal.read("c/a/translations/en.properties")


def test_our_own_catalog_has_no_finding():
    lint = connectory("lint", "--strict", str(ROOT / "catalog"), check=False)
    assert lint.returncode == 0, lint.stdout


def test_every_operation_has_a_command(terminal):
    run = terminal.run
    created = json.loads(run("connector", "create", "A", "--class-name", "x.Y", "--indirect", "-o", "json").stdout)
    assert (created["scriptName"], created["directConnect"]) == ("a", False)
    assert run("connector", "list", "--custom").stdout == (
        "NAME  SCRIPT NAME  TYPE      STATUS    FEATURES\nA     a            custom A  RELEASED\n")
    assert len(json.loads(run("connector", "list", "--limit", "3", "-o", "json").stdout)) == 3
    assert "scriptName: a" in run("connector", "list", "--filter", 'name sw "a" and directConnect eq false', "-o", "yaml").stdout
    assert "column 6: field `name` does not support" in run("connector", "list", "--filter", 'name eq "a"', code=1).stderr
    for document in ["source-config", "source-template", "correlation-config"]:
        run("connector", f"get-{document}", "a", "--file", "d.xml")
        terminal.write("d.xml", terminal.read("d.xml") + "<!-- changed -->\n")
        assert run("connector", f"set-{document}", "a", "d.xml").stdout.startswith("a UPDATED custom-connector/a/")
        assert run("connector", f"get-{document}", "a").stdout == terminal.read("d.xml")
    terminal.write("d.xml", "<Form/>")
    assert "unsupported xsd version" in run("connector", "set-source-config", "a", "d.xml", code=1).stderr
    run("connector", "set-translations", "a", "de", "-", stdin="ShortDesc=Kurz\n")
    assert run("connector", "get-translations", "a", "de").stdout == "ShortDesc=Kurz\n"
    run("connector", "patch", "a", "-", stdin='[{"op": "add", "path": "/connectorMetadata/category", "value": "X"}]')
    assert run("connector", "get", "a").stdout.endswith('metadata        {"category":"X"}\n')
    assert "give --yes" in run("connector", "delete", "a", code=1).stderr
    before = json.loads(run("export").stdout)
    assert run("connector", "--quiet", "delete", "a", "--yes").stdout == ""
    run("import", *sorted((terminal.folder / ".local/state/connectory/before").iterdir())[-1:], "--yes")
    assert json.loads(run("export").stdout) == before
    assert run("connector", "delete", "a", "--yes").stdout.startswith("Deleted a.\nWhat was there before is in ")
    gone = run("connector", "get", "a", code=1).stderr
    assert re.fullmatch(r"error: the service answered 404 Not Found: .*\(tracking id [0-9a-f]{32}\)\n", gone), gone


def test_a_clone_has_all_that_the_other_has_under_its_own_name(start, tmp_path):
    _server, proxy, terminal = behind_proxy(start, tmp_path)

    def get(script_name):
        return json.loads(terminal.run("connector", "get", script_name, "--output", "json").stdout)

    # A clone of a built-in connector, one of that, and one whose script name another connector has.
    for source, name, script_name, escaped in [
        ("jdbc", 'Ä & <b> "x"', "a-b-x", "Ä &amp; &lt;b&gt; &quot;x&quot;"),
        ("a-b-x", " R&D", "r-d", "R&amp;D"),
        ("r-d", "R-D", "r-d-2", "R-D"),
    ]:
        cloned = terminal.run("clone", source, name)
        assert cloned.stdout == f"Created `{name.strip()}`: its script name is {script_name}.\n"
        before, after = get("jdbc"), get(script_name)
        assert (after["name"], after["s3Location"]) == (name.strip(), f"custom-connector/{script_name}")
        for member in ["type", "className", "translationProperties", "connectorMetadata"]:
            assert after[member] == before[member] not in ({}, None)
        for document in ["sourceConfigXml", "applicationXml", "correlationConfigXml"]:
            name_in = r'((?:n|connectorN)ame)="JDBC( Account Correlation Config)?"'
            assert after[document] == re.sub(name_in, rf'\1="{escaped}\2"', before[document])
    terminal.run("pull", "c")
    assert terminal.run("lint", "c", "--strict").stdout == ""

    there = terminal.run("export").stdout
    refused = terminal.run("clone", "jdbc", "r&d", code=1).stderr
    assert "`R&D` is the name of the connector r-d already; give another name" in refused
    assert "`name` is required" in terminal.run("clone", "jdbc", " ", code=1).stderr
    assert "404 Not Found" in terminal.run("clone", "none", "New", code=1).stderr
    for call in ["POST /v2025/connectors", "PATCH /v2025/connectors/new", "PUT /v2025/connectors/new/translations/fr"]:
        proxy.faults = [(call, 403, 1)]
        assert "new: the service answered 403" in terminal.run("clone", "jdbc", "New", code=1).stderr
        assert terminal.run("export").stdout == there, "nothing stays"
    assert terminal.run("clone", "--quiet", "jdbc", "New").stdout == ""


def test_completions_man_pages_and_usage_errors(terminal):
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"]:
        assert "connectory" in terminal.run("completions", shell).stdout
    terminal.run("man", "man")
    assert {"connectory.1", "connectory-apply.1", "connectory-connector-list.1"} <= set(os.listdir(terminal.folder / "man"))
    assert "unrecognized subcommand" in terminal.run("aply", code=1).stderr, "2 is for differences"
    assert "Exit codes:\n  0  Done." in terminal.run("--help").stdout


def test_a_reader_that_has_had_enough_is_no_error(terminal):
    for n in range(40):
        write_connector(terminal, f"c/c-{n}", f"C {n}")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [BINARY, "plan", "c"], env=environment(**terminal.variables), cwd=terminal.folder, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (2, ""), "something differs, whoever reads it"


def test_the_sdks_readme_example_is_the_one_that_runs(terminal):
    example = (ROOT / "crates/connectory-client/examples/readme.rs").read_text()
    assert f"```rust\n{example}```" in (ROOT / "README.md").read_text()
    # `cargo test` builds it, with the profile of the tests.
    folders = [BINARY.parent, TARGET / "debug"]
    built = next(folder / "examples/readme" for folder in folders if (folder / "examples/readme").exists())
    ran = subprocess.run([built], env=environment(**terminal.variables), capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "Payroll (payroll)\n"), ran.stderr
