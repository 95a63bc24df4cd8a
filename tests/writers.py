"""Clients that change connectors in every way, and remember what was answered."""

import collections
import json
import math
import random
import threading
import time
import uuid

import requests

from acknowledged import NEVER, Operation, members

PATCH, LINES = "application/json-patch+json", "application/x-ndjson"
EXTENSIONS = "/connectory/v1"
FORM = "http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd"
# The parts of connectors above 64 KiB are stored apart.
LARGE = 66 << 10
# Document operations: the last part of the path, the member of the connector, and a document with a mark.
DOCUMENTS = {
    "source-config": ("sourceConfigXml", f'<Form xmlns="{FORM}" name="%s"/>'),
    "source-template": ("applicationXml", '<Application connector="x.Y" name="%s" type="t"/>'),
    "correlation-config": ("correlationConfigXml", '<CorrelationConfig name="%s"/>'),
}


class Unanswered(Exception):
    """A request that got no answer."""


class Life:
    """A database from its first start to its end: its server, everything that was asked, and what was counted."""

    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.lock = threading.Lock()
        self.operations = []
        self.counts = collections.Counter()
        # The place in the log of writes of the present process. It is set where writes are recorded.
        self.place = lambda: (0, 0)
        self.headers = dict(server.session().headers)

    def learn(self):
        """Creates a connector, and learns from it what a new one is."""
        name, script = "Prototype Of All", "prototype-of-all"
        operation = Operation("create", {script: ("create", lambda *_: self.prototype)})
        self.begin(operation)
        body = {"name": name, "className": "x.Y"}
        answer = requests.post(self.server.connectors, json=body, headers=self.headers, timeout=30)
        assert answer.status_code == 200, answer.text
        self.answered(operation, answer)
        self.prototype = members(exported(self.server, self.headers, [script])[script][1])

    def new(self, name):
        """A new connector of this name."""
        return json.loads(json.dumps(self.prototype).replace("Prototype Of All", name))

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] += number

    def begin(self, operation):
        with self.lock:
            operation.began, operation.sent_at = time.monotonic(), self.place()
            self.operations.append(operation)

    def answered(self, operation, answer):
        """Notes an answer. The place is taken after the answer arrived: what it acknowledges was written before."""
        operation.ended, operation.answered_at = time.monotonic(), self.place()
        operation.tracking.add(answer.headers["SLPT-Request-ID"])
        operation.outcome = "acknowledged" if answer.ok else "unknown" if answer.status_code == 504 else "refused"
        self.count(f"{answer.status_code}")


def exported(server, headers, names=()):
    """The revision and the connector of script names, or of all connectors."""
    query = "&".join(f"scriptName={name}" for name in names)
    answer = requests.get(f"{server.url}{EXTENSIONS}/connectors?{query}", headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[-1] == {"count": len(lines) - 2}, "the export broke off"
    return {line["scriptName"]: (line["revision"], line["connector"]) for line in lines[1:-1]}


def member(name, value):
    return lambda before, _: before | {name: value}


class Client:
    """A client that changes connectors of its own, one after the other, until the server has ended."""

    def __init__(self, life, number, refusals=()):
        self.life, self.number, self.refusals = life, number, set(refusals)
        self.random = random.Random(f"{life.seed} {number}")
        self.session = requests.Session()
        self.session.headers.update(life.headers)
        self.alive, self.deleted, self.named, self.made = set(), set(), {}, 0
        # Those whose restore may have nothing to do: after a restore, or after another name, which a restore keeps.
        self.restored = set()
        self.pending = self.last = None

    def run(self, stop):
        """Makes changes until it should stop or gets no answer."""
        kinds = {
            self.create: 6, self.put_document: 5, self.put_texts: 4, self.patch: 6, self.patch_in_place: 4, self.delete: 2,
            self.restore: 3, self.apply: 3, self.put_large: 1,
        }
        try:
            while not stop.is_set():
                self.random.choices(list(kinds), kinds.values())[0]()
        except (Unanswered, requests.RequestException):
            self.session.close()

    # What it asks for.

    def name(self):
        self.made += 1
        return f"C {self.number} {self.made}"

    def mark(self):
        return f"{self.random.getrandbits(64):016x}"

    def one(self):
        if not self.alive:
            self.create()
        return self.random.choice(sorted(self.alive)) if self.alive else None

    def create(self):
        name = self.name()
        script = name.replace(" ", "-").lower()
        operation = Operation("create", {script: ("create", lambda *_: self.life.new(name))})
        if self.send(operation, "POST", "/v3/connectors", {"name": name, "className": "x.Y"}).ok:
            self.alive.add(script)

    def put_document(self):
        path = self.random.choice(sorted(DOCUMENTS))
        member_name, document = DOCUMENTS[path]
        self.put("put a document", path, member_name, document % self.mark())

    def put_large(self):
        text = self.random.randbytes(LARGE // 2 + self.random.randrange(LARGE // 2)).hex()
        self.put("put a large document", "source-config", "sourceConfigXml", DOCUMENTS["source-config"][1] % text)

    def put(self, kind, path, member_name, document):
        if script := self.one():
            operation = Operation(kind, {script: ("update", member(member_name, document))})
            if self.send(operation, "PUT", f"/v3/connectors/{script}/{path}", files={"file": document}).ok:
                self.restored.discard(script)

    def put_texts(self):
        if script := self.one():
            locale = self.random.choice(["de", "fr", "en"])
            text = f"Key={self.mark()}\n"
            effect = lambda before, _: before | {"translationProperties": before["translationProperties"] | {locale: text}}
            operation = Operation("put texts", {script: ("update", effect)})
            if self.send(operation, "PUT", f"/v3/connectors/{script}/translations/{locale}", files={"file": text}).ok:
                self.restored.discard(script)

    def patch(self):
        if script := self.one():
            value = self.mark()
            effect = lambda before, _: before | {"connectorMetadata": before["connectorMetadata"] | {"category": value}}
            operation = Operation("patch", {script: ("update", effect)})
            body = [{"op": "add", "path": "/connectorMetadata/category", "value": value}]
            if self.send(operation, "PATCH", f"/v3/connectors/{script}", body, PATCH).ok:
                self.restored.discard(script)

    def patch_in_place(self):
        if script := self.one():
            name, value = self.random.choice([("className", f"x.{self.mark()}"), ("name", f"{self.name()} renamed")])
            operation = Operation("patch in place", {script: ("update", member(name, value))})
            body = [{"op": "replace", "path": f"/{name}", "value": value}]
            if self.send(operation, "PATCH", f"{EXTENSIONS}/connectors/{script}", body, PATCH).ok:
                (self.restored.add if name == "name" else self.restored.discard)(script)

    def delete(self):
        if len(self.alive) > 3:
            script = self.one()
            operation = Operation("delete", {script: ("delete", lambda *_: None)})
            if self.send(operation, "DELETE", f"/v3/connectors/{script}").ok:
                self.alive.discard(script)
                self.deleted.add(script)

    def restore(self):
        """Gives a connector, also a deleted one, the state of an earlier revision."""
        scripts = sorted(self.deleted or self.alive - self.restored) if self.random.random() < 0.5 else sorted(self.alive - self.restored)
        if not scripts:
            return
        script = self.random.choice(scripts)
        rows = self.session.get(f"{self.life.server.url}{EXTENSIONS}/connectors/{script}/revisions?limit=5", timeout=30).json()
        earlier = [row["revision"] for row in rows[1:] if row["action"] != "delete"]
        if not earlier:
            return
        number = self.random.choice(earlier)
        effect = lambda before, states: states[number] | ({"name": before["name"]} if before else {})
        operation = Operation("restore", {script: ("restore", effect)})
        self.restored.add(script)
        if self.send(operation, "POST", f"{EXTENSIONS}/connectors/{script}/revisions/{number}/restore").ok:
            self.alive.add(script)
            self.deleted.discard(script)

    def apply(self):
        lines, effects = [], {}
        chosen = self.random.sample(sorted(self.alive), min(len(self.alive), self.random.randint(1, 3)))
        present = exported(self.life.server, self.life.headers, chosen) if chosen else {}
        for at, script in enumerate(chosen):
            if script not in present:
                continue
            revision, connector = present[script]
            if at == 0 and len(self.alive) > 6:
                lines.append({"scriptName": script, "revision": revision, "connector": None})
                effects[script] = ("delete", lambda *_: None)
                continue
            after = members(connector) | {"className": f"x.{self.mark()}"}
            lines.append({"scriptName": script, "revision": revision, "connector": after | {"scriptName": script}})
            effects[script] = ("update", lambda *_, after=after: after)
        for _ in range(self.random.randint(2, 5)):
            name = self.name()
            script = name.replace(" ", "-").lower()
            after = self.life.new(name) | {"className": f"x.{self.mark()}"}
            lines.append({"scriptName": script, "revision": 0, "connector": after | {"scriptName": script}})
            effects[script] = ("create", lambda *_, after=after: after)
        operation = Operation("apply", effects)
        body = "".join(json.dumps(line) + "\n" for line in lines)
        # Another change while the lines arrive refuses them.
        if self.send(operation, "POST", f"{EXTENSIONS}/apply", body, LINES, refusals={409}).ok:
            self.forget(effects)
            for script, (action, _) in effects.items():
                (self.deleted if action == "delete" else self.alive).add(script)

    def forget(self, scripts):
        for known in (self.alive, self.deleted, self.restored):
            known.difference_update(scripts)

    # How it asks.

    def send(self, operation, method, path, body=None, content_type="application/json", files=None, refusals=()):
        """Sends a change, half of the time with a key where keys are taken. Raises if there is no answer."""
        headers = {}
        if files is None and self.random.random() < 0.5:
            operation.key = headers["Idempotency-Key"] = str(uuid.UUID(int=self.random.getrandbits(128)))
        if body is not None:
            headers["Content-Type"] = content_type
            body = (body if isinstance(body, str) else json.dumps(body)).encode()
        request = {"method": method, "data": body, "files": files, "headers": headers, "path": path}
        self.pending = operation, request
        self.life.begin(operation)
        # Now and then it does not wait for the answer, and repeats the request at once.
        is_impatient = operation.key is not None and self.random.random() < 0.05
        may_be_done = False
        try:
            answer = self.ask(request, (10, 0.002) if is_impatient else 30)
        except requests.Timeout:
            if not is_impatient:
                raise Unanswered from None
            self.life.count("answers not waited for")
            answer, may_be_done = self.repeat(operation, request), True
        except requests.RequestException:
            raise Unanswered from None
        self.life.answered(operation, answer)
        self.pending = None
        if may_be_done and not answer.ok:
            # The repeat did nothing. The first request may still be done, now or later.
            operation.outcome, operation.ended, operation.answered_at = "unknown", math.inf, NEVER
            self.forget(operation.effects)
        if answer.ok:
            self.life.count(operation.kind)
            if operation.key is not None:
                self.last = operation, request, answer
        else:
            allowed = self.refusals | set(refusals)
            assert answer.status_code in allowed, f"{operation.kind}: {answer.status_code} {answer.text}"
        return answer

    def ask(self, request, timeout):
        url = self.life.server.url + request["path"]
        others = {name: value for name, value in request.items() if name != "path"}
        return self.session.request(url=url, timeout=timeout, **others)

    def repeat(self, operation, request):
        try:
            answer = self.ask(request, 30)
        except requests.RequestException:
            raise Unanswered from None
        self.life.count("repeats with a key")
        self.life.count("repeats that had been done", answer.headers.get("Idempotency-Replayed") == "true")
        return answer

    def settle(self):
        """After a restart: repeats what got no answer if it had a key, and looks at the connectors of the rest."""
        if self.pending is not None:
            operation, request = self.pending
            self.life.count("requests without an answer")
            if operation.key is not None:
                answer = self.repeat(operation, request)
                assert answer.ok or operation.kind == "apply" and answer.status_code == 409, f"{operation.kind}: {answer.text}"
                self.life.answered(operation, answer)
            self.pending = None
            scripts = list(operation.effects)
            self.forget(scripts)
            present = exported(self.life.server, self.life.headers, scripts)
            self.alive.update(present)
            self.restored.update(scripts)
        if self.last is not None:
            operation, request, before = self.last
            again = self.repeat(operation, request)
            same = (again.status_code, again.content) == (before.status_code, before.content)
            assert same and again.headers.get("Idempotency-Replayed") == "true", f"a repeat of {operation.kind}: {again.text}"
