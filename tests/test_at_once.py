"""Changes to many connectors in one commit: `plan`, `apply` and their neighbours against a server that can do that."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time

import pytest
import requests

from conftest import BINARY, Server, environment
from postgres import Cluster
from test_as_code import FORM, Terminal, behind_proxy, each_way, write_connector  # noqa: F401

APPLY = "POST /connectory/v1/apply"


@pytest.fixture
def proxied(start, tmp_path):
    """A server, a proxy in front of it that hides nothing, and a terminal."""
    server, proxy, terminal = behind_proxy(start, tmp_path)
    proxy.hides = False
    return server, proxy, terminal


def get(terminal, script_name):
    return json.loads(terminal.run("connector", "get", script_name, "-o", "json").stdout)


def revision_of(terminal):
    """The newest revision of the tenant, as an apply of nothing new tells it."""
    server = terminal.variables["SAIL_BASE_URL"]
    form = {"grant_type": "client_credentials", "client_id": terminal.variables["SAIL_CLIENT_ID"],
            "client_secret": terminal.variables["SAIL_CLIENT_SECRET"]}
    token = requests.post(f"{server}/oauth/token", data=form, timeout=30).json()["access_token"]
    lines = requests.get(f"{server}/connectory/v1/connectors", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    return json.loads(lines.text.splitlines()[0])["revision"]


def test_members_that_single_calls_cannot_change_are_changed_in_place(proxied):
    _server, proxy, terminal = proxied
    write_connector(terminal, "c/a", "A", status="DEVELOPMENT")
    terminal.run("apply", "c", "--yes")
    write_connector(terminal, "c/a", "Another name", status="DEPRECATED", type="its type", directConnect="false")
    proxy.calls.clear()
    assert terminal.run("apply", "c", "--yes").stdout.endswith(
        "created 0, changed 1, deleted 0\nrevision 2; what was before is revision 1; `connectory rollback --to 1` goes back to it\n")
    assert ("DELETE", "/v2025/connectors/a") not in proxy.calls
    a = get(terminal, "a")
    assert (a["name"], a["status"], a["type"], a["directConnect"]) == ("Another name", "DEPRECATED", "its type", False)
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")


def test_what_was_exported_comes_back_under_its_script_names(start, tmp_path, proxied):
    _server, _proxy, terminal = proxied
    # The server gives the second one the script name `c-2`.
    for name in ["C#", "C++"]:
        terminal.run("connector", "create", name, "--class-name", "x.Y")
    both = terminal.run("export").stdout
    terminal.run("pull", "both")
    terminal.run("connector", "delete", "c", "--yes")
    one = terminal.run("export").stdout
    terminal.run("pull", "one")
    for exported, folder in [(one, "one"), (both, "both")]:
        for way in ["export", "folder"]:
            empty = start(ephemeral=True)
            other = Terminal(tmp_path, **empty.sail)
            if way == "export":
                (tmp_path / "all.json").write_text(exported)
                other.run("import", "all.json", "--yes")
            else:
                other.run("apply", folder, "--yes")
            assert json.loads(other.run("export").stdout) == json.loads(exported)
            assert other.run("plan", folder).stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")


def test_a_refused_set_changes_nothing_and_every_refusal_is_told(proxied):
    _server, _proxy, terminal = proxied
    terminal.run("connector", "create", "Taken", "--class-name", "x.Y")
    for n in range(5):
        write_connector(terminal, f"c/new-{n}", f"New {n}")
    write_connector(terminal, "c/taken-too", "TAKEN")
    terminal.run("connector", "create", "Another", "--class-name", "x.Y")
    write_connector(terminal, "c/another-too", "ANOTHER")
    for command in [["plan", "c"], ["apply", "c", "--yes"], ["import", "c", "--yes"]]:
        refused = terminal.run(*command, code=1)
        assert refused.stderr.startswith("error: 2 connectors cannot be as the plan has it, so nothing was changed:\n"), refused.stderr
        assert "\n  taken-too: `name` is taken: a connector of this name exists already" in refused.stderr
        assert "\n  another-too: `name` is taken" in refused.stderr
    assert terminal.run("connector", "list", "--custom", "--count").stdout == "2\n"


def test_a_plan_is_saved_and_applied_unless_something_moved(start, tmp_path, proxied):
    _server, _proxy, terminal = proxied
    write_connector(terminal, "c/a", "A")
    write_connector(terminal, "c/gone", "Gone")
    terminal.run("apply", "c", "--yes")
    write_connector(terminal, "c/a", "A", status="DEMO")
    write_connector(terminal, "c/new", "New")
    shutil.rmtree(terminal.folder / "c/gone")
    shown = terminal.run("plan", "c", "--prune", "--out", "plan.json", code=2).stdout
    assert (terminal.folder / "plan.json").stat().st_mode & 0o077 == 0
    assert "exists" in terminal.run("plan", "c", "--out", "plan.json", code=1).stderr, "it is not overwritten"
    # The folder may change meanwhile. The plan does not.
    shutil.rmtree(terminal.folder / "c")
    other = start(ephemeral=True)
    elsewhere = Terminal(tmp_path, **other.sail).run("apply", "plan.json", "--yes", code=1).stderr
    assert elsewhere.startswith("error: the plan is for http://127.0.0.1:") and "nothing was changed" in elsewhere
    assert "leave out --prune" in terminal.run("apply", "plan.json", "--prune", "--yes", code=1).stderr
    # Somebody changes one of its connectors, and changes it back.
    for status, moved in [("RELEASED", False), ("DEVELOPMENT", True)]:
        terminal.write("p.json", json.dumps([{"op": "replace", "path": "/connectorMetadata", "value": {"s": status} if moved else {}}]))
        terminal.run("connector", "patch", "a", "p.json")
        if moved:
            refused = terminal.run("apply", "plan.json", "--yes", code=1).stderr
            assert refused == "error: the server changed since the plan was made, so nothing was changed; plan again:\n  a\n"
    terminal.write("p.json", json.dumps([{"op": "replace", "path": "/connectorMetadata", "value": {}}]))
    terminal.run("connector", "patch", "a", "p.json")
    applied = terminal.run("apply", "plan.json", "--yes").stdout
    assert applied.startswith(shown.splitlines()[0]) and "created 1, changed 1, deleted 1\n" in applied, (shown, applied)
    assert get(terminal, "a")["status"] == "DEMO" and get(terminal, "new")["name"] == "New"
    assert "a\n" in terminal.run("apply", "plan.json", "--yes", code=1).stderr, "it is done already"
    for text, expected in [("{}", "is not a plan"), ("[", "is not a plan"), ('{"format": "x", "server": "", "tenant": "", "changes": []}', "its format is x")]:
        terminal.write("no.json", text)
        assert expected in terminal.run("apply", "no.json", "--yes", code=1).stderr


def test_a_saved_plan_is_applied_in_single_calls_too(proxied):
    _server, proxy, terminal = proxied
    proxy.hides = True
    write_connector(terminal, "c/a", "A")
    terminal.run("plan", "c", "--out", "plan.json", code=2)
    assert "created 1, changed 0, deleted 0\n" in terminal.run("apply", "plan.json", "--yes").stdout
    assert (APPLY.split()[0], APPLY.split()[1]) not in proxy.calls
    assert "a\n" in terminal.run("apply", "plan.json", "--yes", code=1).stderr


def test_a_plan_is_counted_and_told_to_programs(proxied):
    _server, _proxy, terminal = proxied
    write_connector(terminal, "c/a", "A")
    write_connector(terminal, "c/b", "B")
    terminal.run("apply", "c", "--yes")
    form = FORM.format(name="A")
    terminal.write("c/a/source-config.xml", form.replace('"sectionLabel_Server"', '"sectionLabel_Host"'))
    terminal.write("c/b/source-config.xml", FORM.format(name="B").replace("\n", "\r\n"))
    write_connector(terminal, "c/new", "New")
    stat = terminal.run("plan", "c", "--stat", code=2).stdout
    assert "\nchange a\n  source-config.xml  +1 -1\n" in stat, stat
    assert "\nchange b\n  source-config.xml  line endings\n" in stat, stat
    assert "line endings differ: b/source-config.xml has CRLF, the server has LF\n" in terminal.run("plan", "c", code=2).stdout
    report = json.loads(terminal.run("plan", "c", "--format", "json", code=2).stdout)
    assert report["format"] == "connectory-plan-report/1" and report["inOneCommit"] and report["refusals"] == []
    assert report["server"] == terminal.variables["SAIL_BASE_URL"]
    assert report["summary"] == {"create": 1, "change": 2, "replace": 0, "delete": 0}
    a, b, new = report["changes"]
    [file] = a["files"]
    assert (a["scriptName"], a["action"], file["path"], file["action"]) == ("a", "change", "source-config.xml", "change")
    assert (file["added"], file["removed"], file["lineEndingsOnly"]) == (1, 1, False)
    assert '\n-    <Section name="sectionLabel_Server"' in file["diff"] or "\n-" in file["diff"]
    assert b["files"][0]["lineEndingsOnly"]
    assert {file["action"] for file in new["files"]} == {"add"} and {file["diff"] for file in new["files"]} == {None}
    terminal.run("connector", "create", "Taken", "--class-name", "x.Y")
    write_connector(terminal, "c/refused", "taken")
    refused = json.loads(terminal.run("plan", "c", "--format", "json", code=1).stdout)["refusals"]
    assert [r["scriptName"] for r in refused] == ["refused"] and "`name` is taken" in refused[0]["reason"]


def test_a_server_that_does_not_have_the_operation_gets_single_calls(proxied):
    _server, proxy, terminal = proxied
    write_connector(terminal, "c/a", "A")
    write_connector(terminal, "c/b", "B")
    # It is one of several servers, and older than the one that told what they can do.
    proxy.faults = [("POST /connectory/v1/apply?dry-run=true", 404, 1)]
    assert "created 2, changed 0, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout
    write_connector(terminal, "c/a", "A", connectorMetadata="{x: 1}")
    proxy.faults = [(APPLY, 404, 1)]
    assert "created 0, changed 1, deleted 0\n" in terminal.run("apply", "c", "--yes").stdout
    proxy.faults = [("GET /connectory/v1/connectors?", 404, 3)]
    assert len(json.loads(terminal.run("export").stdout)) == 2
    assert terminal.run("pull", "p").stdout.startswith("pulled 2 connectors, ")
    # What single calls cannot do is refused, and nothing is changed.
    write_connector(terminal, "c/a", "A", status="DEMO", connectorMetadata="{x: 1}")
    proxy.faults = [(APPLY, 404, 1)]
    assert "give --replace" in terminal.run("apply", "c", "--yes", code=1).stderr
    assert get(terminal, "a")["status"] == "RELEASED"


def test_a_lost_answer_is_asked_for_again_and_nothing_is_done_twice(proxied):
    _server, proxy, terminal = proxied
    write_connector(terminal, "c/a", "A")
    proxy.faults = [(APPLY, "lost", 1)]
    applied = terminal.run("apply", "c", "--yes")
    assert applied.stdout.endswith("created 1, changed 0, deleted 0\nrevision 1; what was before is revision 0; `connectory rollback --to 0` goes back to it\n")
    assert revision_of(terminal) == 1
    write_connector(terminal, "c/a", "A", status="DEMO")
    proxy.faults = [(APPLY, 504, 99)]
    lost = terminal.run("apply", "c", "--yes", code=1).stderr
    assert "the server made all of these changes, or none of them; `connectory plan` shows which" in lost, lost
    proxy.faults = [(APPLY, 500, 99)]
    assert "error: nothing was changed: the service answered 500" in terminal.run("apply", "c", "--yes", code=1).stderr


def test_ctrl_c_says_that_all_or_nothing_is_done(proxied):
    _server, proxy, terminal = proxied
    write_connector(terminal, "c/a", "A")
    reached = []
    proxy.before = {"POST": lambda: time.sleep(2 * len(reached)) if proxy.calls[-1][1] != "/connectory/v1/apply" else (reached.append(1), time.sleep(3))}
    process = subprocess.Popen([BINARY, "apply", "c", "--yes"], env=environment(**terminal.variables), cwd=terminal.folder,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not reached:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 1 and "interrupted; the server made all of these changes, or none of them" in stderr, stderr


def test_a_thousand_connectors_pass_under_the_default_rate_limit(start, tmp_path):
    server = start(ephemeral=True)
    terminal = Terminal(tmp_path, **server.sail)
    for n in range(1000):
        write_connector(terminal, f"c/bulk-{n}", f"Bulk {n}")
    applied = terminal.run("apply", "c", "--yes")
    assert applied.stdout.endswith("created 1000, changed 0, deleted 0\nrevision 1000; what was before is revision 0; `connectory rollback --to 0` goes back to it\n")
    assert applied.stderr == "", "no pause for the rate limit"
    planned = terminal.run("plan", "c", "--prune")
    assert (planned.stdout, planned.stderr) == (f"{server.url}: 0 to create, 0 to change, 0 to delete\n", "")
    assert terminal.run("pull", "d").stdout.startswith("pulled 1000 connectors, ")
    assert len(json.loads(terminal.run("export").stdout)) == 1000
    other = start(ephemeral=True)
    named = Terminal(tmp_path)
    for name, end in [("one", server), ("two", other)]:
        named.run("login", name, "--base-url", end.url, "--client-id", end.client_id, stdin=f"{end.secret}\n")
    names = [f"bulk-{n}" for n in range(300)]
    promoted = named.run("promote", "--from", "one", "--to", "two", *names, "--yes")
    assert "created 300, changed 0, deleted 0\n" in promoted.stdout and promoted.stderr == ""
    missing = named.run("promote", "--from", "one", "--to", "two", *names, "none", "--yes", code=1).stderr
    assert "there is no connector with the script name `none`" in missing


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_kill_in_the_middle_of_an_apply_leaves_all_of_it_or_none(engine, tmp_path):
    if engine == "postgres" and "CONNECTORY_TEST_POSTGRES" not in os.environ:
        pytest.skip("needs PostgreSQL: set CONNECTORY_TEST_POSTGRES=1")
    cluster = Cluster() if engine == "postgres" else None
    client = {"CONNECTORY_CLIENT_ID": "c", "CONNECTORY_CLIENT_SECRET": "a secret of 32 characters or more"}
    database = f"postgres://postgres@{str(cluster.folder).replace('/', '%2F')}/{cluster.new_database()}" if cluster else None
    server = Server(tmp_path, "--rate-limit", "off", database=database, **client)
    count = 400
    dice = random.Random(7)
    try:
        for n in range(count):
            write_connector(Terminal(tmp_path), f"c/bulk-{n}", f"Bulk {n}")
        took = 1.0
        for attempt in range(8):
            terminal = Terminal(tmp_path, **server.sail)
            for n in range(count):
                yaml = terminal.folder / f"c/bulk-{n}/connector.yaml"
                yaml.write_text(re.sub(r"className: .*", f"className: x.Y{attempt}", yaml.read_text()))
            began = time.monotonic()
            process = subprocess.Popen([BINARY, "apply", "c", "--yes", "--quiet"], env=environment(**terminal.variables), cwd=tmp_path,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if attempt == 0:
                assert process.wait(timeout=120) == 0
                took = time.monotonic() - began
            else:
                # Most of the time before goes into reading the folder and the dry run.
                time.sleep(took * dice.uniform(0.5, 1.0))
                server.kill()
                process.kill()
                process.wait()
                server.start()
            connectors = json.loads(Terminal(tmp_path, **server.sail).run("export").stdout)
            classes = {connector["className"] for connector in connectors}
            assert len(connectors) == count and len(classes) == 1, (attempt, len(connectors), classes)
    finally:
        server.end()
        if cluster:
            cluster.end()


def test_pull_export_import_and_promote_do_the_same_in_each_way(each_way, start, tmp_path):
    terminal = each_way
    server = start("--rate-limit", "off", ephemeral=True)
    other = Terminal(tmp_path, **server.sail)
    for n in range(12):
        write_connector(terminal, f"c/a-{n}", f"A {n}", status="DEMO" if n % 2 else "RELEASED")
    terminal.run("apply", "c", "--yes")
    assert terminal.run("pull", "pulled").stdout == "pulled 12 connectors, 60 files changed\n"
    assert terminal.run("pull", "some", "--filter", 'name eq "A 1" or name sw "A 1"', code=1).stdout == ""
    assert terminal.run("pull", "some", "--filter", 'name sw "A 1"').stdout == "pulled 3 connectors, 15 files changed\n"
    assert terminal.run("pull", "named", *[f"a-{n}" for n in range(10)]).stdout.startswith("pulled 10 connectors, ")
    assert "404" in terminal.run("pull", "named", *[f"a-{n}" for n in range(10)], "none", code=1).stderr
    assert terminal.run("pull", "all", "--all").stdout.startswith("pulled 24 connectors, ")
    assert terminal.run("plan", "pulled").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")
    exported = terminal.run("export").stdout
    assert len(json.loads(exported)) == 12
    terminal.write("all.json", exported)
    assert "created 12, changed 0, deleted 0\n" in other.run("import", "all.json", "--yes").stdout
    assert json.loads(other.run("export").stdout) == json.loads(exported)


def test_more_changes_than_one_commit_takes_are_made_in_several(proxied):
    _server, proxy, terminal = proxied
    proxy.most = 3
    for n in range(7):
        write_connector(terminal, f"c/a-{n}", f"A {n}")
    assert terminal.run("apply", "c", "--yes").stdout.endswith(
        "created 7, changed 0, deleted 0\nrevision 7; what was before is revision 0; `connectory rollback --to 0` goes back to it\n")
    assert [path for _, path in proxy.calls].count("/connectory/v1/apply") == 3
    for n in range(7):
        write_connector(terminal, f"c/a-{n}", f"A {n}", status="DEMO")
    made = proxy.calls.count(("POST", "/connectory/v1/apply"))
    fail = lambda: proxy.faults.append((APPLY, 500, 9))
    proxy.before = {"POST": lambda: fail() if proxy.calls.count(("POST", "/connectory/v1/apply")) == made + 2 else None}
    failed = terminal.run("apply", "c", "--yes", code=1).stderr
    assert "error: the first 3 changes are made, and the others are not: nothing was changed: the service answered 500" in failed, failed


def test_line_endings_of_translations_are_no_difference(proxied):
    _server, _proxy, terminal = proxied
    write_connector(terminal, "c/a", "A")
    terminal.run("apply", "c", "--yes")
    file = terminal.folder / "c/a/translations/en.properties"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert terminal.run("plan", "c").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")


def test_what_was_changed_can_be_put_back_with_what_is_printed(proxied):
    _server, _proxy, terminal = proxied
    write_connector(terminal, "c/a", "A")
    terminal.run("apply", "c", "--yes")
    before = terminal.run("export").stdout
    write_connector(terminal, "c/a", "Another", status="DEMO")
    told = terminal.run("apply", "c", "--yes").stderr
    file = re.search(r"this puts it back: connectory import --replace (\S+)\n", told)[1]
    terminal.run("import", file, "--yes")
    assert terminal.run("export").stdout == before
