"""Attackers, and the bystander who must not notice them.

The bytes are made before the attack and sent over plain sockets, so that an attacker's own work does not slow the attack.
As a program, with a job as JSON on standard input, this file is one attacker with its own address. To a server on
127.0.0.1, the addresses from 127.0.0.2 are other machines. All attacks are bounded in number and in time.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.settings
import h2.settings
import requests

MIB = 1024 * 1024
FORM = "http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd"
LOCALES = "de no fi sv ru pt ko zh-TW en it fr zh-CN hu es cs ja pl da nl".split()


# The server's process.


def limited(memory=4 << 30, files=None):
    """Limits for the server's process: its address space, and where a test needs it, its descriptors."""

    def prepare():
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, files)

    return prepare


def peak_mb(server):
    """The most memory that the server had at any moment since its start, or since `reset_peak`."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def reset_peak(server):
    """Resets the peak, where the system permits it."""
    with contextlib.suppress(PermissionError):
        pathlib.Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def processor_seconds(server):
    """The processor time that the server has used, in seconds."""
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Requests as bytes, and connections from any address of this machine.


def host_and_port(url):
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def connect(url, source="127.0.0.1", timeout=10, receive_buffer=None):
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(timeout)
    connection.bind((source, 0))
    connection.connect(host_and_port(url))
    return connection


def request(method, path, body=b"", token=None, length=None, **headers):
    """An HTTP/1.1 request. If `length` is more than the body has, it is only the beginning of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: connectory"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body or length or method not in ("GET", "HEAD"):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(connection):
    """Reads the response to one request, and returns its status and body."""
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        return response.status, response.read()
    finally:
        response.close()


def ask(url, bytes_, source="127.0.0.1", timeout=30):
    """Sends a request over a new connection, and returns the status and the body."""
    with connect(url, source, timeout) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(bytes_)
        return answer(connection)


def multipart(content, name="file"):
    """A form with one file, and its type."""
    boundary = "b0undary"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def sign_in(server):
    """A session of the console."""
    session = requests.Session()
    form = {"client_id": server.client_id, "client_secret": server.secret}
    signed_in = session.post(f"{server.url}/console/sign-in", data=form, timeout=30, allow_redirects=False)
    assert signed_in.status_code in (302, 303), signed_in.status_code
    return session


def cookie(session):
    return "; ".join(f"{name}={value}" for name, value in session.cookies.items())


# Requests that are large or take long.


def doubling(copies):
    """A patch that makes an array of a document and then copies it into itself."""
    operations = [{"op": "add", "path": "/applicationXml", "value": []}]
    return operations + [{"op": "copy", "from": "/applicationXml", "path": "/applicationXml/-"}] * copies


def zeros(size):
    """A JSON array of so many bytes."""
    return b"[" + b"0," * ((size - 3) // 2) + b"0]"


def many_fields(size):
    """A form of so many bytes, with as many fields as possible."""
    return b"a=&" * (size // 3)


def conditional_fields(number):
    """A source config in which each field is shown only while the field before it is on."""
    fields = [f'<Field name="f{n}" type="toggle" defaultValue="true" parentKey="f{n - 1}"/>' for n in range(1, number)]
    first = '<Field name="f0" type="toggle" defaultValue="true"/>'
    return f'<Form xmlns="{FORM}"><Menu label="m"><Section label="s">{first}{"".join(fields)}</Section></Menu></Form>'


def texts(keys, size, seed):
    """A file of translations with so many keys and about so many bytes, whose lines differ with the seed."""
    width = max(0, size // keys - 12)
    return "".join(f"key{n}={f'{seed} {n} ' * (width // 6 + 1):.{width}}\n" for n in range(keys))


def comparisons(number, seed=0):
    """A filter with so many comparisons, none of which matches."""
    return " or ".join(f'name co "{seed:x}.{n:x}"' for n in range(number))


# HTTP/2.


class Http2:
    """An HTTP/2 client without TLS. Tests control all its streams and windows."""

    def __init__(self, url, source="127.0.0.1", window=None, receive_buffer=None):
        self.socket = connect(url, source, receive_buffer=receive_buffer)
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        if window:
            self.connection.local_settings.initial_window_size = window
        self.connection.initiate_connection()
        if window == 0:
            self.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        if window:
            self.connection.increment_flow_control_window(window - 65_535)
        self.statuses = {}
        self.closed = set()
        self.received = 0
        self.ended = False
        self.flush()
        self.read_until(lambda: self.connection.remote_settings.max_concurrent_streams < 2**31)
        if window == 0:
            self.read_until(lambda: self.connection.local_settings.initial_window_size == 0)

    def flush(self):
        if data := self.connection.data_to_send():
            self.socket.settimeout(5)
            try:
                self.socket.sendall(data)
            except OSError:
                self.ended = True

    def request(self, method, path, token=None, length=None):
        """Sends a request's head."""
        stream = self.connection.get_next_available_stream_id()
        headers = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "connectory")]
        if token:
            headers.append(("authorization", f"Bearer {token}"))
        if length is not None:
            headers += [("content-type", "application/json"), ("content-length", str(length))]
        self.connection.send_headers(stream, headers, end_stream=length is None)
        self.flush()
        return stream

    def room(self, stream):
        """How many bytes of a body the server takes now."""
        if stream in self.closed or self.ended:
            return 0
        window = self.connection.local_flow_control_window(stream)
        return min(window, self.connection.max_outbound_frame_size)

    def send(self, stream, data, end=False):
        self.connection.send_data(stream, data, end_stream=end)
        self.flush()

    def read(self, seconds):
        """Reads what arrives within this time. Returns whether anything arrived."""
        self.socket.settimeout(max(seconds, 0.0001))
        try:
            data = self.socket.recv(MIB)
        except TimeoutError:
            return False
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return False
        for event in self.connection.receive_data(data):
            match event:
                case h2.events.ResponseReceived():
                    self.statuses[event.stream_id] = int(dict(event.headers)[":status"])
                case h2.events.DataReceived():
                    self.received += event.flow_controlled_length
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.StreamEnded() | h2.events.StreamReset():
                    self.closed.add(event.stream_id)
                case h2.events.ConnectionTerminated():
                    self.ended = True
        self.flush()
        return True

    def read_until(self, holds, seconds=5):
        deadline = time.monotonic() + seconds
        while not holds() and not self.ended and time.monotonic() < deadline:
            self.read(0.05)

    def pour(self, streams, size, seconds, piece=bytes(16_384)):
        """Sends bodies on several streams at once, each without its last byte. Returns how many bytes were sent."""
        deadline, left, sent = time.monotonic() + seconds, {stream: size - 1 for stream in streams}, 0
        while left and not self.ended and time.monotonic() < deadline:
            moved = False
            for stream in list(left):
                if stream in self.closed:
                    del left[stream]
                elif (room := min(self.room(stream), left[stream], len(piece))) > 0:
                    self.send(stream, piece[:room])
                    left[stream] -= room
                    sent += room
                    moved = True
                    if left[stream] == 0:
                        del left[stream]
            while self.read(0 if moved else 0.05):
                moved = True
        return sent

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


# Attackers that hold connections, and attackers that send requests without end.


class Holders:
    """Connections that each send some bytes, and then nothing, or one byte a second. Without `reads`, they do not read what
    the server sends. With `reopen`, a closed connection is opened again, and so is one older than `lifetime`."""

    def __init__(self, url, prefixes, number, sources, *, reads=True, drip=b"", reopen=False, per_second=2000, lifetime=None):
        self.target, self.prefixes = host_and_port(url), prefixes if isinstance(prefixes, list) else [prefixes]
        self.number, self.sources = number, sources
        self.reads, self.drip, self.reopen, self.per_second, self.lifetime = reads, drip, reopen, per_second, lifetime
        self.selector = selectors.DefaultSelector()
        # The time at which each connection was opened, and the bytes that it still has to send.
        self.born, self.left = {}, {}
        self.opened = self.closed = 0
        self.statuses = []

    def open(self):
        connection = socket.socket()
        if not self.reads:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        connection.bind((self.sources[self.opened % len(self.sources)], 0))
        with contextlib.suppress(BlockingIOError):
            connection.connect(self.target)
        self.left[connection] = memoryview(self.prefixes[self.opened % len(self.prefixes)])
        self.born[connection] = time.monotonic()
        self.opened += 1
        self.selector.register(connection, selectors.EVENT_WRITE)

    def close(self, connection):
        with contextlib.suppress(KeyError):
            self.selector.unregister(connection)
        connection.close()
        del self.born[connection], self.left[connection]
        self.closed += 1

    @property
    def waiting(self):
        """The number of connections that the server has accepted or keeps waiting."""
        return len(self.born)

    def run(self, seconds):
        """Keeps the connections for a time."""
        now = last = dripped = time.monotonic()
        end, budget = now + seconds, min(self.per_second, 100)
        while (now := time.monotonic()) < end:
            budget, last = min(budget + (now - last) * self.per_second, max(self.per_second, 1)), now
            while budget >= 1 and self.waiting < self.number and (self.reopen or self.opened < self.number):
                budget -= 1
                try:
                    self.open()
                except OSError:
                    break
            for key, events in self.selector.select(min(0.02, end - now)):
                self.step(key.fileobj, events)
            if self.drip and now > dripped + 1:
                dripped = now
                for connection in [each for each, left in self.left.items() if not left]:
                    self.step(connection, 0, self.drip)
            for connection in [each for each, born in self.born.items() if self.lifetime and now > born + self.lifetime]:
                self.close(connection)
        return self

    def step(self, connection, events, more=b""):
        try:
            if more:
                connection.send(more)
            if events & selectors.EVENT_WRITE:
                left = self.left[connection]
                self.left[connection] = left = left[connection.send(left[:MIB]):] if left else left
                if not left and self.reads:
                    self.selector.modify(connection, selectors.EVENT_READ)
                elif not left:
                    self.selector.unregister(connection)
                elif self.reads:
                    self.selector.modify(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
            if events & selectors.EVENT_READ:
                data = connection.recv(65_536)
                if data.startswith(b"HTTP/1.1 "):
                    self.statuses.append(int(data[9:12]))
                if not data:
                    self.close(connection)
        except BlockingIOError:
            pass
        except OSError:
            self.close(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in list(self.born):
            self.close(connection)
        self.selector.close()


class Asker:
    """Sends requests over some connections, so many a second in total, and drops the responses."""

    def __init__(self, url, prepared, connections, per_second, source, timeout=10):
        self.url, self.prepared, self.source, self.timeout = url, prepared, source, timeout
        self.connections, self.per_second = connections, per_second
        self.statuses = {}
        self.failed = 0

    def run(self, seconds):
        threads = [threading.Thread(target=self.work, args=[n, time.monotonic() + seconds]) for n in range(self.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self

    def work(self, worker, end):
        pause = self.connections / self.per_second
        due = time.monotonic() + pause * worker / self.connections
        connection, n = None, worker
        while due < end:
            time.sleep(max(0, due - time.monotonic()))
            # Late requests are left out, so that they do not pile up.
            due = max(due + pause, time.monotonic())
            n += self.connections
            try:
                connection = connection or connect(self.url, self.source, self.timeout)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(self.prepared[n % len(self.prepared)])
                status, closes = drop_answer(connection)
                self.statuses[status] = self.statuses.get(status, 0) + 1
            except OSError:
                self.failed += 1
                closes = True
                time.sleep(0.05)
            if closes and connection is not None:
                connection.close()
                connection = None


def drop_answer(connection):
    """Reads and drops a response. Returns its status, and whether the connection ends with it."""
    head = b""
    while (end := head.find(b"\r\n\r\n")) < 0:
        data = connection.recv(65_536)
        if not data:
            raise ConnectionError("no answer")
        head += data
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head[:end])
    if length is None and head[9:12] != b"204":
        return int(head[9:12]), True
    left = (int(length[1]) if length else 0) - (len(head) - end - 4)
    while left > 0:
        data = connection.recv(min(left, 65_536))
        if not data:
            raise ConnectionError("half an answer")
        left -= len(data)
    return int(head[9:12]), b"\r\nconnection: close" in head[:end].lower()


# Processes of their own.


class Process:
    """An attacker in its own process: `python attackers.py`, with a job."""

    def __init__(self, kind, nice=0, core=None, **job):
        def prepare():
            if core is not None:
                os.sched_setaffinity(0, {core})
            with contextlib.suppress(PermissionError):
                os.nice(nice)

        self.kind = kind
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=prepare,
        )
        print(json.dumps(job | {"kind": kind}), file=self.process.stdin, flush=True)

    def wait_until_prepared(self):
        assert self.process.stdout.readline() == "prepared\n", self.kind
        return self

    def begin(self):
        print("begin", file=self.process.stdin, flush=True)
        return self

    def told(self):
        """Returns the attacker's report when it has finished."""
        line = self.process.stdout.readline()
        self.process.wait(60)
        return json.loads(line) if line else None

    def end(self):
        """Ends the attacker and returns its report."""
        self.process.stdin.close()
        told = self.told()
        assert told, f"{self.kind} failed"
        return told

    def kill(self):
        self.process.kill()
        self.process.wait()


class Bystander:
    """An honest client that sends a request at fixed intervals, while others attack."""

    def __init__(self, server, path="/v3/connectors/active-directory-ldap", every=0.02, fresh=False, **process):
        job = {"url": server.url, "token": server.token(), "path": path, "every": every, "fresh": fresh}
        self.someone = Process("bystander", **process, **job).wait_until_prepared()
        self.told = None

    def __enter__(self):
        self.someone.begin()
        self.began = time.monotonic()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            # An attack that is refused at once would leave too little time to measure.
            time.sleep(max(0, self.began + 1 - time.monotonic()))
            self.told = self.someone.end()
        self.someone.kill()

    @property
    def failed(self):
        return self.told["failed"]

    def percentile(self, percent, of="took"):
        """The seconds that a request took, or with `of="late"`, the seconds from its due time to its response."""
        ordered = sorted(self.told[of])
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def was_well(self, slowest):
        """Asserts that each request got a response, and the slowest within a time."""
        assert not self.failed, f"{len(self.failed)} of the bystander's requests failed, the first: {self.failed[0]}"
        assert len(self.told["took"]) >= 5, "too few requests to prove anything"
        assert self.percentile(100) < slowest, f"a bystander waited for {self.percentile(100):.2f} s"


def bystander(job, begin):
    """Sends a request at fixed intervals, and late ones at once. Ends when its input ends."""
    prepared = request("GET", job["path"], token=job["token"])
    ended = threading.Event()
    begin()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    told = {"took": [], "late": [], "failed": []}
    connection, due = None, time.perf_counter()
    while not ended.is_set() and len(told["took"]) < 1_000_000:
        pause = due - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
        began = time.perf_counter()
        try:
            connection = connection or connect(job["url"], job.get("source", "127.0.0.1"), timeout=5)
            connection.sendall(prepared)
            status, closes = drop_answer(connection)
            failed = None if status == 200 else f"status {status}"
        except OSError as error:
            failed, closes = repr(error), True
        done = time.perf_counter()
        if failed:
            told["failed"].append(f"{failed} after {done - began:.2f} s")
        told["took"].append(done - began)
        told["late"].append(done - due)
        if connection and (closes or job["fresh"]):
            connection.close()
            connection = None
        due += job["every"]
    return told


def asker(job, begin):
    """Sends the prepared requests without end."""
    prepared = [pathlib.Path(file).read_bytes() for file in job["files"]]
    attacker = Asker(job["url"], prepared, job["connections"], job["per_second"], job["source"])
    begin()
    attacker.run(job["seconds"])
    return {"answers": attacker.statuses, "failed": attacker.failed}


def holder(job, begin):
    """Holds connections."""
    prepared = [pathlib.Path(file).read_bytes() for file in job["files"]]
    attacker = Holders(
        job["url"], prepared, job["connections"], job["sources"], reads=job["reads"], drip=job.get("drip", "").encode(),
        reopen=True, per_second=job["per_second"], lifetime=job.get("lifetime"),
    )
    begin()
    attacker.run(job["seconds"])
    counted = {status: attacker.statuses.count(status) for status in set(attacker.statuses)}
    return {"opened": attacker.opened, "closed": attacker.closed, "answers": counted}


def http2_bodies(job, begin):
    """Begins many large bodies on one HTTP/2 connection, and repeats that after a while."""
    piece = b"0," * 8192
    begin()
    end, opened, sent = time.monotonic() + job["seconds"], 0, 0
    while time.monotonic() < end:
        with contextlib.suppress(OSError), Http2(job["url"], job["source"]) as connection:
            opened += 1
            size = 10 * MIB
            streams = [connection.request("POST", job["path"], job["token"], size) for _ in range(job["streams"])]
            sent += connection.pour(streams, size, job["lifetime"] / 2, piece)
            time.sleep(job["lifetime"] / 2)
    return {"opened": opened, "mib": sent // MIB}


def http2_answers(job, begin):
    """Requests many large responses on one HTTP/2 connection, reads none of them, and repeats that."""
    begin()
    end, opened = time.monotonic() + job["seconds"], 0
    while time.monotonic() < end:
        unread = {"window": 2**31 - 1, "receive_buffer": 4096}
        with contextlib.suppress(OSError), Http2(job["url"], job["source"], **unread) as connection:
            opened += 1
            for n in range(job["streams"]):
                connection.request("GET", job["path"].format(n), job["token"])
            time.sleep(job["lifetime"])
    return {"opened": opened}


KINDS = {
    "bystander": bystander, "asker": asker, "holder": holder, "http2_bodies": http2_bodies, "http2_answers": http2_answers,
}


def main():
    job = json.loads(sys.stdin.readline())

    def begin():
        print("prepared", flush=True)
        sys.stdin.readline()

    print(json.dumps(KINDS[job["kind"]](job, begin)), flush=True)


if __name__ == "__main__":
    main()
