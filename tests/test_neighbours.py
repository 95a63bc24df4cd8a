"""One tenant and one client are hostile; another client of the same tenant, and its console, notice nothing.

The server has one core; all others share another. Quiet and attacked times take turns, so that noise is in both.
`CONNECTORY_NEIGHBOURS_SECONDS` changes the time of a turn.
"""

import os
import pathlib
import threading
import time

import pytest
import requests

from attackers import MIB, Bystander, Process, cookie, limited, request, sign_in
from conftest import connectory
from test_attacks import GIVEN, create, put

SECONDS = float(os.environ.get("CONNECTORY_NEIGHBOURS_SECONDS", 4))
TURNS = 3
FORM = {"Content_Type": "application/x-www-form-urlencoded"}
# The rate limit holds for everyone. It is ten times the default, so that the bystander can be measured often.
LIMIT = "1000/10s"


def percentile(times, percent):
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Timed(threading.Thread):
    """Does something again and again, and notes how long each took."""

    def __init__(self, action, every):
        super().__init__(daemon=True)
        self.action, self.every, self.took, self.failed, self.ended = action, every, [], [], False

    def run(self):
        while not self.ended:
            began = time.perf_counter()
            answer = self.action()
            self.took.append(time.perf_counter() - began)
            if answer.status_code != 200:
                self.failed.append(f"{answer.status_code} {answer.text[:200]}")
            time.sleep(self.every)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.join()


def client(server, tenant):
    created = server.new_client("--tenant", tenant)
    return {"client_id": created[0], "secret": created[1]}


def token_request(credentials, wrong=False):
    secret = "wrong" if wrong else credentials["secret"]
    form = f"grant_type=client_credentials&client_id={credentials['client_id']}&client_secret={secret}"
    return request("POST", "/oauth/token", form.encode(), **FORM)


def attackers(server, folder, hostile_tenant, hostile_client, victim, large):
    """What each attacker sends: the requests, and the kind, rate and number of its connections."""
    theirs, ours = server.token(**hostile_tenant), server.token(**hostile_client)
    pages = [request("GET", f"/v3/connectors?offset={n % 200}&limit={1 + n // 200}", token=theirs) for n in range(5000)]
    details = [request("GET", f"{path}?locale={locale}", token=token)
               for locale in ("de", "en", "fr", "ja", "pl") for path, token in ((large[0], theirs), (large[1], ours))]
    body = b'"' + b"x" * (9 * MIB)
    stalled = request("POST", "/v3/connectors", body, ours, length=len(body) + 100, Content_Type="application/json")
    sign_ins = request(
        "POST", "/console/sign-in",
        f"client_id={hostile_client['client_id']}&client_secret={hostile_client['secret']}".encode(), **FORM)
    sends = {
        "pages": (pages, "asker", 2, 90),
        "large details": (details, "asker", 8, 20),
        "tokens": ([token_request(hostile_tenant)], "asker", 4, 10),
        "wrong secrets for the victim": ([token_request(victim, wrong=True)], "asker", 4, 20),
        "sign-ins": ([sign_ins], "asker", 2, 5),
        "unknown clients": ([token_request({"client_id": "nobody", "secret": "x"})], "asker", 4, 20),
        "stalled uploads": ([stalled], "holder", 20, 5),
        "unread answers": (details, "holder", 20, 5),
    }
    for number, (name, (prepared, kind, connections, per_second)) in enumerate(sends.items()):
        files = []
        for at, bytes_ in enumerate(prepared):
            files.append(str(folder / f"{number}-{at}"))
            pathlib.Path(files[-1]).write_bytes(bytes_)
        source = f"127.0.0.{20 + number}"
        yield {"kind": kind, "url": server.url, "files": files, "source": source, "sources": [source],
               "reads": name != "unread answers", "connections": connections, "per_second": per_second}


def test_a_client_notices_nothing_of_a_hostile_tenant_and_a_hostile_client_of_its_own(start, tmp_path):
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("the server and its clients need a core each")

    def prepare():
        limited(memory=4 << 30, files=(1024, 8192))()
        os.sched_setaffinity(0, {cores[0]})

    server = start("--rate-limit", LIMIT, folder=tmp_path, prepare=prepare, **GIVEN)
    connectory("tenant", "create", "hostile", "--database", server.database)
    hostile_tenant, hostile_client = client(server, "hostile"), client(server, "default")
    config = f'<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd"><!--{"x" * (4 * MIB)}--></Form>'
    large = []
    for credentials in (hostile_tenant, {}):
        session = server.session(**credentials)
        connector = create(server, session, "large")
        assert put(session, f"{connector}/source-config", config).json()["status"] == "UPDATED"
        large.append(connector.removeprefix(server.url))
    for n in range(150):
        create(server, session, f"connector {n}")
    console = {"Cookie": cookie(sign_in(server))}
    victim = {"client_id": server.client_id, "secret": server.secret}
    reader = {"Authorization": f"Bearer {server.token()}"}
    form = {"grant_type": "client_credentials", "client_id": server.client_id, "client_secret": server.secret}

    measured = {kind: {"get": [], "token": [], "page": [], "large": []} for kind in ("quiet", "attacked")}

    def measure(kind):
        get = Bystander(server, "/v3/connectors/connector-70", 0.02, nice=-5, core=cores[1])
        token = Timed(lambda: requests.post(f"{server.url}/oauth/token", data=form, timeout=30), 0.2)
        page = Timed(lambda: requests.get(f"{server.url}/console/activity", headers=console, timeout=30), 0.2)
        document = Timed(lambda: requests.get(
            f"{server.url}{large[1]}/source-config", headers=reader, timeout=30), 0.5)
        with get, token, page, document:
            time.sleep(SECONDS)
        for name, took, failed in (("get", get.told["took"], get.failed), ("token", token.took, token.failed),
                                   ("page", page.took, page.failed), ("large", document.took, document.failed)):
            assert not failed, f"{kind} {name}: {failed[:3]}"
            measured[kind][name] += took

    for _ in range(TURNS):
        measure("quiet")
        processes = []
        try:
            jobs = attackers(server, tmp_path, hostile_tenant, hostile_client, victim, large)
            for job in jobs:
                kind = job.pop("kind")
                processes.append(Process(kind, nice=5, core=cores[1], seconds=SECONDS + 4, **job))
            for process in processes:
                process.wait_until_prepared()
            for process in processes:
                process.begin()
            time.sleep(1)
            measure("attacked")
        finally:
            for process in processes:
                process.kill()
        time.sleep(1)

    table = {
        name: [round(percentile(measured[kind][name], percent) * 1000, 1) for percent in (50, 99) for kind in measured]
        for name in measured["quiet"]
    }
    print("ms: median quiet and attacked, 99 % quiet and attacked:", table)
    for name, most in {"get": 0.05, "token": 0.25, "page": 0.25, "large": 0.5}.items():
        slow = percentile(measured["attacked"][name], 99)
        assert slow < most, f"{name}: {slow:.3f} s, {table}"
