"""PostgreSQL for the tests, from Debian's programs: a cluster in a temporary folder, and PgBouncer before it.

Both listen on sockets in that folder alone, so they meet no cluster of the machine.
"""

import itertools
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

BOUNCER_PORT = 6432


def as_user(*command):
    """A command as a user that PostgreSQL accepts, which is not root."""
    change = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return [*change, *map(str, command)]


def run(*command):
    done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout.strip()


class Cluster:
    """A cluster, or a standby of one. Its user `app` has the password `PASSWORD`, and its user `postgres` needs none."""

    PASSWORD = "correct-horse-9"

    def __init__(self, standby_of=None):
        versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        assert versions, "PostgreSQL is not installed; ./test installs it"
        self.programs = versions[-1].parent
        # The path of a socket has at most 107 bytes.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cty", dir="/tmp"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self.data = self.folder / "data"
        self.names = (f"test_{number}" for number in itertools.count())
        self.bouncer = None
        if standby_of:
            copy = [self.programs / "pg_basebackup", "-h", standby_of.folder, "-U", "postgres", "-D", self.data]
            run(*as_user(*copy, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"))
        else:
            create = [self.programs / "initdb", "-D", self.data, "-U", "postgres"]
            run(*as_user(*create, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"))
            rules = self.data / "pg_hba.conf"
            rules.write_text("local all app scram-sha-256\n" + rules.read_text())
        settings = {"listen_addresses": "", "unix_socket_directories": self.folder, "max_connections": 200, "fsync": "off"}
        with open(self.data / "postgresql.conf", "a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self.start()
        if not standby_of:
            self.psql("postgres", f"CREATE USER app SUPERUSER PASSWORD '{self.PASSWORD}'")

    def pg_ctl(self, *arguments):
        run(*as_user(self.programs / "pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", *arguments))

    def start(self):
        self.pg_ctl("start")

    def stop(self):
        self.pg_ctl("-m", "immediate", "stop")

    def promote(self):
        self.pg_ctl("promote")

    def psql(self, database, sql):
        """Runs SQL, and returns the rows without decoration."""
        place = ["-h", self.folder, "-U", "postgres", "-d", database]
        return run(self.programs / "psql", *place, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql)

    def new_database(self):
        name = next(self.names)
        self.psql("postgres", f"CREATE DATABASE {name}")
        return name

    def address(self, database, user="postgres", bounced=False):
        host = str(self.folder).replace("/", "%2F")
        return f"postgres://{user}@{host}/{database}" + (f"?port={BOUNCER_PORT}" if bounced else "")

    def start_bouncer(self):
        """Starts PgBouncer. Each database has two connections, which all servers share for the time of a transaction. Those of
        `stateless` are lent for one statement."""
        settings = {
            "unix_socket_dir": self.folder, "listen_port": BOUNCER_PORT, "auth_type": "any", "pool_mode": "transaction",
            "default_pool_size": 2, "max_client_conn": 1000, "ignore_startup_parameters": "extra_float_digits,options",
            "logfile": self.folder / "bouncer.log",
        }
        place = f"host={self.folder} user=postgres"
        lines = [f"[databases]\nstateless = {place} dbname=postgres pool_mode=statement\n* = {place}\n[pgbouncer]\n"]
        lines += [f"{name} = {value}\n" for name, value in settings.items()]
        file = self.folder / "bouncer.ini"
        file.write_text("".join(lines))
        self.bouncer = subprocess.Popen(as_user("/usr/sbin/pgbouncer", "-q", file), cwd="/", stderr=subprocess.DEVNULL)
        began = time.monotonic()
        while not (self.folder / f".s.PGSQL.{BOUNCER_PORT}").exists():
            assert self.bouncer.poll() is None and time.monotonic() < began + 30, "PgBouncer does not start"
            time.sleep(0.01)

    def end(self):
        if self.bouncer:
            self.bouncer.kill()
            self.bouncer.wait()
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)
