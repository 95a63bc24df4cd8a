"""Version 2 of the vendor's Python SDK, and its TypeScript SDK. Each has a program with the same functions."""

import re
import shutil
import subprocess

import pytest

from conftest import NODE_MODULES, ROOT, SDK_2, environment

PROGRAMS = {"python-2": (SDK_2, ROOT / "tests/python-2/sdk.py"), "typescript": ("node", ROOT / "tests/typescript/sdk.mjs")}


@pytest.mark.parametrize("sdk", PROGRAMS)
@pytest.mark.parametrize(
    "function, rate_limit",
    [
        ("a_connector_lives_its_whole_life", "off"),
        ("lists_filter_page_and_count", "off"),
        ("refusals_are_exceptions", "off"),
        ("the_rate_limit_is_waited_out", "5/1s"),
        ("the_rate_limit_is_an_exception", "5/60s"),
    ],
)
def test_the_sdk_works_unchanged(start, tmp_path, sdk, function, rate_limit):
    server = start("--rate-limit", rate_limit, ephemeral=True)
    client_id, secret = server.new_client("--scopes", "idn:connector-config:read")
    variables = environment(**server.sail, READER_ID=client_id, READER_SECRET=secret)
    run(sdk, function, tmp_path, variables)


@pytest.mark.parametrize(
    "sdk, fault, gets, posts",
    [
        ("python-2", "429", 4, 1),
        ("python-2", "500", 1, 1),
        ("python-2", "drop", 4, 1),
        ("python-2", "truncate", 1, 1),
        ("typescript", "429", 1, 1),
        ("typescript", "503", 4, 1),
        ("typescript", "html", 4, 1),
        ("typescript", "drop", 4, 4),
        ("typescript", "truncate", 1, 1),
    ],
)
def test_the_sdk_repeats_some_requests_after_some_faults(start, tmp_path, sdk, fault, gets, posts):
    """As docs/TESTING-YOUR-CLIENT.md says."""
    faults = f"{fault}=100%,retry-after=0"
    server = start("--fault", faults, "--fault", "POST /oauth/token: 429=0%", ephemeral=True)
    run(sdk, "a_list_and_a_create_fail", tmp_path, environment(**server.sail))
    server.stop()
    requests = re.findall(r'method=(\w+) path="(?:/v2024/connectors|/connectors/v1)"', server.log)
    assert (requests.count("GET"), requests.count("POST")) == (gets, posts)


def run(sdk, function, folder, variables):
    interpreter, program = PROGRAMS[sdk]
    # Node.js looks for packages beside the program.
    (folder / "node_modules").symlink_to(NODE_MODULES)
    command = [interpreter, shutil.copy(program, folder), function]
    # No configuration file of another folder is read.
    ran = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
