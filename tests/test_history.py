"""The history from the command line: who changed what, restoring, rolling back, and following what changes."""

import json
import socket
import subprocess
import threading
import time

import pytest

from conftest import BINARY, environment
from test_as_code import Terminal, wait_until, write_connector


@pytest.fixture
def terminal(start, tmp_path):
    return Terminal(tmp_path, **start("--rate-limit", "off").sail)


def patch(terminal, script_name, value):
    terminal.write("p.json", json.dumps([{"op": "add", "path": "/connectorMetadata/category", "value": value}]))
    terminal.run("connector", "patch", script_name, "p.json")


def category(terminal, script_name):
    detail = json.loads(terminal.run("connector", "get", script_name, "-o", "json").stdout)
    return detail["connectorMetadata"].get("category")


def test_yesterdays_version_of_a_connector_comes_back(terminal):
    terminal.run("connector", "create", "HR", "--class-name", "x.Y")
    for value in "ab":
        patch(terminal, "hr", value)
    lines = terminal.run("history", "hr").stdout.splitlines()
    assert lines[0].split() == ["REVISION", "CHANGE", "TIME", "SCRIPT", "NAME", "ACTION", "AUTHOR", "CHANGED"]
    assert [line.split()[0] for line in lines[1:]] == ["3", "2", "1"]
    assert json.loads(terminal.run("show", "hr", "--revision", "2").stdout)["connectorMetadata"]["category"] == "a"
    assert "\n-  category: a\n+  category: b\n" in terminal.run("show", "hr", "--diff").stdout
    assert "give --yes" in terminal.run("restore", "hr", "--revision", "2", code=1).stderr
    restored = terminal.run("restore", "hr", "--revision", "2", "--yes").stdout
    assert "\n-  category: b\n+  category: a\n" in restored and restored.endswith("restored hr to revision 2\n")
    assert category(terminal, "hr") == "a"
    assert terminal.run("restore", "hr", "--revision", "2", "--yes").stdout == "`hr` is already as it was at revision 2\n"
    terminal.run("connector", "delete", "hr", "--yes")
    terminal.run("restore", "hr", "--revision", "3", "--yes", "--quiet")
    assert category(terminal, "hr") == "b"
    for name in [[], ["hr"]]:
        found = json.loads(terminal.run("history", *name, "--action", "delete", "-o", "json").stdout)
        assert [(revision["revision"], revision["author"]["kind"]) for revision in found] == [(5, "client")]
    # The revision of a deletion restores what was deleted.
    terminal.run("connector", "delete", "hr", "--yes")
    newest = json.loads(terminal.run("history", "hr", "--limit", "1", "-o", "json").stdout)[0]["revision"]
    assert terminal.run("restore", "hr", "--revision", str(newest), "--yes").stdout.endswith(f"restored hr to revision {newest}\n")
    assert category(terminal, "hr") == "b"
    assert terminal.run("history", "--since", "2999-01-01", "-o", "json").stdout == "[]\n"
    assert "no connector" in terminal.run("history", "nothing", code=1).stderr
    assert "is in the future" in terminal.run("rollback", "--to", "2999-01-01", code=1).stderr
    assert "this connector has no revision 99" in terminal.run("restore", "hr", "--revision", "99", "--yes", code=1).stderr
    assert "expected the number of a revision" in terminal.run("rollback", "--to", "yesterday", code=1).stderr


def test_a_whole_apply_is_rolled_back_in_one_change(terminal):
    for name in "abc":
        write_connector(terminal, f"c/{name}", name.upper())
    terminal.run("apply", "c", "--yes")
    before = terminal.run("export").stdout
    # The names of some are those that others had.
    write_connector(terminal, "c/a", "B", status="DEMO")
    write_connector(terminal, "c/new", "a")
    for file in sorted((terminal.folder / "c/b").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    (terminal.folder / "c/b").rmdir()
    done = terminal.run("apply", "c", "--prune", "--yes").stdout.splitlines()[-1]
    assert done == "revision 6; what was before is revision 3; `connectory rollback --to 3` goes back to it", done
    shown = terminal.run("rollback", "--to", "3", code=1)
    assert "1 to create, 1 to change, 1 to delete" in shown.stdout and "give --yes" in shown.stderr
    # The first revision of the first apply is part of a change of three.
    rolled_back = terminal.run("rollback", "--to", "1", "--yes").stdout
    assert "created 1, changed 1, deleted 1" in rolled_back
    assert json.loads(terminal.run("export").stdout) == json.loads(before)
    newest = json.loads(terminal.run("history", "--limit", "3", "-o", "json").stdout)
    assert {revision["change"] for revision in newest} == {9}
    assert terminal.run("rollback", "--to", "1", "--yes").stdout.endswith(": 0 to create, 0 to change, 0 to delete\n")
    # By the time of the apply that was undone, it is there again.
    time_of_apply = json.loads(terminal.run("history", "--limit", "4", "-o", "json").stdout)[3]["created"]
    terminal.run("rollback", "--to", time_of_apply, "--yes")
    assert json.loads(terminal.run("connector", "get", "a", "-o", "json").stdout)["name"] == "B"
    assert "the tenant has no revision 999 yet" in terminal.run("rollback", "--to", "999", code=1).stderr


def test_what_was_is_pulled_into_a_folder(terminal):
    terminal.run("connector", "create", "HR", "--class-name", "x.Y")
    patch(terminal, "hr", "then")
    terminal.run("connector", "delete", "hr", "--yes")
    terminal.run("connector", "create", "New", "--class-name", "x.Y")
    terminal.run("pull", "then", "--at", "2")
    folders = sorted(path.name for path in (terminal.folder / "then").iterdir() if path.is_dir() and path.name[0] != ".")
    assert folders == ["hr"]
    assert "category: then" in (terminal.folder / "then/hr/connector.yaml").read_text()
    terminal.run("pull", "one", "hr", "--at", "2")
    assert "category: then" in (terminal.folder / "one/hr/connector.yaml").read_text()
    assert "there was no connector `new`" in terminal.run("pull", "one", "new", "--at", "2", code=1).stderr


class Life:
    """A server at one address, in several processes one after the other."""

    CLIENT = {"CONNECTORY_CLIENT_ID": "watcher", "CONNECTORY_CLIENT_SECRET": "a secret of 32 characters or more"}

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        self.database = folder / "life.db"
        self.sail = {"SAIL_BASE_URL": f"http://{self.address}", "SAIL_CLIENT_ID": "watcher",
                     "SAIL_CLIENT_SECRET": self.CLIENT["CONNECTORY_CLIENT_SECRET"]}

    def start(self):
        serve = [BINARY, "serve", "--listen", self.address, "--database", f"sqlite:{self.database}", "--rate-limit", "off"]
        self.process = subprocess.Popen(serve, env=environment(**self.CLIENT), stdout=subprocess.PIPE, text=True)
        assert "is ready at" in self.process.stdout.readline()

    def kill(self):
        self.process.kill()
        self.process.wait(10)


def test_events_are_followed_through_a_restart_without_a_gap(tmp_path):
    life = Life(tmp_path)
    life.start()
    terminal = Terminal(tmp_path, **life.sail)
    watch = lambda *arguments: subprocess.Popen(
        [BINARY, "watch", *arguments], env=environment(**terminal.variables), stdout=subprocess.PIPE, text=True)
    watching = watch("--output", "json")
    events = []
    reader = threading.Thread(target=lambda: events.extend(map(json.loads, watching.stdout)), daemon=True)
    reader.start()
    try:
        time.sleep(1)
        terminal.run("connector", "create", "HR", "--class-name", "x.Y")
        wait_until(lambda: len(events) == 1)
        life.kill()
        life.start()
        patch(terminal, "hr", "a")
        terminal.run("connector", "delete", "hr", "--yes")
        wait_until(lambda: len(events) == 3)
        # A later one goes on where it ended.
        later = watch("--after", events[0]["id"])
        lines = [later.stdout.readline(), later.stdout.readline()]
        later.terminate()
        later.wait(10)
    finally:
        watching.terminate()
        watching.wait(10)
        reader.join(10)
        life.kill()
    assert [(event["event"], event["data"]["revision"]) for event in events] == [
        ("connector.created", 1), ("connector.updated", 2), ("connector.deleted", 3)
    ]
    assert [line.split()[1:4] for line in lines] == [["2", "connector.updated", "hr"], ["3", "connector.deleted", "hr"]]
