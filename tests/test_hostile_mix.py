"""All attacks of `test_attacks.py` at once, for a minute, while a bystander sends requests.

The server has one core; the attackers and the bystander share another. `hostile_mix.toml` has the rates.
`CONNECTORY_MIX_SECONDS` changes the time, and `CONNECTORY_MIX_ONLY=patches,forms` selects the attackers.
"""

import json
import os
import pathlib
import time
import tomllib

import pytest
import requests

from attackers import (
    LOCALES, MIB, Bystander, Process, comparisons, conditional_fields, cookie, doubling, limited, many_fields, multipart,
    peak_mb, processor_seconds, request, reset_peak, sign_in, zeros,
)
from test_attacks import GIVEN, change_all_locales, create, fill_to_the_brim, patch, put

# All attacks at once need more than each alone: 259 MB were measured in 60 s. The rest is for noise.
MIX_MB = 300
SECONDS = float(os.environ.get("CONNECTORY_MIX_SECONDS", 60))
ONLY = os.environ.get("CONNECTORY_MIX_ONLY")
RATES = tomllib.loads((pathlib.Path(__file__).parent / "hostile_mix.toml").read_text())
JSON = {"Content_Type": "application/json"}
PATCH = {"Content_Type": "application/json-patch+json"}
FORM = {"Content_Type": "application/x-www-form-urlencoded"}


def fill_the_server(server, session):
    """Makes the connectors. Returns the number of the revision that changed all locales."""
    for n in range(RATES["server"]["connectors"] - 4):
        connector = create(server, session, f"connector {n}")
        if n < RATES["server"]["large_metadata"]:
            metadata = {"op": "add", "path": "/connectorMetadata", "value": {"notes": "x" * 60_000, "n": n}}
            assert patch(session, connector, metadata).status_code == 200
    fields = create(server, session, "fields")
    assert put(session, f"{fields}/source-config", conditional_fields(12_000)).json()["status"] == "UPDATED"
    long = create(server, session, "long")
    config = f'<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd"><!--{"x" * (4 * MIB)}--></Form>'
    assert put(session, f"{long}/source-config", config).json()["status"] == "UPDATED"
    fill_to_the_brim(session, create(server, session, "large"))
    return change_all_locales(server, session, create(server, session, "texts"))


def attacks(server, folder, changed):
    """The attackers: their kinds and jobs."""
    admin, reader = server.token(), server.token()
    denied = server.new_client("--level", "USER")
    nobody = server.token(client_id=denied[0], secret=denied[1])
    session = cookie(sign_in(server))
    files = iter(range(1_000_000))

    def stored(prepared):
        """Files with these bytes, for a process to read."""
        names = []
        for bytes_ in prepared:
            names.append(str(folder / f"{next(files)}"))
            pathlib.Path(names[-1]).write_bytes(bytes_)
        return names

    def patched(name, operations):
        return request("PATCH", f"/v3/connectors/{name}", json.dumps(operations).encode(), admin, **PATCH)

    def selected(number, token):
        chosen = (requests.models.requote_uri(comparisons(95, n)) for n in range(number))
        return [request("GET", f"/v3/connectors?count=true&filters={each}", token=token) for each in chosen]

    def page(path):
        return request("GET", f"/console/connectors/{path}", Cookie=session)

    copies = [{"op": "copy", "from": "/sourceConfigXml", "path": "/sourceConfigXml"}] * 1000
    size = 10 * MIB - 100
    stalled = request("POST", "/v3/connectors", b'"' + b"x" * (size - 2), admin, length=size, **JSON)
    form, form_type = multipart(many_fields(9 * MIB), "grant_type")
    every = "&".join(f"locale={locale}" for locale in LOCALES)
    lists = [request("GET", f"/v3/connectors?offset={n}", token=reader) for n in range(250)]
    details = [request("GET", f"/v3/connectors/long?locale={locale}", token=reader) for locale in LOCALES]
    changes = ([{"op": "add", "path": "/connectorMetadata/n", "value": n}] for n in range(1000))

    asked = {
        "patches": [patched("connector-500", doubling(24)), patched("connector-501", doubling(60)), patched("long", copies)],
        "values": [request("POST", "/v3/connectors", zeros(10 * MIB), admin, **JSON)],
        "forms": [
            request("POST", "/oauth/token", many_fields(10 * MIB - 10), **FORM),
            request("POST", "/console/sign-in", many_fields(10 * MIB - 10), **FORM),
            request("POST", "/console/sign-in", form, Content_Type=form_type),
        ],
        "previews": [page(f"fields/preview?locale={locale}") for locale in LOCALES] + [page("fields/documents/source-config")],
        "grids": [page("texts/translations"), page(f"large/translations?{every}"), page("texts"), page("large")],
        "differences": [page(f"texts/history/{changed}")],
        "large": [patched("large", change) for change in changes],
        "denied": selected(500, nobody),
        "filters": selected(500, reader),
        "unknown": [request("GET", f"/nothing/{n}") for n in range(100)],
    }
    held = {
        "stalled": ([stalled], {}),
        "silent": ([b""], {}),
        "prefaces": ([b"PRI * HTTP/2.0", b"PRI * HTTP/2.0\r\n\r\nSM"], {}),
        "heads": ([b"GET /v3/conn"], {}),
        "readers": (lists[:30] + details, {"reads": False}),
    }
    streams = {
        "http2_bodies": {"path": "/v3/connectors", "token": admin},
        "http2_answers": {"path": "/v3/connectors?offset={}", "token": reader},
    }
    for name, prepared in asked.items():
        yield name, "asker", {"files": stored(prepared)}
    for name, (prepared, more) in held.items():
        yield name, "holder", {"files": stored(prepared), "reads": True} | more
    for name, job in streams.items():
        yield name, name, job


def test_a_bystander_notices_nothing_of_all_attacks_at_once(start, tmp_path):
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("the server and its attackers need a core each")
    reading, writing = os.pipe()

    def prepare():
        limited(memory=4 << 30, files=(1024, 8192))()
        os.sched_setaffinity(0, {cores[0]})

    server = start("--rate-limit", "off", folder=tmp_path, prepare=prepare, stderr=writing, **GIVEN)
    os.close(writing)
    # The log is not read from now on.
    changed = fill_the_server(server, server.session())
    filled = peak_mb(server)
    reset_peak(server)

    processes = []
    try:
        for n, (name, kind, job) in enumerate(attacks(server, tmp_path, changed)):
            if ONLY and name not in ONLY.split(","):
                continue
            source = f"127.0.0.{10 + n}"
            sources = [f"127.0.{n}.{last}" for last in ([2, 3, 4] if name in ("silent", "prefaces", "heads") else [2])]
            common = {"url": server.url, "seconds": SECONDS, "source": source, "sources": sources}
            processes.append((name, Process(kind, nice=5, core=cores[1], **common, **job, **RATES[name])))
        for _, process in processes:
            process.wait_until_prepared()
        bystander = Bystander(
            server, "/v3/connectors/connector-700", RATES["bystander"]["every"], nice=-5, core=cores[1],
        )
        busy = processor_seconds(server)
        with bystander:
            for _, process in processes:
                process.begin()
            time.sleep(SECONDS)
        used = processor_seconds(server) - busy if server.process.poll() is None else float("nan")
        told = {name: process.told() for name, process in processes}
    finally:
        for _, process in processes:
            process.kill()

    peak = peak_mb(server) if server.process.poll() is None else float("inf")
    took = [bystander.percentile(percent) * 1000 for percent in (50, 99, 100)]
    late = [bystander.percentile(percent, "late") * 1000 for percent in (50, 99, 100)]
    print()
    for name, result in told.items():
        print(f"{name}: {result}")
    print(f"server: {used / SECONDS:.0%} of its core, {peak:.0f} MB at most, {filled:.0f} MB while it was filled")
    print(f"bystander: {len(bystander.told['took'])} gets, {len(bystander.failed)} failed")
    for what, (half, most, all_) in {"took": took, "answered after it was due": late}.items():
        print(f"bystander, {what}: p50 {half:.1f} ms, p99 {most:.1f} ms, slowest {all_:.1f} ms")

    assert server.process.poll() is None, f"the server ended: {server.process.returncode}"
    assert requests.get(f"{server.url}/health/ready", timeout=10).status_code == 200
    assert not bystander.failed, bystander.failed[:3]
    assert len(bystander.told["took"]) >= SECONDS / RATES["bystander"]["every"] / 2
    assert all(told.values()), f"attackers failed: {[name for name, result in told.items() if not result]}"
    assert peak < MIX_MB
    assert took[1] < 100, f"p99 of {took[1]:.0f} ms"
    os.close(reading)
