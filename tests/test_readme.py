"""README is true: its commands are run in order and print what it shows, and its programs run with the official SDKs.

`CONNECTORY_UPDATE_README=1` writes what the commands print into README. Read the difference before you commit it.
"""

import os
import re
import subprocess
import sys

import pytest

from conftest import BINARY, NODE_MODULES, ROOT, SDK_2, connectory, environment

README = ROOT / "README.md"
# The sections whose commands are a tour, and the section whose commands only show how they are written.
TOUR, EXAMPLES = ["The first five minutes", "Connectors as code"], "Running it"
URL, HOME = "http://127.0.0.1:8080", "/home/me"
# What a reader does that the test has done already.
SKIPPED = ("git clone ", "cd connectory")
SERVE = "cargo run --release -- serve"
PROMPT = "Client secret:\n"
# What is another at each run: secrets, ids, and the names of files that are named after the time and the process.
SECRET = r"[0-9a-f]{64}"
VARYING = re.compile(
    rf"\b(?:{SECRET}|[0-9a-f]{{32}}|[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|\d{{4}}-\d\d-\d\dT[\d:.-]+Z(?:-\d+)?)\b"
)


def section(text, title):
    """Where a section is in README."""
    return re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", text, flags=re.M | re.S).span()


def is_complete(command):
    """Whether bash would run this, rather than wait for more lines."""
    checked = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, env=environment(LC_ALL="C"))
    return not command.endswith("\\") and checked.stderr == ""


def steps(text, title):
    """Each command of a section, with the place of what it prints."""
    begin, end = section(text, title)
    for block in re.compile(r"^```console\n(.*?)^```$", flags=re.M | re.S).finditer(text, begin, end):
        for step in re.compile(r"^\$ .*\n(?:(?!\$ ).*\n)*", flags=re.M).finditer(text, *block.span(1)):
            lines = step[0][2:].splitlines(keepends=True)
            command = lines.pop(0)
            while not is_complete(command.rstrip("\n")):
                command += lines.pop(0)
            yield command.rstrip("\n"), (step.end() - len("".join(lines)), step.end())


class Bash:
    """One session in a terminal, in a home of its own."""

    def __init__(self, home):
        commands = home / "bin"
        commands.mkdir()
        (commands / "connectory").symlink_to(BINARY)
        others = dict.fromkeys(["XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"], "")
        variables = environment(HOME=str(home), PATH=f"{commands}:{os.environ['PATH']}", LC_ALL="C.UTF-8", **others)
        self.process = subprocess.Popen(
            ["bash"], cwd=home, env=variables, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        # As in a terminal.
        self.run('ls() { command ls -C -T 0 -w 120 "$@"; }')

    def run(self, command, typed=""):
        """What a command prints."""
        self.process.stdin.write(f"{{\n{command}\n}} <<'TYPED'\n{typed}\nTYPED\nprintf '\\036'\n")
        self.process.stdin.flush()
        printed = ""
        while not printed.endswith("\036"):
            character = self.process.stdout.read(1)
            assert character, f"bash ended after {printed!r}"
            printed += character
        return printed[:-1]


@pytest.fixture
def server(start, tmp_path):
    """A server with the database that commands find in the home."""
    database = tmp_path / ".local/share/connectory/connectory.db"
    database.parent.mkdir(parents=True)
    return start(database=database, HOME=str(tmp_path))


def test_the_tour_prints_what_readme_shows(server, tmp_path):
    text = README.read_text()
    bash = Bash(tmp_path)
    # What README shows, and what it is here.
    values = {URL: server.url, HOME: str(tmp_path)}
    edits, differences = [], []

    def here(shown):
        return re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], shown)

    for command, (begin, end) in [step for title in TOUR for step in steps(text, title)]:
        if command.startswith(SKIPPED):
            continue
        shown = text[begin:end]
        if command == SERVE:
            printed = server.printed.rstrip("\n") + "\n"
            bash.run("\n".join(re.findall(r"^export .*", printed, flags=re.M)))
        elif shown.startswith(PROMPT):
            # Without a terminal, the secret comes from a pipe, and there is no prompt.
            printed = PROMPT + bash.run(here(command), typed=here(re.findall(SECRET, text[:begin])[-1]))
        else:
            printed = bash.run(here(command))
        assert printed == "" or printed.endswith("\n"), f"the next prompt would stick to what `{command}` prints"
        values |= dict(zip(VARYING.findall(shown), VARYING.findall(printed)))
        expected = VARYING.sub("…", here(shown)).rstrip("\n")
        if expected != VARYING.sub("…", printed).rstrip("\n"):
            there = printed
            for value_shown, value_here in values.items():
                there = there.replace(value_here, value_shown)
            differences.append(f"$ {command}\n{there}\nREADME shows:\n{shown}")
            edits.append((begin, end, there.rstrip("\n") + "\n" if there else ""))
    if differences and os.environ.get("CONNECTORY_UPDATE_README"):
        for begin, end, printed in reversed(edits):
            text = text[:begin] + printed + text[end:]
        README.write_text(text)
    assert differences == [], "\n".join(differences)
    findings = bash.run("connectory lint --strict --format json connectors")
    assert findings.startswith("[]"), findings


@pytest.mark.usefixtures("server")
def test_the_other_commands_succeed(tmp_path):
    bash = Bash(tmp_path)
    commands = [command for command, _ in steps(README.read_text(), EXAMPLES)]
    assert len(commands) > 3
    for command in commands:
        printed = bash.run(f"{command}\nprintf '\nexit code %d' $?")
        assert printed.endswith("\nexit code 0"), f"{command}: {printed}"


def test_the_options_of_serve_exist():
    begin, end = section(README.read_text(), EXAMPLES)
    cells = re.findall(r"^\| (`--.*?) \|", README.read_text()[begin:end], flags=re.M)
    options = re.findall(r"--[a-z-]+", " ".join(cells))
    assert len(options) > 15
    shown = connectory("serve", "--help").stdout
    assert [option for option in options if not re.search(rf"{option}\b(?!-)", shown)] == []


def test_the_table_of_commands_has_every_command():
    begin, end = section(README.read_text(), "Connectors as code")
    cells = re.findall(r"^\| (`connectory .*?) \|", README.read_text()[begin:end], flags=re.M)
    named = {name for cell in cells for name in re.findall(r"`(?:connectory )?([a-z]+)", cell)}
    shown = set(re.findall(r"^  ([a-z]+)  ", connectory("--help").stdout, flags=re.M))
    # These are in the sections on running the server and on testing a client.
    assert named == shown - {"serve", "client", "tenant", "fixture", "help"}


def program(language):
    begin, end = section(README.read_text(), "The first five minutes")
    return re.search(rf"^```{language}\n(.*?)^```$", README.read_text()[begin:end], flags=re.M | re.S)[1]


def python_1(text):
    """The program as README says it is for version 1."""
    said = re.search(r"For version 1, write `(\S+)` for `(\S+)`, and `(\S+)`\s+for `(\S+)`\.", README.read_text())
    for new, old in [said.group(1, 2), said.group(3, 4)]:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    "command, name, text",
    [
        (SDK_2, "list.py", program("python")),
        (sys.executable, "list.py", python_1(program("python"))),
        ("node", "list.mjs", program("javascript")),
    ],
    ids=["python-2", "python-1", "javascript"],
)
def test_the_programs_run_with_the_official_sdks(start, tmp_path, command, name, text):
    server = start()
    session = server.session()
    session.post(server.connectors, json={"name": "HR system", "className": "x.Y"}).raise_for_status()
    category = [{"op": "add", "path": "/connectorMetadata/category", "value": "HR"}]
    patch = session.patch(
        f"{server.connectors}/hr-system", json=category, headers={"Content-Type": "application/json-patch+json"}
    )
    patch.raise_for_status()
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    (tmp_path / name).write_text(text)
    ran = subprocess.run(
        [command, name], cwd=tmp_path, env=environment(**server.sail), capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout) == (0, "HR system\n"), ran.stderr
