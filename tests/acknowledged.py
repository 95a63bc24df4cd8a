"""What clients asked of a server and were answered, and whether the history of the server agrees with it.

Each change is an `Operation`. `check` walks the whole history and gives every revision to the operation that made it. An
operation that was acknowledged and has no revision is lost. Everything else that is not as it was asked is corrupt.
"""

import collections
import dataclasses
import itertools
import math
import typing

# The members that make up a connector. All others of a detail are derived from these.
MEMBERS = (
    "name", "type", "className", "directConnect", "status", "connectorMetadata", "sourceConfigXml", "applicationXml",
    "correlationConfigXml", "translationProperties",
)
# Before everything, and after everything: the number of a process, and a place in its log of writes.
FIRST, NEVER = (-1, 0), (math.inf, 0)


def members(detail):
    """The connector that a detail shows."""
    return {name: detail[name] for name in MEMBERS}


@dataclasses.dataclass
class Operation:
    """A change that a client asked for.

    `effects` has, for each script name, the action and a function from the connector before and the states of all revisions
    to the connector after.
    """

    kind: str
    effects: dict[str, tuple[str, typing.Callable]]
    key: str | None = None
    # `acknowledged`, `refused` (nothing may have happened) or `unknown` (no answer: it was done or not, but not in part).
    outcome: str = "unknown"
    # The tracking ids of the answers. The revisions have that of the request that made them.
    tracking: set[str] = dataclasses.field(default_factory=set)
    began: float = 0.0
    ended: float = math.inf
    # How much the process had written when the request was sent, and when it was answered.
    sent_at: tuple = FIRST
    answered_at: tuple = NEVER

    def as_of(self, cut):
        """The operation as it must be after a power failure at a place in the log of writes. None if it was not sent by then."""
        if self.sent_at > cut:
            return None
        if self.outcome == "acknowledged" and self.answered_at > cut:
            return dataclasses.replace(self, outcome="unknown", ended=math.inf)
        return self


class Findings:
    """What a check found."""

    def __init__(self):
        self.lost, self.corrupt = [], []
        self.acknowledged = self.unknown_done = self.unknown_not_done = self.revisions = 0

    @property
    def counts(self):
        return collections.Counter({
            "acknowledged": self.acknowledged, "lost": len(self.lost), "corrupt": len(self.corrupt),
            "revisions": self.revisions, "unknown and done": self.unknown_done, "unknown and not done": self.unknown_not_done,
        })

    def __str__(self):
        return "\n".join([f"lost: {text}" for text in self.lost[:20]] + [f"corrupt: {text}" for text in self.corrupt[:20]])


def check(operations, rows, content, current=None):
    """Checks a history.

    `rows` are all revisions in the order of their numbers, `content(row)` the connector at a revision, or None if it is not
    looked at, and `current` the connectors of an export: the revision and the connector for each script name.
    """
    found = Findings()
    found.revisions = len(rows)
    numbers = [row["revision"] for row in rows]
    if numbers != list(range(1, len(rows) + 1)):
        wrong = next(at for at, number in enumerate(numbers, 1) if number != at)
        found.corrupt.append(f"the numbers have a gap or a repetition: revision {wrong} is missing before {numbers[wrong - 1]}")
    tracked, untracked = {}, collections.defaultdict(list)
    for operation in operations:
        tracked |= dict.fromkeys(operation.tracking, operation)
        untracked[frozenset(operation.effects)].append(operation)
    # The connector now, and at each revision; and the operations in the order in which they were done.
    now, states, done = {}, {}, {}
    for change, group in itertools.groupby(rows, lambda row: row["change"]):
        group = list(group)
        what = f"change {change} of " + ", ".join(f"{row['scriptName']} ({row['action']})" for row in group)
        if group[-1]["revision"] != change or len({row["trackingId"] for row in group}) > 1:
            found.corrupt.append(f"{what}: its revisions are not consecutive, or not all of one request")
        operation = tracked.get(group[0]["trackingId"])
        if operation is not None:
            wrong = differs(operation, group, now, states, content)
            if wrong:
                found.corrupt.append(f"{what}: {operation.kind}: {wrong}")
        else:
            candidates = untracked[frozenset(row["scriptName"] for row in group)]
            open_ones = [o for o in candidates if o.outcome != "refused" and id(o) not in done]
            # Deletions and restores of one connector may look the same. Those that must be there come first.
            open_ones.sort(key=lambda o: o.outcome != "acknowledged")
            operation = next((o for o in open_ones if not differs(o, group, now, states, content)), None)
            if operation is None:
                found.corrupt.append(f"{what}: nobody asked for it, or it was done twice")
        if operation is not None:
            if operation.outcome == "refused":
                found.corrupt.append(f"{what}: {operation.kind}: it was refused")
            if id(operation) in done:
                found.corrupt.append(f"{what}: {operation.kind}: it was done twice")
            done[id(operation)] = operation
        for row in group:
            at, name = row["revision"], row["scriptName"]
            seen = content(row) if row["action"] != "delete" else None
            states[at] = now.get(name) if row["action"] == "delete" else seen or expected(operation, name, now, states)
            now[name] = None if row["action"] == "delete" else states[at]
    for operation in operations:
        is_done = id(operation) in done
        if operation.outcome == "acknowledged":
            found.acknowledged += 1
            if not is_done:
                found.lost.append(f"{operation.kind} of {', '.join(operation.effects)}")
        elif operation.outcome == "unknown":
            found.unknown_done += is_done
            found.unknown_not_done += not is_done
    # What was acknowledged before another one was sent has the smaller number.
    earliest = math.inf
    for operation in reversed(done.values()):
        if earliest < operation.began:
            found.corrupt.append(f"{operation.kind} of {', '.join(operation.effects)} is before what was acknowledged before it")
        earliest = min(earliest, operation.ended)
    if current is not None:
        check_current(found, rows, now, current)
    return found


def expected(operation, name, now, states):
    """What an operation makes of a connector, or None if it cannot be told."""
    try:
        return operation.effects[name][1](now.get(name), states)
    except (AttributeError, KeyError, TypeError):
        return None


def differs(operation, group, now, states, content):
    """Why the revisions of a change are not what an operation makes, or None."""
    if sorted(operation.effects) != sorted(row["scriptName"] for row in group):
        return f"it was for {', '.join(operation.effects)}"
    for row in group:
        name = row["scriptName"]
        if operation.effects[name][0] != row["action"]:
            return f"{name}: expected {operation.effects[name][0]}"
        # At a deletion, the content is what was deleted.
        wanted = now.get(name) if row["action"] == "delete" else expected(operation, name, now, states)
        seen = content(row)
        if wanted is None or seen is not None and seen != wanted:
            members = [member for member in MEMBERS if wanted is None or seen[member] != wanted[member]]
            return f"{name} is not as asked for: {', '.join(members)}"
    return None


def check_current(found, rows, now, current):
    """Checks that the lists say what the history says."""
    newest = {row["scriptName"]: row["revision"] for row in rows}
    alive = {name: state for name, state in now.items() if state is not None}
    for name in sorted(set(alive) | set(current)):
        if name not in current:
            found.lost.append(f"{name} is in the history, and not among the connectors")
        elif name not in alive:
            found.corrupt.append(f"{name} is among the connectors, and not in the history")
        elif current[name] != (newest[name], alive[name]):
            found.corrupt.append(f"{name} is not what the history says")


def check_events(found, rows, events):
    """Checks that a stream which was there from the beginning has every revision once, in order."""
    numbers = [event["data"]["revision"] for event in events]
    if numbers != list(range(1, len(rows) + 1)):
        found.corrupt.append(f"the events have a gap or a repetition: {len(numbers)} of {len(rows)}")
        return
    alive = set()
    for event, row in zip(events, rows):
        name, action = row["scriptName"], row["action"]
        kind = "deleted" if action == "delete" else "updated" if name in alive else "created"
        (alive.discard if action == "delete" else alive.add)(name)
        if event["event"] != f"connector.{kind}" or event["data"] != row:
            found.corrupt.append(f"the event of revision {row['revision']} is not what the history says")


def check_seen(found, rows, seen):
    """Checks that what a reader saw before is still so."""
    for number, row in seen.items():
        if number > len(rows):
            found.lost.append(f"revision {number}, which a reader saw")
        elif rows[number - 1] != row:
            found.corrupt.append(f"revision {number} is not what a reader saw")
