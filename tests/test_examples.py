"""The examples for authors of clients run as they are, and fast. So do the two CI files, and the commands of their page.

Each test has a copy of the folder `examples`, and the binary under test on PATH.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from conftest import BINARY, NODE_MODULES, ROOT, SDK_2, environment
from test_readme import section

EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs/TESTING-YOUR-CLIENT.md"
PYTHONS = {"python-1": sys.executable, "python-2": SDK_2}
# The seconds that a test may take, with the start and the end of its server. A token is valid for a second at least.
SECONDS, SECONDS_OF_EXPIRY = 1, 2
IS_OPTIMIZED = os.environ.get("CONNECTORY_PROFILE", "release") != "debug"
# The steps of CI files that install what is there.
INSTALLS = re.compile(r"\b(cargo install|pip install|npm ci)\b")


@pytest.fixture
def examples(tmp_path):
    copy = tmp_path / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    (copy / "vitest/node_modules").symlink_to(NODE_MODULES)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/connectory").symlink_to(BINARY)
    return copy


def run(examples, command, python=SDK_2, check=True, **variables):
    """Runs a program of a developer whose home is empty."""
    home = str(examples.parent)
    path = f"{home}/bin:{os.path.dirname(python)}:{os.environ['PATH']}"
    # A process that the program leaves behind has its group.
    process = subprocess.Popen(
        command, env=environment(PATH=path, HOME=home, TMPDIR=home, NO_COLOR="1", CI="1") | variables, text=True,
        cwd=examples, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=120)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert not check or process.returncode == 0, printed
    return printed


def assert_fast(times):
    """Each of the tests was fast, with its fixture. `times` are the seconds of each test by its name."""
    assert len(times) == 5
    slow = {
        name: seconds
        for name, seconds in times.items()
        if seconds > (SECONDS_OF_EXPIRY if "expired" in name else SECONDS)
    }
    assert not IS_OPTIMIZED or slow == {}


@pytest.mark.parametrize("sdk", PYTHONS)
def test_the_pytest_example_runs_and_is_fast(examples, sdk):
    run(examples, ["python", "-m", "pytest", "--strict-markers", "-W", "error", "--junitxml=r.xml", "pytest"], PYTHONS[sdk])
    cases = xml.etree.ElementTree.parse(examples / "r.xml").iter("testcase")
    assert_fast({case.get("name"): float(case.get("time")) for case in cases})


def test_the_vitest_example_runs_and_is_fast(examples):
    run(examples, ["npm", "--prefix", "vitest", "test", "--", "--reporter=json", "--outputFile=r.json"])
    [file] = json.loads((examples / "vitest/r.json").read_text())["testResults"]
    assert_fast({case["title"]: case["duration"] / 1000 for case in file["assertionResults"]})


KILLED = {
    "pytest": (
        "test_killed.py",
        "import os, pathlib\n"
        "def test_killed(connectory):\n"
        "    pathlib.Path('url').write_text(connectory.url)\n"
        "    os.kill(os.getpid(), 9)\n",
    ),
    "vitest": (
        "killed.test.ts",
        'import { writeFileSync } from "node:fs";\n'
        'import { test } from "vitest";\n'
        'import { useConnectory } from "./connectory-server";\n'
        "const server = useConnectory();\n"
        'test("killed", () => {\n'
        '    writeFileSync("url", server.url);\n'
        '    process.kill(process.pid, "SIGKILL");\n'
        "});\n",
    ),
}
TESTS = {"pytest": "test_client.py", "vitest": "client.test.ts"}
RUNNERS = {"pytest": ["python", "-m", "pytest"], "vitest": ["npx", "vitest", "run"]}


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_killed_run_leaves_no_server(examples, runner):
    folder = examples / runner
    name, text = KILLED[runner]
    (folder / name).write_text(text)
    command = " ".join(RUNNERS[runner])
    # The group of processes outlives the run, so nothing else ends the server.
    wait = 'timeout 10 bash -c "while curl --silent --output gone $(cat url); do sleep 0.05; done"'
    run(examples, ["bash", "-c", f"cd {runner}; {command} {name}; test -s url && {wait}"])


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_server_that_cannot_start_says_why(examples, runner):
    command = ["bash", "-c", f"cd {runner} && {' '.join(RUNNERS[runner])}"]
    assert "CONNECTORY_BINARY" in run(examples, command, check=False, CONNECTORY_BINARY="/nowhere")
    tests = examples / runner / TESTS[runner]
    tests.write_text(tests.read_text().replace("--token-lifetime", "--token-lifetimes"))
    assert "unexpected argument '--token-lifetimes'" in run(examples, command, check=False)


def test_a_failed_test_shows_what_the_server_logged(examples):
    (examples / "pytest/test_failing.py").write_text(
        "def test_failing(connectory):\n    connectory.token()\n    assert False\n"
    )
    assert 'path="/oauth/token"' in run(examples, ["python", "-m", "pytest", "pytest/test_failing.py"], check=False)


def read_yaml(path):
    """What a YAML file has. Python has no reader of its own; the vendor's SDK for TypeScript brings one."""
    script = 'console.log(JSON.stringify(require("js-yaml").load(require("fs").readFileSync(0, "utf8"))))'
    node = ["node", "-e", script]
    with open(path) as file:
        return json.loads(subprocess.run(node, cwd=NODE_MODULES.parent, stdin=file, capture_output=True, check=True).stdout)


def test_the_steps_of_the_github_file_run(examples):
    steps = read_yaml(EXAMPLES / "github-actions.yml")["jobs"]["tests"]["steps"]
    commands = [step for step in steps if "run" in step and not INSTALLS.search(step["run"])]
    assert len(commands) == 4 and len(steps) == 9
    # As GitHub does: each step is a bash of its own, and has the variables that earlier ones wrote.
    script = "set -e\nexport GITHUB_ENV=$PWD/env RUNNER_TEMP=$PWD\ntouch env\n"
    for number, step in enumerate(commands):
        (examples / f"step-{number}").write_text(step["run"])
        variables = " ".join(f"{name}={value}" for name, value in step.get("env", {}).items())
        folder = step.get("working-directory", ".")
        script += f"(cd {folder}; env $(cat $GITHUB_ENV) {variables} bash -e $RUNNER_TEMP/step-{number})\n"
    printed = run(examples, ["bash", "-c", script])
    assert printed.count("5 passed") == 2 and "LDAP" in printed


@pytest.mark.parametrize("job", ["pytest", "vitest", "any-language"])
def test_the_jobs_of_the_gitlab_file_run(examples, job):
    file = read_yaml(EXAMPLES / "gitlab-ci.yml")
    jobs = {name for name in file if "script" in file[name]}
    assert jobs == {"connectory", "pytest", "vitest", "any-language"}
    assert INSTALLS.search(file["connectory"]["script"][0])
    script = "\n".join(line for line in file[job]["script"] if not INSTALLS.search(line))
    binary = file["variables"]["CONNECTORY_BINARY"].replace("$CI_PROJECT_DIR", str(examples))
    os.makedirs(os.path.dirname(binary))
    os.symlink(BINARY, binary)
    printed = run(examples, ["bash", "-e", "-c", script], CI_PROJECT_DIR=str(examples), CONNECTORY_BINARY=binary)
    assert ("LDAP" if job == "any-language" else "5 passed") in printed


def shown():
    """The language and the text of each block of code, on the page and in the section of README."""
    readme = (ROOT / "README.md").read_text()
    begin, end = section(readme, "Test your client")
    return re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text() + readme[begin:end], flags=re.M | re.S)


def test_the_code_that_the_page_shows_is_that_of_the_examples():
    files = [path for path in EXAMPLES.rglob("*") if path.is_file() and "node_modules" not in path.parts]
    sources = [path.read_text() for path in [*files, ROOT / "crates/connectory-server/tests/in_process.rs"]]
    blocks = shown()
    assert {language for language, _ in blocks} == {"console", "python", "typescript", "rust"}
    assert [text for language, text in blocks if language != "console" and not any(text in s for s in sources)] == []


def test_the_commands_that_the_page_shows_succeed(examples):
    (examples / "tests").mkdir()
    commands = [line[2:] for language, text in shown() if language == "console" for line in text.splitlines()]
    assert len(commands) >= 2
    for command in commands:
        run(examples, ["bash", "-c", command])



def test_a_shared_server_that_has_ended_is_started_again_and_a_forked_child_ends_none(examples):
    (examples / "pytest/test_shared.py").write_text(
        "import os, urllib.request\n"
        "def is_there(server):\n"
        "    urllib.request.urlopen(f'{server.url}/health/live').close()\n"
        "def test_ends_it(connectory_session):\n"
        "    connectory_session._process.kill()\n"
        "    connectory_session._process.wait()\n"
        "def test_goes_on(connectory_session):\n"
        "    is_there(connectory_session)\n"
        "def test_a_child_ends_nothing(connectory_session):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        connectory_session.stop()\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "    is_there(connectory_session)\n"
    )
    run(examples, ["python", "-m", "pytest", "pytest/test_shared.py"])


PIPELINES = ROOT / "docs/CONNECTORS-AS-CODE.md"


def pipelines():
    """The files of the section about pipelines, by their first key."""
    readme = PIPELINES.read_text()
    begin, end = section(readme, "In a pipeline")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", readme[begin:end], flags=re.M | re.S)
    return {block.split(":")[0]: block for block in blocks}


@pytest.fixture
def reviewed(examples, start):
    """A repository with connector folders, a server, and the variables of a pipeline."""
    server = start("--rate-limit", "off", ephemeral=True)
    shutil.copytree(examples / "connectors", examples / "repository/connectors")
    return examples / "repository", server


def stub(examples, name, script):
    program = examples.parent / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)


def comments_of_a_review(examples, server, run_plan, run_apply, comment):
    """What a review sees: a plan, a refused plan, and after the merge nothing left to do."""
    run_plan()
    first = comment()
    assert first.startswith(f"`{server.url}`: 1 to create, 0 to change, 0 to delete\n"), first
    assert "\n* create `payroll`: connector.yaml +" in first, first
    folder = examples / "repository/connectors/payroll"
    (folder / "connector.yaml").write_text((folder / "connector.yaml").read_text().replace("Payroll", "JDBC"))
    run_plan(check=False)
    assert "* `payroll` would be refused: `name` is taken" in comment(), comment()
    (folder / "connector.yaml").write_text((folder / "connector.yaml").read_text().replace("JDBC", "Payroll"))
    assert "created 1, changed 0, deleted 0" in run_apply()
    run_plan()
    assert comment().strip() == f"`{server.url}`: 0 to create, 0 to change, 0 to delete"


def test_the_pipeline_of_the_page_runs_on_github(examples, reviewed):
    repository, server = reviewed
    path = examples / "github.yml"
    path.write_text(pipelines()["name"])
    steps = [step for step in read_yaml(path)["jobs"]["connectors"]["steps"] if "run" in step]
    lint, plan, apply = [step["run"] for step in steps if not INSTALLS.search(step["run"])]
    stub(examples, "gh", 'test "$*" = "pr comment 7 --body-file comment.md --edit-last --create-if-none"\ncp comment.md "$HOME/comment"\n')

    def step(script, check=True):
        return run(examples, ["bash", "-e", "-c", f"cd repository\n{script}"], check=check, PULL_REQUEST="7", **server.sail)

    step(lint)
    comments_of_a_review(
        examples, server, lambda check=True: step(plan, check), lambda: step(apply), lambda: (examples.parent / "comment").read_text())


def test_the_pipeline_of_the_page_runs_on_gitlab(examples, reviewed):
    repository, server = reviewed
    path = examples / "gitlab.yml"
    path.write_text(pipelines()["variables"])
    file = read_yaml(path)
    assert {name for name in file if "script" in file[name]} == {"connectory", "lint", "plan", "apply"}
    stub(examples, "curl", 'for last; do :; done\ntest "$last" = "https://gitlab.test/projects/3/merge_requests/7/notes"\ncp comment.json "$HOME/comment"\n')

    def job(name, check=True):
        script = "\n".join(file[name]["script"])
        return run(
            examples, ["bash", "-e", "-c", f"cd repository\n{script}"], check=check, CONNECTORY_BINARY=str(BINARY), GITLAB_TOKEN="t",
            CI_API_V4_URL="https://gitlab.test", CI_PROJECT_ID="3", CI_MERGE_REQUEST_IID="7", **server.sail)

    job("lint")
    comments_of_a_review(
        examples, server, lambda check=True: job("plan", check), lambda: job("apply"),
        lambda: json.loads((examples.parent / "comment").read_text())["body"])
