"""PostgreSQL from Debian's programs, as a primary or as a standby, in a folder."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import time

# The path of a socket has at most 107 bytes.
LONGEST_FOLDER = 80
# How long a process may take to start.
PATIENCE = 60


class Failure(Exception):
    """Something could not be started or done; the text says what, and what would help."""


def run(*command, **options):
    """Runs a command to its end, and returns what it prints."""
    options |= {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    done = subprocess.run([*map(str, command)], cwd="/", timeout=120, **options)
    if done.returncode != 0:
        raise Failure(f"{shlex.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def as_user(*command):
    """A command as a user that PostgreSQL accepts, which is not root."""
    change = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return [*change, *map(str, command)]


def wait_for(what, condition, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def state(process):
    """The letter for the state of a process: Z if it has ended and its parent did not notice yet. None if there is none."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1][0]
    except OSError:
        return None


class Postgres:
    """A server of PostgreSQL in a folder of its own. It listens on a socket in that folder, and nowhere else.

    `settings` are for `postgres -c`, and `variables` are added to its environment. Both may be changed before a start.
    """

    def __init__(self, folder, **settings):
        versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
        if not versions:
            raise Failure("PostgreSQL is not in /usr/lib/postgresql; install Debian's package postgresql")
        self.programs = versions[-1].parent
        self.folder = pathlib.Path(folder)
        if len(str(self.folder)) > LONGEST_FOLDER:
            raise Failure(f"the path {self.folder} is too long for a socket; give one of at most {LONGEST_FOLDER} characters")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self.data = self.folder / "data"
        self.settings = {"listen_addresses": "", "unix_socket_directories": self.folder, "max_connections": 200} | settings
        self.variables = {}

    def program(self, name, *arguments):
        return run(*as_user(self.programs / name, *arguments), env=os.environ | self.variables)

    def exists(self):
        return (self.data / "PG_VERSION").exists()

    def is_standby(self):
        return (self.data / "standby.signal").exists()

    def timeline(self):
        """The number that each promotion increases. The files of the log begin with it, at once after a promotion."""
        names = [path.name for path in (self.data / "pg_wal").iterdir()]
        return max(int(name[:8], 16) for name in names if re.fullmatch(r"[0-9A-F]{8}([0-9A-F]{16}|\.history)", name))

    def create(self):
        """Creates an empty cluster. Checksums let `pg_rewind` work on it later."""
        self.program("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
                     "--data-checksums", "--no-sync")
        with open(self.data / "postgresql.conf", "a") as file:
            # `pg_rewind` reads the log of the time before a failover. It reads this file, and no option of a command.
            file.write("wal_keep_size = '256MB'\n")
            # After a restart of the primary, changes wait until its standby is connected again.
            file.write("wal_retrieve_retry_interval = '500ms'\n")

    def copy(self, primary):
        """Makes a base backup of a primary, as its standby."""
        self.program("pg_basebackup", "-h", primary.folder, "-U", "postgres", "-D", self.data, "--write-recovery-conf",
                     "--checkpoint=fast", "--no-sync")

    def rejoin(self, primary):
        """Makes a former primary the standby of the server that took its place, and starts it. Returns how: `pg_rewind` takes
        back what the former primary wrote that the other one does not have. If it cannot, a new base backup is made."""
        # Until a checkpoint, the new primary's files do not say that it is one.
        primary.psql("postgres", "CHECKPOINT")
        self.wait_for_place()
        source = f"host={primary.folder} user=postgres dbname=postgres"
        try:
            self.program("pg_rewind", "--target-pgdata", self.data, "--source-server", source, "--write-recovery-conf", "--no-sync")
            how = "pg_rewind"
        except Failure:
            shutil.rmtree(self.data)
            self.copy(primary)
            how = "pg_basebackup"
        self.start()
        return how

    def wait_for_place(self):
        """Waits until the parent of a process that was killed has noticed. Until then it holds the folder."""
        wait_for("the old process is gone", lambda: state(self.first_process()) != "Z")

    def start(self):
        self.wait_for_place()
        options = " ".join(shlex.quote(f"--{name}={value}") for name, value in self.settings.items())
        self.program("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "-o", options, "start")

    def stop(self, mode="fast"):
        if self.is_running():
            self.program("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def first_process(self):
        """The id of its first process, which may have ended."""
        file = self.data / "postmaster.pid"
        return int(file.read_text().split()[0]) if file.exists() else None

    def processes(self):
        """The ids of its processes, the first one first."""
        first = self.first_process()
        others = subprocess.run(["ps", "--ppid", str(first), "-o", "pid="], capture_output=True, text=True).stdout.split()
        return [first, *map(int, others)]

    def send(self, signal_number):
        """Sends a signal to all of its processes."""
        for process in reversed(self.processes()):
            try:
                os.kill(process, signal_number)
            except ProcessLookupError:
                pass

    def kill(self):
        """Ends all of its processes at once, as when the machine loses its power."""
        # It starts no further process now.
        os.kill(self.first_process(), signal.SIGSTOP)
        self.send(signal.SIGKILL)
        wait_for("the database ends", lambda: not self.is_running())

    def is_running(self):
        return state(self.first_process()) not in (None, "Z")

    def promote(self):
        self.program("pg_ctl", "-D", self.data, "-w", "promote")

    def psql(self, database, sql):
        """Runs SQL, and returns the rows without decoration."""
        place = ["-h", self.folder, "-U", "postgres", "-d", database]
        return run(self.programs / "psql", *place, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql)

    def wait_for_standby(self):
        """From now on, no commit is confirmed before a standby has it."""
        self.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.psql("postgres", "SELECT pg_reload_conf()")
        state = "SELECT sync_state FROM pg_stat_replication"
        wait_for("the standby is synchronous", lambda: self.psql("postgres", state) == "sync")
