#!/usr/bin/env python3
"""Runs three nodes on one PostgreSQL with a synchronous standby, behind a load balancer, as processes of this machine.

Needs the binary of connectory, and PostgreSQL and HAProxy as Debian's packages `postgresql` and `haproxy` install them. All
that it starts listens on this machine alone. Ctrl-C ends everything. The tests of failover use the classes of this file.
"""

import argparse
import fcntl
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request

from postgresql import Failure, Postgres, wait_for

HERE = pathlib.Path(__file__).parent


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def is_answered(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


class Node:
    """`connectory serve` on a port that stays the same."""

    def __init__(self, folder, binary, database, *arguments, **variables):
        self.folder, self.binary, self.database = pathlib.Path(folder), binary, database
        self.arguments, self.variables = arguments, variables
        self.folder.mkdir(parents=True, exist_ok=True)
        self.place = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.place}"
        self.process = None

    def begin(self):
        """Starts it, without a wait."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTORY_", "SAIL_", "PG"))}
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve", "--listen", self.place, "--database", self.database, *self.arguments],
                env=kept | self.variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )

    def wait(self):
        """Waits until it is ready."""
        def is_ready():
            if self.process.poll() is not None:
                raise Failure(f"a node does not start:\n{self.log}")
            return is_answered(f"{self.url}/health/ready")

        wait_for(f"the node at {self.url} is ready", is_ready)

    @property
    def log(self):
        return (self.folder / "log").read_text()

    def stop(self):
        """Asks it to end, and returns its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=60)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Balancer:
    """HAProxy with `haproxy.cfg`, before three nodes."""

    def __init__(self, folder, nodes, port=None):
        self.folder = pathlib.Path(folder)
        self.place = f"127.0.0.1:{port or free_port()}"
        self.url = f"http://{self.place}"
        self.variables = {"LISTEN": self.place} | {f"NODE{number}": node.place for number, node in enumerate(nodes, 1)}
        self.process = None

    def start(self):
        program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if not program:
            raise Failure("haproxy is not found; install Debian's package haproxy")
        with open(self.folder / "haproxy.log", "a") as log:
            self.process = subprocess.Popen(
                [program, "-db", "-f", HERE / "haproxy.cfg"], env=os.environ | self.variables, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )

        def is_ready():
            if self.process.poll() is not None:
                raise Failure(f"haproxy does not start:\n{self.log}")
            return is_answered(f"{self.url}/health/ready")

        wait_for("the load balancer answers", is_ready)

    @property
    def log(self):
        return (self.folder / "haproxy.log").read_text()

    def end(self):
        self.process.kill()
        self.process.wait()


class Deployment:
    """A primary with its standby, three nodes, and the load balancer before them.

    `settings` are those of both servers of PostgreSQL. `address(number, deployment)` is the address of the database for a
    node, in the place of both hosts. If it is not `synchronous`, the primary waits for no standby.
    """

    DATABASE = "connectory"

    def __init__(self, folder, binary, *arguments, port=None, drain="5s", settings={}, address=None, synchronous=True):
        self.folder = pathlib.Path(folder)
        self.synchronous = synchronous
        self.primary = Postgres(self.folder / "pg1", **settings)
        self.standby = Postgres(self.folder / "pg2", **settings)
        self.client_id, self.secret = "first", self.kept_secret()
        client = {"CONNECTORY_CLIENT_ID": self.client_id, "CONNECTORY_CLIENT_SECRET": self.secret}
        address = address or (lambda number, deployment: deployment.address)
        options = ["--drain", drain, "--trusted-proxy", "127.0.0.1", *arguments]
        self.nodes = [
            Node(self.folder / f"node{number}", binary, address(number, self), *options, **client) for number in (1, 2, 3)
        ]
        self.balancer = Balancer(self.folder, self.nodes, port)
        for node in self.nodes:
            node.arguments += "--public-url", self.balancer.url
        self.url = self.balancer.url

    def kept_secret(self):
        file = self.folder / "secret"
        if not file.exists():
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(descriptor, secrets.token_urlsafe(32).encode())
            os.close(descriptor)
        return file.read_text()

    @property
    def address(self):
        """Both hosts: a node finds the one that accepts writes."""
        return f"postgres:///{self.DATABASE}?user=postgres&host={self.primary.folder},{self.standby.folder}"

    def start(self):
        self.start_databases()
        for node in self.nodes:
            node.begin()
        for node in self.nodes:
            node.wait()
        self.balancer.start()

    def start_databases(self):
        if self.primary.exists():
            # The folder was kept, and the standby may have taken over meanwhile.
            self.find_primary()
            self.primary.start()
            if self.standby.is_standby():
                self.standby.start()
            else:
                self.standby.rejoin(self.primary)
        else:
            self.primary.create()
            self.primary.start()
            self.primary.psql("postgres", f"CREATE DATABASE {self.DATABASE} ENCODING 'UTF8' TEMPLATE template0")
            self.standby.copy(self.primary)
            self.standby.start()
        if self.synchronous:
            self.primary.wait_for_standby()

    def find_primary(self):
        """Swaps both servers if the second one is the primary now: after a promotion it has the higher timeline."""
        def rank(server):
            return server.is_running() and not server.is_standby(), not server.is_standby(), server.timeline()

        if rank(self.standby) > rank(self.primary):
            self.primary, self.standby = self.standby, self.primary

    def fail_over(self):
        """Makes the standby the primary. The old primary must not run: two primaries would both acknowledge changes."""
        if self.primary.is_running():
            raise Failure(f"the primary in {self.primary.folder} still runs; stop it first")
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def rejoin(self):
        """Brings the old primary back as the standby of the new one. Returns how."""
        how = self.standby.rejoin(self.primary)
        if self.synchronous:
            self.primary.wait_for_standby()
        return how

    def end(self, mode="fast"):
        """Ends everything that runs. The primary ends first, so that the standby has all of it."""
        if self.balancer.process:
            self.balancer.end()
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                node.kill()
        for postgres in (self.primary, self.standby):
            postgres.stop(mode)

    @property
    def client(self):
        """The environment of the first client."""
        return {"SAIL_BASE_URL": self.url, "SAIL_CLIENT_ID": self.client_id, "SAIL_CLIENT_SECRET": self.secret}


def binary(given):
    """The binary that was given, or the newest one of this repository, or that of the PATH."""
    built = [path for path in (HERE.parent / "target").glob("*/connectory") if path.is_file()]
    found = given or max(built, key=lambda path: path.stat().st_mtime, default=None) or shutil.which("connectory")
    if not found or not os.access(found, os.X_OK):
        raise Failure("no binary of connectory; run `cargo build --release`, or give --binary PATH")
    return pathlib.Path(found).absolute()


def serve(deployment):
    """Runs everything until Ctrl-C."""
    for end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(end, signal.default_int_handler)
    try:
        deployment.start()
        print(f"""Three nodes on one database are behind {deployment.url}.

  nodes      {" ".join(node.url for node in deployment.nodes)}
  primary    psql -h {deployment.primary.folder} -U postgres {deployment.DATABASE}
  standby    psql -h {deployment.standby.folder} -U postgres {deployment.DATABASE}
  logs       {deployment.folder}
""")
        for name, value in deployment.client.items():
            print(f"export {name}={value}")
        print("\nCtrl-C ends everything.", flush=True)
        while True:
            signal.pause()
    except KeyboardInterrupt:
        print("Ending.")
    finally:
        # A second Ctrl-C would leave processes.
        for end in (signal.SIGINT, signal.SIGTERM):
            signal.signal(end, signal.SIG_IGN)
        deployment.end()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("command", nargs="?", choices=["run", "fail-over", "rejoin"], default="run", help=(
        "run: start everything, until Ctrl-C (default); fail-over: kill the primary of the deployment that runs in --keep, and "
        "promote its standby; rejoin: bring the old primary back as the standby"
    ))
    arguments.add_argument("--keep", metavar="DIR", type=pathlib.Path, help=(
        "the folder of databases and logs [default: a temporary one, removed at the end]"
    ))
    arguments.add_argument("--binary", metavar="PATH", help=(
        "the binary of connectory [default: the newest in target, or that of the PATH]"
    ))
    arguments.add_argument("--port", type=int, default=8080, help="the port of the load balancer [default: 8080]")
    given = arguments.parse_args()
    if given.command != "run" and not given.keep:
        arguments.error(f"{given.command} needs --keep, the folder of the deployment")
    folder = given.keep.absolute() if given.keep else pathlib.Path(tempfile.mkdtemp(prefix="connectory-"))
    if given.command != "run" and not (folder / "pg1").is_dir():
        sys.exit(f"deploy/local.py: {folder} is not the folder of a deployment")
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0 and not given.keep:
        # The user of PostgreSQL passes through it.
        folder.chmod(0o711)
    try:
        if given.command == "run":
            # It is free again when this process ends.
            lock = open(folder / "lock", "w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Failure(f"a deployment runs in {folder}; end it first, or take another folder") from None
            serve(Deployment(folder, binary(given.binary), port=given.port))
            return
        deployment = Deployment(folder, None)
        if not deployment.primary.exists():
            raise Failure(f"{folder} is not the folder of a deployment")
        deployment.find_primary()
        if given.command == "fail-over":
            if not (deployment.standby.is_running() and deployment.standby.is_standby()):
                raise Failure(f"no standby runs in {folder}; bring the old primary back with rejoin first")
            if deployment.primary.is_running():
                deployment.primary.kill()
            deployment.fail_over()
            print(f"The primary is {deployment.primary.folder} now. Bring the other one back with `rejoin`.")
        else:
            if not deployment.primary.is_running() or deployment.standby.is_running():
                raise Failure(f"rejoin needs a primary that runs and a former one that does not, in {folder}")
            print(f"{deployment.standby.folder} is the standby now, by {deployment.rejoin()}.")
    except Failure as failure:
        sys.exit(f"deploy/local.py: {failure}")
    finally:
        if not given.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
