"""Files as a power failure leaves them: rebuilt from what a process wrote and synced, as `faults.c` recorded it.

What was written before a sync of the file began, and the sync ended before the failure, is on disk. Of the writes after
that, any may be on disk, not, or in part: a disk writes sectors of 512 bytes. A new file or a removal is on disk after a sync
of the folder, or of a file that was new: file systems with a journal write both together with all that came before. What is on
disk is never changed by a failure elsewhere, as SQLite assumes of all disks of today.
"""

import collections
import dataclasses
import itertools
import pathlib
import struct

WRITTEN, TRUNCATED, SYNC_BEGAN, SYNCED, REMOVED = 1, 2, 3, 4, 5
HEAD = struct.Struct("=IIQQ")
SECTOR = 512


@dataclasses.dataclass
class Record:
    kind: int
    name: str
    offset: int
    data: memoryview
    # The place in the log after it.
    end: int


class Recording:
    """What one process did to the files of a database: the files before it, and the records of its calls."""

    def __init__(self, folder, log):
        self.folder, self.log = pathlib.Path(folder), pathlib.Path(log)
        self.before = {path.name: path.read_bytes() for path in self.folder.glob("*.db*") if not path.name.endswith("-shm")}
        self.records = []
        # The place in the log at which the process had started.
        self.ready = 0

    def end(self):
        """Reads the log of the process after its end. A record that was not written to its end is left out."""
        log, at = memoryview(self.log.read_bytes()), 0
        while at + HEAD.size <= len(log):
            kind, path_length, offset, length = HEAD.unpack_from(log, at)
            has_data = kind == WRITTEN
            data_at = at + HEAD.size + path_length
            end = data_at + (length if has_data else 0)
            if end > len(log):
                break
            path = pathlib.Path(bytes(log[at + HEAD.size : data_at]).decode())
            # A sync of the folder has the name of the folder.
            if path.parent == self.folder and ".db" in path.name or path == self.folder:
                self.records.append(Record(kind, path.name, offset, log[data_at:end], end))
            at = end
        return self


class File:
    """A file while it is rebuilt."""

    def __init__(self, bytes_on_disk=None):
        # None if the file is not on disk, or not by this name.
        self.on_disk = None if bytes_on_disk is None else bytearray(bytes_on_disk)
        # The calls that may not be on disk yet.
        self.pending = []
        self.is_new = bytes_on_disk is None
        # How many pending calls a sync that has begun includes.
        self.begun = 0

    def sync(self):
        content = bytearray() if self.on_disk is None else self.on_disk
        for record in self.pending[: self.begun]:
            content = done(content, record)
        self.on_disk, self.pending, self.begun = content, self.pending[self.begun :], 0


def done(content, record):
    if record.kind == TRUNCATED:
        return content[: record.offset] + bytes(max(0, record.offset - len(content)))
    return put(content, record.offset, record.data)


def put(content, offset, data):
    content.extend(bytes(max(0, offset + len(data) - len(content))))
    content[offset : offset + len(data)] = data
    return content


def rebuild(recording, cut, chance, counts=None):
    """The files after a power failure after `cut` records: bytes by name. `chance` chooses what happens to what was not synced."""
    counts = collections.Counter() if counts is None else counts
    files = {name: File(content) for name, content in recording.before.items()}
    # Files whose removal may not be on disk yet.
    removed = {}
    for record in recording.records[:cut]:
        if record.name == recording.folder.name:
            if record.kind == SYNCED:
                removed.clear()
                for file in files.values():
                    file.is_new = False
            continue
        if record.kind == REMOVED:
            file = files.pop(record.name, None)
            if file is not None and not file.is_new:
                removed.setdefault(record.name, file)
            continue
        file = files.setdefault(record.name, File())
        if record.kind in (WRITTEN, TRUNCATED):
            file.pending.append(record)
        elif record.kind == SYNC_BEGAN:
            file.begun = len(file.pending)
        elif record.kind == SYNCED:
            file.sync()
            if file.is_new:
                removed.clear()
                for other in files.values():
                    other.is_new = False
    # From a disk that writes nothing without a sync to one that writes nearly everything.
    share = chance.choice([0.0, 0.5, 0.9, 1.0])
    left = {}
    for name, file in removed.items():
        if name not in files and chance.random() < 0.5:
            counts["removals lost"] += 1
            left[name] = after_failure(file, share, chance, counts)
    for name, file in files.items():
        if file.is_new and chance.random() >= share:
            counts["new files lost"] += 1
            if name in removed:
                left[name] = after_failure(removed[name], share, chance, counts)
        else:
            left[name] = after_failure(file, share, chance, counts)
    return left


def after_failure(file, share, chance, counts):
    content = bytearray(file.on_disk or b"")
    for record in file.pending:
        fate = chance.random()
        if fate < share * 0.6 or share == 1.0:
            counts["unsynced writes kept"] += 1
            content = done(content, record)
        elif fate < share and record.kind == WRITTEN:
            counts["writes torn"] += 1
            at, end = record.offset, record.offset + len(record.data)
            while at < end:
                upto = min(end, (at // SECTOR + 1) * SECTOR)
                if chance.random() < 0.5:
                    content = put(content, at, record.data[at - record.offset : upto - record.offset])
                at = upto
        else:
            counts["writes lost"] += 1
    return bytes(content)


def cut_of(recording, chance):
    """Where the power fails: half of the time where the most is not synced of a few places. Often while the process starts, and
    most often just before a sync ends or just after."""
    records = recording.records
    if chance.random() < 0.3:
        records = [record for record in records if record.end <= recording.ready]
    syncs = [at for at, record in enumerate(records) if record.kind == SYNCED]

    def place():
        return chance.choice(syncs) + chance.choice([0, 1]) if chance.random() < 0.7 else chance.randrange(len(records) + 1)

    def unsynced(cut):
        since = itertools.takewhile(lambda record: record.kind != SYNCED, reversed(records[:cut]))
        return sum(record.kind == WRITTEN for record in since)

    return max([place() for _ in range(8)], key=unsynced) if chance.random() < 0.5 else place()


def place_of(recording, cut):
    """The place in the log up to which everything was acknowledged before the failure."""
    return recording.records[cut - 1].end if cut else 0
