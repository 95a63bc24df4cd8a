"""Version 2 of the vendor's Python SDK, and its TypeScript SDK. Each has a program with the same functions."""

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
    interpreter, program = PROGRAMS[sdk]
    # Node.js looks for packages beside the program.
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    command = [interpreter, shutil.copy(program, tmp_path), function]
    # No configuration file of another folder is read.
    ran = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
