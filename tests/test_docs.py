"""What the documentation names exists: its links, and the tests of the threat model."""

import re
import subprocess

from conftest import ROOT


def test_relative_links_lead_to_files():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    broken = []
    for name in listed.split():
        text = re.sub(r"```.*?```", "", (ROOT / name).read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path = target.split("#")[0]
            if path and "://" not in path and not (ROOT / name).parent.joinpath(path).exists():
                broken.append(f"{name}: {target}")
    assert broken == []


def test_the_threat_model_names_tests_that_exist():
    sources = subprocess.run(["git", "ls-files", "*.rs", "tests/*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    code = "\n".join((ROOT / name).read_text() for name in sources.stdout.split())
    lines = [line for line in (ROOT / "docs/SECURITY.md").read_text().splitlines() if line.startswith("| ")]
    named = [name for line in lines for name in re.findall(r"`((?:[a-z0-9]+_){3,}[a-z0-9]+)`", line.split(" | ")[-1])]
    assert len(named) > 30
    assert [name for name in named if not re.search(rf"(fn|def) {name}\b", code)] == []
