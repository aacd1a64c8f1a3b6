"""One run: what was asked for, the process that came of it, and how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any, Callable

from harness_core.keeper.server import cgroups, cgroups_limits
from harness_core.keeper.server.processes import Marks

if TYPE_CHECKING:
    from harness_core.keeper.server.capture import Capture
    from harness_core.keeper.server.feed import Feed
    from harness_core.keeper.server.segments import Segments

MARK = "mark"
RECORDED = ("run", "pid", "start_ticks", "boot_id", "started_at", "containment", "notes", "adopted", "exit", "limit_groups",
            "cgroup", "fifo_dir")
TOLD = RECORDED[:-3]


class Run:
    """A run's state; ``mark`` is what never changes, ``record()`` what became of it; both stand in the journal."""

    __slots__ = (*RECORDED, "captures", "crash_safe", "feed", "folder", "foreign", "labels", "logs", "mark", "pidfd", "project",
                 "readers", "segments", "service", "written")  # fmt: skip

    def __init__(self, folder: str, mark: dict[str, Any], *, fifo_dir: str, written: bytes | None = None) -> None:
        self.folder = folder
        """Where its output is stored; made when there is some."""
        self.fifo_dir = fifo_dir
        self.written = written
        """The whole mark as it stands in the journal; None where an older keeper left it in the folder."""
        # The spec alone may be large, and nobody asks for it often.
        self.mark = {name: value for name, value in mark.items() if name != "spec"}
        self.project: str = mark["project"]
        self.service: str = mark["service"]
        self.run: str = mark["run"]
        self.labels: dict[str, str] = mark["labels"]
        self.logs: dict[str, Any] = mark["logs"]
        self.crash_safe: bool = not (mark["stdin"] or mark["tty"])
        self.pid = self.start_ticks = 0
        self.boot_id = ""
        self.started_at = 0.0
        self.containment = "process-groups"
        self.cgroup: str | None = None
        self.limit_groups: dict[str, str] = {}
        self.notes: list[str] = []
        self.adopted = False
        self.foreign = False
        self.exit: dict[str, Any] | None = None
        self.pidfd = -1
        self.captures: list[Capture] = []
        self.feed: Feed | None = None
        self.segments: Segments
        self.readers: list[Callable[[], None]] = []

    @property
    def live(self) -> bool:
        """Whether the main process was not seen to end."""
        return self.exit is None

    @property
    def fifos(self) -> list[tuple[str, int]]:
        """The output FIFOs and the stream number of each."""
        streams = (("mixed", 3),) if self.logs["merge"] else (("out", 1), ("err", 2))
        return [(os.path.join(self.fifo_dir, "%s.%s" % (self.run, name)), number) for name, number in streams]

    def marks(self) -> Marks:
        """What its processes can be told by."""
        tag, fifos = b"HARNESS_RUN=" + self.run.encode(), tuple(path for path, _ in self.fifos)
        keeper = b"HARNESS_KEEPER=" + os.fsencode(os.path.dirname(os.path.dirname(self.folder)))
        return Marks(self.pid, self.live, tag, fifos, foreign=self.foreign, keeper=keeper)

    def store(self, data: memoryview, stream: int) -> None:
        """Keep a piece of output and wake who waits for it."""
        self.segments.put(data, stream)
        self.wake_readers()

    def wake_readers(self) -> None:
        """Let those look again who wait for output or for the end."""
        readers, self.readers = self.readers, []
        for look in readers:
            look()

    def output_ended(self) -> None:
        """Close the files once nobody can write any more."""
        if any(capture.open for capture in self.captures):
            return
        self.segments.finish()
        if not self.live:
            self.remove_fifos()
        if self.feed is not None and not self.feed.owned:
            self.feed.close()  # of the same terminal

    def remove_files(self) -> None:
        """Remove everything of it from the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.remove_fifos()

    def remove_fifos(self) -> None:
        """Remove the names of FIFOs that nobody will open any more."""
        for path, _ in self.fifos:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def remove_groups(self) -> None:
        """Remove its cgroups; those in which something lives stay."""
        if self.cgroup is not None:
            cgroups.remove(self.cgroup)
        if self.limit_groups:
            cgroups_limits.free(self.limit_groups)

    def release(self) -> None:
        """Give back every descriptor."""
        for capture in self.captures:
            capture.close()
        if self.feed is not None:
            self.feed.close()
        self.segments.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def record(self) -> dict[str, Any]:
        """What a later keeper needs to know besides the mark."""
        return {name: getattr(self, name) for name in RECORDED}

    def restore(self, record: dict[str, Any]) -> None:
        """Take over a record of an earlier keeper."""
        for name in RECORDED:
            if name in record:
                setattr(self, name, record[name])

    def started(self) -> dict[str, Any]:
        """The answer to a spawn."""
        names = ("run", "pid", "start_ticks", "boot_id", "started_at", "containment", "notes", "crash_safe")
        return {name: getattr(self, name) for name in names}

    def describe(self, *, spec: bool) -> dict[str, Any]:
        """Everything known, for ``list`` and ``info``."""
        about = {name: getattr(self, name) for name in TOLD}
        about.update({name: getattr(self, name) for name in ("project", "service", "labels", "crash_safe")})
        about["lost_bytes"] = self.segments.lost
        if spec:
            about["spec"] = (read_mark(self.folder) if self.written is None else json.loads(self.written))["spec"]
        return about

    def mark_line(self) -> bytes:
        """The mark as a line of the journal; nothing where it stands in the folder."""
        return b"" if self.written is None else b'{"ev":"mark",' + self.written[1:] + b"\n"


def encode_mark(mark: dict[str, Any]) -> bytes:
    """A mark as it is written down."""
    return json.dumps(mark, separators=(",", ":")).encode()


def read_mark(folder: str) -> dict[str, Any]:
    """The mark that an older keeper stored with the output; ValueError or OSError where a crash left none or half of one."""
    with open(os.path.join(folder, MARK)) as file:
        mark: dict[str, Any] = json.load(file)
    return mark
