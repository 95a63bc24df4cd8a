"""No acknowledged write is lost, whatever happens to the database while a server uses it."""

import hashlib
import itertools
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import pytest
import requests

from conftest import BINARY, Faults, Server, connectory, environment

BODY = {"className": "x.Y"}


class Tenant:
    """A client that remembers which writes the server acknowledged."""

    def __init__(self, server):
        self.server = server
        self.token = server.token()
        self.acknowledged = []

    @property
    def headers(self):
        return {"Authorization": f"Bearer {self.token}"}

    def create(self, name, timeout=30):
        """Creates a connector and returns the response."""
        body = {"name": name} | BODY
        answer = requests.post(self.server.connectors, json=body, headers=self.headers, timeout=timeout)
        if answer.status_code == 200:
            self.acknowledged.append(name)
        return answer

    def create_some(self, number, prefix):
        for n in range(number):
            assert self.create(f"{prefix} {n}").status_code == 200

    def listed(self):
        names = []
        while True:
            query = f"?custom=true&offset={len(names)}"
            answer = requests.get(self.server.connectors + query, headers=self.headers, timeout=30)
            assert answer.status_code == 200, answer.text
            if not (page := answer.json()):
                return names
            names += [connector["name"] for connector in page]

    def assert_nothing_lost_by_a_kill(self):
        """Kills the server, starts it again, and looks for all acknowledged writes."""
        self.server.kill()
        self.server.start()
        self.token = self.server.token()
        lost = set(self.acknowledged) - set(self.listed())
        assert not lost, f"{len(lost)} of {len(self.acknowledged)} acknowledged and gone"


def ready(server, what=""):
    return requests.get(f"{server.url}/health/ready{what}", timeout=10)


def within(seconds, holds, what):
    """Waits until a condition is true."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return value


def assert_refused_for_now(answer, status):
    """Asserts that a write is refused for now, with the status, `Retry-After` and the reason as JSON."""
    assert answer.status_code == status, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    body = answer.json()
    assert body["trackingId"] and body["messages"][0]["text"], body


def assert_only_reads(tenant, word):
    """Asserts that the server reports that it cannot write, with the reason, and still reads."""
    server = tenant.server
    within(5, lambda: ready(server).status_code == 503, "it says that it is ready, and no write would succeed")
    assert re.search(word, ready(server).text), ready(server).text
    assert ready(server, "?for=reads").status_code == 200
    assert set(tenant.acknowledged) <= set(tenant.listed())
    for path in ["/active-directory-ldap/source-config", "?limit=3&filters=name%20co%20%22a%22", "/active-directory-ldap"]:
        got = requests.get(server.connectors + path, headers=tenant.headers, timeout=10)
        assert got.status_code in (200, 404), got.text


def assert_recovered(tenant, name):
    """Asserts that the server writes again by itself and reports it."""
    within(15, lambda: tenant.create(name).status_code == 200, "it does not write again by itself")
    within(5, lambda: ready(tenant.server).status_code == 200, "it does not say that it is ready again")


@pytest.fixture
def tenant(start):
    return Tenant(start("--rate-limit", "off"))


def mount(*arguments):
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")


def unmount(path):
    subprocess.run(["umount", "--lazy", str(path)], capture_output=True, timeout=30)


@pytest.fixture
def small_disk():
    """A file system of 8 MiB in memory."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="connectory-disk-"))
    mount("-t", "tmpfs", "-o", "size=8m,mode=700", "none", folder)
    yield folder
    unmount(folder)
    folder.rmdir()


# Opening the database from outside.

# Programs that open and close the database, each in its own process.
OUTSIDE = """
import sqlite3, sys, time
path, mode, until = sys.argv[1], sys.argv[2], time.monotonic() + float(sys.argv[3])
while True:
    connection = sqlite3.connect(path, timeout=5)
    try:
        connection.execute("SELECT count(*) FROM connectors").fetchone()
        if mode == "backup":
            copy = sqlite3.connect(":memory:")
            connection.backup(copy)
            assert copy.execute("PRAGMA quick_check").fetchone() == ("ok",)
            copy.close()
        elif mode == "checkpoint":
            connection.execute("PRAGMA wal_checkpoint").fetchall()
        elif mode == "truncate":
            connection.execute("PRAGMA busy_timeout = 50")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
    finally:
        connection.close()
    if time.monotonic() > until:
        break
    time.sleep(0.01)
"""


def outside(path, mode="select", seconds=0.0):
    return subprocess.Popen([sys.executable, "-c", OUTSIDE, str(path), mode, str(seconds)], stderr=subprocess.PIPE, text=True)


def assert_done(*processes):
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors


def test_what_was_acknowledged_before_and_after_someone_looked_into_the_database_survives_a_kill(tenant):
    tenant.create_some(25, "before")
    assert_done(outside(tenant.server.path))
    tenant.create_some(25, "after")
    tenant.assert_nothing_lost_by_a_kill()


def test_backups_reads_and_checkpoints_from_outside_under_load_lose_nothing(tenant):
    server = tenant.server
    for round_number in range(4):
        stop = threading.Event()

        def write(worker):
            session = requests.Session()
            session.headers.update(tenant.headers)
            for n in range(10_000):
                name = f"c {round_number} {worker} {n}"
                try:
                    if stop.is_set() or session.post(server.connectors, json={"name": name} | BODY, timeout=10).status_code != 200:
                        return
                except requests.RequestException:
                    return
                tenant.acknowledged.append(name)

        before = len(tenant.acknowledged)
        writers = [threading.Thread(target=write, args=[worker]) for worker in range(6)]
        for writer in writers:
            writer.start()
        modes = ["select", "backup", "checkpoint", "truncate"]
        guests = [outside(server.path, mode, 1) for mode in modes]
        assert_done(*guests)
        time.sleep(0.1)
        server.kill()
        stop.set()
        for writer in writers:
            writer.join()
        assert len(tenant.acknowledged) > before + 50, "too few writes to prove anything"
        server.start()
        tenant.token = server.token()
        lost = set(tenant.acknowledged) - set(tenant.listed())
        assert not lost, f"{len(lost)} of {len(tenant.acknowledged)} acknowledged and gone"
    server.stop()
    with sqlite3.connect(server.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def holds_the_lock(server):
    """Whether the server holds a shared lock on its database, as every other SQLite sees it."""
    inode = server.path.stat().st_ino
    lines = pathlib.Path("/proc/locks").read_text().splitlines()
    held = [line.split() for line in lines if re.search(rf"POSIX +ADVISORY +READ +{server.process.pid} \S+:{inode} ", line)]
    # SQLite locks these 510 bytes for shared locks. They follow the pending byte and the reserved byte.
    return any(int(line[-2]) >= 0x40000002 and int(line[-2]) < 0x40000002 + 510 for line in held)


def test_the_server_holds_its_lock_on_the_database_whatever_happens_beside_it(tenant):
    server = tenant.server
    assert holds_the_lock(server), "after the start"
    connectory("client", "list", "--database", server.database)
    assert holds_the_lock(server), "after a command that read beside it"
    server.new_client()
    assert holds_the_lock(server), "after a command that wrote beside it"
    tenant.create_some(300, "c")
    tenant.listed()
    for name in ["c-7", "c-8"]:
        assert requests.get(f"{server.connectors}/{name}", headers=tenant.headers, timeout=30).ok
    assert holds_the_lock(server), "after load"
    time.sleep(0.5)
    assert holds_the_lock(server), "after the log was copied"
    assert_done(outside(server.path, "truncate"))
    assert holds_the_lock(server), "after a checkpoint from outside"
    connectory("serve", "--listen", "127.0.0.1:0", "--database", server.database, check=False)
    assert holds_the_lock(server), "after a second server was refused"
    tenant.assert_nothing_lost_by_a_kill()
    assert holds_the_lock(server), "after a start on a log that was left"


# A second server on the same database by another name.


def refusal(path):
    """Starts a server that must refuse its database, and returns its error."""
    arguments = [BINARY, "serve", "--listen", "127.0.0.1:0", "--database", f"sqlite:{path}"]
    process = subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    try:
        output, errors = process.communicate(timeout=3)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
    assert "is ready at" not in output, "a second server runs on the same database"
    assert process.returncode == 1, errors
    return errors


def hard_link(path, folder):
    os.link(path, folder / "linked.db")
    return folder / "linked.db"


def symbolic_link(path, folder):
    (folder / "pointed.db").symlink_to(path)
    return folder / "pointed.db"


def symbolic_link_to_the_folder(path, folder):
    (folder / "elsewhere").symlink_to(path.parent)
    return folder / "elsewhere" / path.name


def renamed(path, folder):
    return path.rename(folder / "renamed.db")


def without_its_lock_file(path, _):
    path.with_name(path.name + ".lock").unlink()
    return path


def bind_mounted(path, folder):
    (folder / "mounted.db").touch()
    mount("--bind", path, folder / "mounted.db")
    return folder / "mounted.db"


WAYS = [hard_link, symbolic_link, symbolic_link_to_the_folder, renamed, without_its_lock_file, bind_mounted]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_second_server_on_the_same_database_by_another_way_is_refused(tenant, way):
    path, folder = tenant.server.path, tenant.server.folder / "other"
    folder.mkdir()
    tenant.create_some(10, "before")
    other = way(path, folder)
    try:
        assert re.search(r"in use by another process|\blinks?\b|mounted by itself", refusal(other))
        if other.name == "renamed.db":
            other.rename(path)
        elif other.name == "linked.db":
            other.unlink()
    finally:
        if other.name == "mounted.db":
            unmount(other)
    assert_recovered(tenant, "after")
    tenant.assert_nothing_lost_by_a_kill()


def test_a_database_with_two_links_is_refused_at_the_start(tenant):
    tenant.create_some(3, "c")
    tenant.server.kill()
    other = tenant.server.folder / "linked.db"
    os.link(tenant.server.path, other)
    for path in [tenant.server.path, other]:
        assert "link" in refusal(path)
    other.unlink()
    tenant.server.start()
    tenant.token = tenant.server.token()
    assert len(tenant.listed()) == 3


def test_a_symbolic_link_to_a_database_is_that_database(tenant):
    tenant.create_some(3, "c")
    tenant.server.kill()
    link = tenant.server.folder / "link.db"
    link.symlink_to(tenant.server.path)
    real, tenant.server.database = tenant.server.database, f"sqlite:{link}"
    tenant.server.start()
    tenant.token = tenant.server.token()
    tenant.create_some(3, "d")
    assert "in use by another process" in refusal(tenant.server.path)
    assert not (tenant.server.folder / "link.db-wal").exists(), "a log beside the link is lost when the link is"
    tenant.server.database = real
    tenant.assert_nothing_lost_by_a_kill()


# While writes would fail.


def test_without_space_writes_wait_and_reads_go_on(start, small_disk):
    tenant = Tenant(start("--rate-limit", "off", database=small_disk / "connectory.db"))
    server = tenant.server
    tenant.create_some(20, "before")
    assert ready(server).status_code == 200
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))

    refused = None
    deadline = time.monotonic() + 20
    # The log may have room for some more.
    for n in range(5000):
        refused = tenant.create(f"while full {n}")
        if refused.status_code != 200:
            break
        assert time.monotonic() < deadline, "it writes without space"
    assert_refused_for_now(refused, 507)
    assert_only_reads(tenant, "space")
    # A copy of the log into the database frees space in the log, so small changes may succeed again.
    assert tenant.create("perhaps").status_code in (200, 507)
    config = f'<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd" name="{os.urandom(2_000_000).hex()}"/>'
    put = requests.put(
        f"{server.connectors}/before-1/source-config", files={"file": config}, headers=tenant.headers, timeout=30,
    )
    assert_refused_for_now(put, 507)

    filler.unlink()
    assert_recovered(tenant, "still full")
    tenant.create_some(20, "after")
    assert server.process.poll() is None
    tenant.assert_nothing_lost_by_a_kill()


def test_space_for_a_page_but_not_for_a_change_is_not_ready(start, small_disk):
    tenant = Tenant(start("--rate-limit", "off", database=small_disk / "connectory.db"))
    tenant.create_some(50, "before")
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))
    for n in range(5000):
        if tenant.create(f"full {n}").status_code != 200:
            break
    else:
        pytest.fail("it writes without space")
    os.truncate(filler, filler.stat().st_size - 2 * 4096)
    for n in range(3):
        # The last failure no longer counts, so the server checks.
        time.sleep(1.1)
        answer = ready(tenant.server).status_code
        created = tenant.create(f"nearly full {n}").status_code
        assert answer == 503 or created == 200, "it says that it is ready, and a change finds no space"
    filler.unlink()
    assert_recovered(tenant, "after")


def test_a_kill_while_there_is_no_space_loses_nothing(start, small_disk):
    tenant = Tenant(start("--rate-limit", "off", database=small_disk / "connectory.db"))
    filler = small_disk / "filler"
    for round_number in range(3):
        tenant.create_some(20, f"before {round_number}")
        with open(filler, "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
        for n in range(2000):
            if tenant.create(f"full {round_number} {n}").status_code != 200:
                break
        tenant.server.kill()
        filler.unlink()
        tenant.assert_nothing_lost_by_a_kill()


def test_on_a_file_system_that_becomes_read_only_writes_wait_and_reads_go_on(start, small_disk):
    tenant = Tenant(start("--rate-limit", "off", database=small_disk / "connectory.db"))
    tenant.create_some(5, "before")
    remounted = subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], capture_output=True, text=True, timeout=30)
    if remounted.returncode != 0:
        pytest.skip(f"the system does not make a file system read-only that is in use: {remounted.stderr.strip()}")
    assert_refused_for_now(tenant.create("read-only"), 503)
    assert_only_reads(tenant, "read-only")
    mount("-o", "remount,rw", small_disk)
    assert_recovered(tenant, "read-only")


def test_a_database_on_a_read_only_file_system_is_refused_at_the_start(start, small_disk):
    tenant = Tenant(start("--rate-limit", "off", database=small_disk / "connectory.db"))
    tenant.create_some(5, "before")
    tenant.server.stop()
    mount("-o", "remount,ro", small_disk)
    assert re.search("(?i)read-?only", refusal(tenant.server.path))
    mount("-o", "remount,rw", small_disk)
    tenant.server.start()
    tenant.token = tenant.server.token()
    assert_recovered(tenant, "after")


LOCKS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
connection.close()
"""


def test_while_someone_else_holds_the_database_writes_wait_and_reads_go_on(tenant):
    tenant.create_some(5, "before")
    holder = subprocess.Popen(
        [sys.executable, "-c", LOCKS, str(tenant.server.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        assert holder.stdout.readline() == "locked\n"
        began = time.monotonic()
        assert_refused_for_now(tenant.create("locked"), 503)
        assert time.monotonic() - began < 8
        assert_only_reads(tenant, "lock|busy|use")
    finally:
        holder.communicate(timeout=30)
    assert_recovered(tenant, "locked")
    tenant.assert_nothing_lost_by_a_kill()


def test_a_short_transaction_of_someone_else_only_delays_a_write(tenant):
    holder = subprocess.Popen(
        [sys.executable, "-c", LOCKS, str(tenant.server.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    assert holder.stdout.readline() == "locked\n"
    ends = threading.Timer(0.5, holder.stdin.close)
    ends.start()
    assert tenant.create("waits").status_code == 200
    assert holder.wait(timeout=30) == 0


def test_while_the_database_is_missing_nothing_is_written_and_none_is_made(tenant):
    server = tenant.server
    tenant.create_some(20, "before")
    away = server.path.rename(server.folder / "away.db")
    assert_refused_for_now(tenant.create("missing"), 503)
    assert_only_reads(tenant, "gone|missing|no longer|not there|vanished|not exist|removed")
    # Connectors that are not in memory are read from the database, perhaps through connections opened only now.
    for name in ["before-3", "before-4", "before-5"]:
        requests.get(f"{server.connectors}/{name}", headers=tenant.headers, timeout=10)
    connectory("client", "list", "--database", server.database, check=False)
    connectory("client", "create", "x", "--database", server.database, check=False)
    assert not server.path.exists(), "an empty database is where the real one was"
    away.rename(server.path)
    assert_recovered(tenant, "missing")
    tenant.assert_nothing_lost_by_a_kill()


def test_a_start_beside_the_log_of_a_database_that_is_gone_makes_no_empty_one(tenant):
    server = tenant.server
    tenant.create_some(20, "before")
    server.kill()
    log = server.path.with_name(server.path.name + "-wal")
    kept = log.read_bytes()
    assert kept, "the kill left a log"
    away = server.path.rename(server.folder / "away.db")
    assert re.search(re.escape(log.name) + "|log", refusal(server.path))
    assert not server.path.exists() and log.read_bytes() == kept
    away.rename(server.path)
    server.start()
    tenant.token = server.token()
    assert set(tenant.acknowledged) <= set(tenant.listed())


@pytest.mark.parametrize("other", ["a copy", "an empty file"])
def test_nothing_is_acknowledged_while_another_file_is_in_the_databases_place(tenant, other):
    server = tenant.server
    tenant.create_some(20, "before")
    foreign = server.folder / "foreign.db"
    if other == "a copy":
        copies = "import sqlite3, sys; a, b = map(sqlite3.connect, sys.argv[1:]); a.backup(b)"
        subprocess.run([sys.executable, "-c", copies, str(server.path), str(foreign)], check=True, timeout=60)
    else:
        foreign.touch()
    before = hashlib.sha256(foreign.read_bytes()).digest(), foreign.stat().st_ino
    away = server.path.rename(server.folder / "away.db")
    foreign.rename(server.path)

    for n in range(5):
        assert_refused_for_now(tenant.create(f"replaced {n}"), 503)
    assert_only_reads(tenant, "another|other|replaced|not the")
    assert (hashlib.sha256(server.path.read_bytes()).digest(), server.path.stat().st_ino) == before, "it is touched"
    away.rename(server.path)
    assert_recovered(tenant, "replaced 1")
    tenant.assert_nothing_lost_by_a_kill()


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_nothing_is_acknowledged_without_the_log_that_a_restart_would_read(tenant, suffix):
    tenant.create_some(20, "before")
    time.sleep(0.6)
    beside = tenant.server.path.with_name(tenant.server.path.name + suffix)
    beside.unlink()
    for n in range(5):
        assert_refused_for_now(tenant.create(f"without {n}"), 503)
    assert_only_reads(tenant, re.escape(suffix) + "|log|removed|gone|missing")
    for n in range(5):
        tenant.create(f"later {n}")
    tenant.assert_nothing_lost_by_a_kill()


@pytest.mark.parametrize("end", ["", "-wal"])
def test_nothing_is_acknowledged_while_the_database_has_a_second_name(tenant, end):
    server = tenant.server
    tenant.create_some(5, "before")
    second = server.folder / f"second.db{end}"
    os.link(f"{server.path}{end}", second)
    time.sleep(0.02)
    for n in range(3):
        assert_refused_for_now(tenant.create(f"linked {n}"), 503)
    assert_only_reads(tenant, "another name")
    second.unlink()
    assert_recovered(tenant, "linked 1")
    tenant.assert_nothing_lost_by_a_kill()


def backup(path, to):
    source, target = sqlite3.connect(path), sqlite3.connect(to)
    source.backup(target)
    source.close()
    target.close()


def vacuumed(path, to):
    source = sqlite3.connect(path)
    source.execute("VACUUM INTO ?", (str(to),))
    source.close()


def copied_after_a_stop(path, to):
    shutil.copyfile(path, to)


@pytest.mark.parametrize("into_place", [shutil.copyfile, os.rename], ids=["copied", "renamed"])
@pytest.mark.parametrize("saved", [backup, vacuumed, copied_after_a_stop])
def test_a_backup_is_not_served_with_the_log_of_the_database_that_it_replaces(tenant, saved, into_place):
    server = tenant.server
    tenant.create_some(5, "saved")
    away = server.folder / "backup.db"
    if saved is copied_after_a_stop:
        server.stop()
        saved(server.path, away)
        server.start()
        tenant.token = server.token()
    else:
        saved(server.path, away)
    kept = list(tenant.acknowledged)
    tenant.create_some(30, "lost by restoring")
    server.kill()
    log = server.path.with_name(server.path.name + "-wal")
    assert log.stat().st_size, "the kill left a log"
    into_place(away, server.path)
    before = server.path.read_bytes()
    for refused in (refusal(server.path), connectory("client", "list", "--database", f"sqlite:{server.path}", check=False).stderr):
        assert "was not written for the database" in refused and log.name in refused, refused
    assert server.path.read_bytes() == before and log.exists()

    for end in ("-wal", "-shm"):
        server.path.with_name(server.path.name + end).unlink()
    server.start()
    tenant.token = server.token()
    assert sorted(tenant.listed()) == sorted(kept)
    check = sqlite3.connect(server.path)
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


def marks(server):
    """Returns the marks in the lock file, which say which database the log belongs to."""
    noted = server.path.with_name(server.path.name + ".lock").read_text()
    assert noted, "the lock file is empty"
    return [line for line in noted.splitlines()[1:] if line.strip()]


@pytest.mark.parametrize("saved", [backup, vacuumed])
def test_a_backup_is_not_served_with_a_foreign_log_if_a_program_read_while_the_server_started(tenant, saved):
    server = tenant.server
    tenant.create_some(5, "saved")
    writer, reader = (sqlite3.connect(server.path, isolation_level=None) for _ in range(2))
    reader.execute("SELECT count(*) FROM connectors").fetchone()
    server.stop()
    [version] = writer.execute("PRAGMA user_version").fetchone()
    writer.execute(f"PRAGMA user_version = {version}")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM connectors").fetchone()
    server.start()
    tenant.token = server.token()
    assert len(marks(server)) == 2, "the reader did not keep the log from being copied"
    away = server.folder / "backup.db"
    saved(server.path, away)
    kept = list(tenant.acknowledged)
    tenant.create_some(30, "lost by restoring")
    server.kill()
    # The last program that closes the database copies and removes its log. So the files are restored elsewhere.
    folder = server.folder / "restored"
    folder.mkdir()
    restored = away.rename(folder / server.path.name)
    for end in ("-wal", ".lock"):
        shutil.copyfile(f"{server.path}{end}", f"{restored}{end}")
    writer.close()
    reader.close()
    before = restored.read_bytes()
    assert "was not written for the database" in refusal(restored)
    assert restored.read_bytes() == before
    restored.with_name(restored.name + "-wal").unlink()
    server.database, server.path = f"sqlite:{restored}", restored
    server.start()
    tenant.token = server.token()
    assert sorted(tenant.listed()) == sorted(kept)


def log_needs_space(path):
    """Whether the log has pages for which the database has to grow. Otherwise a server needs no space to start."""
    log = path.with_name(path.name + "-wal").read_bytes()
    page = int.from_bytes(log[8:12])
    pages = 0
    for at in range(32, len(log), 24 + page):
        if log[at + 8:at + 16] != log[16:24]:
            break
        pages = int.from_bytes(log[at + 4:at + 8]) or pages
    return pages * page > path.stat().st_size


def test_starts_on_a_full_disk_keep_what_the_lock_file_says(start, small_disk):
    tenant = Tenant(start("--rate-limit", "off", database=small_disk / "connectory.db"))
    server = tenant.server
    tenant.create_some(20, "saved")
    away = server.folder / "backup.db"
    vacuumed(server.path, away)
    for n in itertools.count():
        tenant.create_some(25, f"lost by restoring {n}")
        if log_needs_space(server.path):
            break
    [mark] = marks(server)
    server.kill()
    filler = small_disk / "filler"
    for _ in range(12):
        # What a process held may come free some time after its end.
        with open(filler, "ab", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
        assert "space" in refusal(server.path)
        assert mark in marks(server) and len(marks(server)) <= 2
    filler.unlink()
    log = server.path.with_name(server.path.name + "-wal")
    saved_log = log.read_bytes()
    server.path.rename(small_disk / "kept.db")
    shutil.copyfile(away, server.path)
    assert "was not written for the database" in refusal(server.path)
    (small_disk / "kept.db").rename(server.path)
    assert log.read_bytes() == saved_log
    tenant.assert_nothing_lost_by_a_kill()


def test_a_log_beside_a_lock_file_that_lost_its_marks_is_refused(tenant):
    server = tenant.server
    tenant.create_some(20, "kept")
    server.kill()
    lock = server.path.with_name(server.path.name + ".lock")
    os.truncate(lock, 0)
    refused = refusal(server.path)
    assert "does not say whether the log" in refused and str(lock) in refused, refused
    # An early version wrote the process id only.
    lock.write_text(str(server.process.pid))
    tenant.assert_nothing_lost_by_a_kill()


def test_a_database_is_started_with_its_own_log_after_whatever_happened_to_it(tenant, tmp_path_factory):
    server = tenant.server
    tenant.create_some(20, "before")
    # `VACUUM` and `ANALYZE` change the numbers that identify the database.
    outside = sqlite3.connect(server.path)
    outside.execute("VACUUM")
    outside.execute("ANALYZE")
    outside.close()
    for n in range(3):
        tenant.create_some(5, f"after {n}")
        tenant.assert_nothing_lost_by_a_kill()
    # All files are copied together, with and without the file that tells which log belongs to the database.
    tenant.create_some(5, "copied")
    server.kill()
    for ends in (["", "-wal", "-shm", ".lock"], ["", "-wal"]):
        folder = tmp_path_factory.mktemp("copy")
        for end in ends:
            shutil.copyfile(f"{server.path}{end}", folder / f"c.db{end}")
        names = sqlite3.connect(folder / "c.db").execute("SELECT count(*) FROM connectors").fetchone()[0]
        assert names == len(tenant.acknowledged)


def test_a_damaged_database_is_not_ready_and_takes_no_changes(tenant):
    server = tenant.server
    tenant.create_some(300, "before")
    server.stop()
    pages = server.path.stat().st_size // 4096
    with open(server.path, "r+b") as file:
        for page in range(2, pages):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    refused = refusal(server.path)
    assert "damaged" in refused and str(server.path) in refused, refused


def test_a_command_makes_no_database(start, tmp_path):
    missing = tmp_path / "nowhere" / "c.db"
    for command in (["client", "list"], ["tenant", "list"], ["client", "create", "x"], ["tenant", "create", "x"]):
        refused = connectory(*command, "--database", f"sqlite:{missing}", check=False)
        assert refused.returncode == 1 and f"there is no database at {missing}" in refused.stderr, refused.stderr
    assert not missing.parent.exists()


# Calls that fail.


def test_a_server_for_tests_never_waits_for_the_disk(faults, tmp_path):
    faults = Faults(faults, tmp_path)
    faults.begin("sync EIO")
    variables = {**faults.variables, "CONNECTORY_CLIENT_ID": "me", "CONNECTORY_CLIENT_SECRET": "secret"}
    server = Server(tmp_path, ephemeral=True, **variables)
    session = server.session()
    for _ in range(2):
        created = session.post(server.connectors, json={"name": "HR", "className": "x.Y"}, timeout=30)
        assert created.status_code == 200, created.text
        assert session.post(f"{server.url}/connectory/v1/reset", timeout=30).status_code == 204
    server.stop()


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EROFS", "EIO"])
def test_a_write_call_that_fails_is_rolled_back_and_may_be_tried_again(start, faults, tmp_path, error):
    faults = Faults(faults, tmp_path)
    tenant = Tenant(start("--rate-limit", "off", **faults.variables))
    tenant.create_some(20, "before")
    faults.begin(f"write {error}")
    status = {"ENOSPC": [507], "EDQUOT": [503, 507]}.get(error, [503])
    for _ in range(2):
        refused = tenant.create("tried again")
        assert refused.status_code in status
        assert_refused_for_now(refused, refused.status_code)
    assert_only_reads(tenant, "space|quota|read-only|write|written")
    faults.stop()
    assert_recovered(tenant, "tried again")
    tenant.create_some(20, "after")
    tenant.assert_nothing_lost_by_a_kill()
    assert sorted(tenant.listed()) == sorted(tenant.acknowledged)


def test_write_calls_that_fail_now_and_then_under_load_lose_nothing(start, faults, tmp_path):
    faults = Faults(faults, tmp_path)
    tenant = Tenant(start("--rate-limit", "off", **faults.variables))
    stop = threading.Event()
    statuses = set()

    def write(worker):
        session = requests.Session()
        session.headers.update(tenant.headers)
        for n in range(10_000):
            if stop.is_set():
                return
            name = f"c {worker} {n}"
            status = session.post(tenant.server.connectors, json={"name": name} | BODY, timeout=30).status_code
            statuses.add(status)
            if status == 200:
                tenant.acknowledged.append(name)

    writers = [threading.Thread(target=write, args=[worker]) for worker in range(4)]
    for writer in writers:
        writer.start()
    for n in range(12):
        time.sleep(0.1)
        faults.begin(f"write {['EIO', 'ENOSPC'][n % 2]}")
        time.sleep(0.05)
        faults.stop()
    stop.set()
    for writer in writers:
        writer.join()
    assert statuses <= {200, 503, 507} and len(statuses) > 1, statuses
    assert set(tenant.acknowledged) <= set(tenant.listed())
    tenant.assert_nothing_lost_by_a_kill()


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_sync_call_that_fails_ends_the_process(start, faults, tmp_path, error):
    faults = Faults(faults, tmp_path)
    tenant = Tenant(start("--rate-limit", "off", **faults.variables))
    server = tenant.server
    tenant.create_some(30, "before")
    faults.begin(f"sync {error}")
    try:
        assert tenant.create("not on disk").status_code != 200, "acknowledged and not on disk"
    except requests.RequestException:
        pass
    try:
        code = server.process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        pytest.fail("it goes on after a sync failed")
    assert code != 0
    assert "sync" in server.log.splitlines()[-1]
    faults.stop()
    tenant.assert_nothing_lost_by_a_kill()
    tenant.create_some(5, "after")


def test_a_sync_call_that_fails_while_the_log_is_copied_ends_the_process_too(start, faults, tmp_path):
    faults = Faults(faults, tmp_path)
    tenant = Tenant(start("--rate-limit", "off", **faults.variables))
    server = tenant.server
    deadline = time.monotonic() + 10
    faults_began = False
    # Both commits and copies sync. After the first sync that fails, no write is acknowledged.
    try:
        for n in range(10_000):
            status = tenant.create(f"c {n}").status_code
            if n == 100:
                faults.begin("sync EIO")
                faults_began = True
            elif faults_began:
                assert status != 200, "acknowledged after a sync failed"
            assert time.monotonic() < deadline
    except requests.RequestException:
        pass
    assert server.process.wait(timeout=5) != 0
    assert "sync" in server.log.splitlines()[-1]
    faults.stop()
    tenant.assert_nothing_lost_by_a_kill()
