"""Tenants are renamed, suspended and deleted while servers serve them, on both engines."""

import shutil
import threading
import time

import pytest
import requests

from conftest import connectory
from postgres import Cluster

CLIENT = {"CONNECTORY_CLIENT_ID": "first", "CONNECTORY_CLIENT_SECRET": "a secret of 32 characters or more"}


@pytest.fixture(params=["sqlite", "postgres"])
def servers(request, start, tmp_path):
    """The servers of one database: one, or two of PostgreSQL."""
    if request.param == "sqlite":
        yield [start("--rate-limit", "off", database=tmp_path / "c.db", **CLIENT)]
        return
    if shutil.which("psql") is None:
        pytest.skip("it takes PostgreSQL")
    cluster = Cluster()
    address = cluster.address(cluster.new_database())
    yield [start("--rate-limit", "off", database=address, **CLIENT) for _ in range(2)]
    cluster.end()


def tenant(server, *arguments):
    return connectory("tenant", *arguments, "--database", server.database).stdout


def names(session, server):
    return session.get(f"{server.connectors}?limit=250", timeout=30)


def wait_for(status, *requests_):
    """Waits until all are answered with a status, which takes 5 seconds at most. A slow machine has a little longer."""
    began = time.monotonic()
    while any(request().status_code != status for request in requests_):
        assert time.monotonic() < began + 8, [request().text for request in requests_]
        time.sleep(0.1)


def create(session, server, name):
    return session.post(server.connectors, json={"name": name, "className": "x.Y"}, timeout=30)


def test_a_tenant_is_renamed_suspended_resumed_and_deleted_beside_its_servers(servers):
    one, other = servers[0], servers[-1]
    tenant(one, "create", "acme")
    client_id, secret = one.new_client("--tenant", "acme", "--level", "ORG_ADMIN", "--scopes", "sp:scopes:all")
    client = {"client_id": client_id, "secret": secret}
    session = one.session(**client)
    assert create(session, one, "HR").status_code == 200

    assert tenant(one, "rename", "acme", "umbrella") == "The tenant `acme` is `umbrella` now.\n"
    fields = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    assert requests.post(f"{other.url}/oauth/token", data=fields, timeout=30).json()["org"] == "umbrella"
    assert all(names(session, server).status_code == 200 for server in servers), "its tokens stay valid"

    stream = session.get(f"{other.url}/connectory/v1/events", stream=True, timeout=30)
    ended = threading.Event()
    threading.Thread(target=lambda: (list(stream.iter_lines()), ended.set()), daemon=True).start()
    assert "connectory tenant resume umbrella --database" in tenant(one, "suspend", "umbrella")
    refused = create(session, other, "IT")
    assert refused.status_code == 403 and "the tenant is suspended" in refused.text, refused.text
    wait_for(403, *[lambda server=server: names(session, server) for server in servers])
    assert "the tenant is suspended" in names(session, other).text
    answer = requests.post(f"{other.url}/oauth/token", data=fields, timeout=30)
    assert answer.status_code == 400 and answer.json()["error"] == "unauthorized_client"
    form = {"client_id": client_id, "client_secret": secret, "back": "/console/"}
    page = requests.post(f"{other.url}/console/sign-in", data=form, timeout=30)
    assert page.status_code == 403 and "This tenant is suspended." in page.text, page.text
    assert ended.wait(10), "a stream of events ends"
    row = next(line for line in tenant(one, "list").splitlines() if line.startswith("umbrella"))
    assert row.split()[2] == "suspended", row
    mine = one.session()
    assert names(mine, one).status_code == 200, "other tenants do not notice"

    tenant(one, "resume", "umbrella")
    wait_for(200, *[lambda server=server: names(session, server) for server in servers])
    assert create(session, other, "IT").status_code == 200

    failed = connectory("tenant", "delete", "umbrella", "--database", one.database, check=False)
    assert failed.returncode == 1 and "has 2 connectors; give --yes" in failed.stderr
    assert tenant(one, "delete", "umbrella", "--yes") == "Deleted the tenant `umbrella`.\n"
    refused = create(session, other, "Late")
    assert refused.status_code in (401, 404), refused.text
    wait_for(401, *[lambda server=server: names(session, server) for server in servers])
    tenant(one, "create", "umbrella")
    checked = connectory("database", "check", "--database", one.database).stdout
    assert "Checked 2 tenants" in checked and "Everything is what it should be." in checked, checked
    assert create(mine, other, "Mine").status_code == 200
    assert "Late" not in names(mine, one).text


def test_a_database_whose_tenants_were_all_deleted_gets_no_first_client_again(servers, start):
    server = servers[0]
    tenant(server, "delete", "default", "--yes")
    for other in servers:
        other.stop()
    again = start("--rate-limit", "off", database=server.path or server.database, **CLIENT)
    assert "All tenants of this database were deleted." in again.printed, again.printed
    assert "connectory tenant create NAME --database" in again.printed
    fields = {"grant_type": "client_credentials", "client_id": "first", "client_secret": CLIENT["CONNECTORY_CLIENT_SECRET"]}
    assert requests.post(f"{again.url}/oauth/token", data=fields, timeout=30).status_code == 401
    tenant(again, "create", "default")
    client_id, secret = again.new_client("--tenant", "default", "--level", "ORG_ADMIN", "--scopes", "sp:scopes:all")
    session = again.session(client_id=client_id, secret=secret)
    wait_for(200, lambda: names(session, again))
