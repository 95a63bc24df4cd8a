"""PostgreSQL for the tests, from Debian's programs: a cluster in a temporary folder, and PgBouncer before it.

Both listen on sockets in that folder alone, so they meet no cluster of the machine.
"""

import itertools
import shutil
import subprocess
import tempfile
import time

from postgresql import Postgres, as_user

BOUNCER_PORT = 6432


class Cluster(Postgres):
    """A cluster. Its user `app` has the password `PASSWORD`, and its user `postgres` needs none."""

    PASSWORD = "correct-horse-9"

    def __init__(self):
        super().__init__(tempfile.mkdtemp(prefix="cty", dir="/tmp"), fsync="off")
        self.names = (f"test_{number}" for number in itertools.count())
        self.bouncer = None
        self.create()
        rules = self.data / "pg_hba.conf"
        rules.write_text("local all app scram-sha-256\n" + rules.read_text())
        self.start()
        self.psql("postgres", f"CREATE USER app SUPERUSER PASSWORD '{self.PASSWORD}'")

    def stop(self):
        super().stop("immediate")

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
        self.stop()
        shutil.rmtree(self.folder)
