"""Saving: a copy between two steps, the disk in a thread of its own, a rename as the only commit.

Order: replay synced → temporary folder beside its target → files, each synced → manifest synced → folder
synced → rename → parent synced → only then pruning. A crash at any point leaves the older ones as they were.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from brain.upgrades import SPEC
from daemon.checkpoint.base_weights import Bases
from daemon.checkpoint.catalogue import Catalogue, free_names
from daemon.checkpoint.manifest import (
    MANIFEST,
    STATE,
    TABLES,
    BaseRecord,
    Manifest,
    timestamp_of,
)
from daemon.checkpoint.prune_after_save import prune
from daemon.checkpoint.snapshot import RANDOM_PREFIX, Buffers, Snapshot, file_contents
from daemon.events import CheckpointFailed, CheckpointSaved, Event
from daemon.system.durable import Disk, FileRecord, temporary_beside
from daemon.system.retry import retry_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.config.tree import CheckpointConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Job:
    snapshot: Snapshot
    state: bytes
    created: float
    begun: float  # monotonic
    stall_seconds: float
    sync_replay: Callable[[], object] | None


EARLIEST_SHARE = 0.5  # of the period: a disk on which a save takes longer is not written to all the time


class CheckpointWriter:
    """Saves the checkpoints of one life of a run, one at a time. Its methods belong to the trainer's thread.

    Args:
        folder: where the checkpoint directories go; made when missing.
        run_id: the run.
        session: the life of its trainer.
        retention: which checkpoints of this run are kept.
        emit: takes the events, called from `poll`, `wait` and `save_now` only.
        clock: unix time in seconds, for names and time stamps.
        monotonic: seconds that never go back, for periods.
        disk: the layer that changes the disk.
    """

    def __init__(
        self,
        folder: Path,
        *,
        run_id: str,
        session: int,
        retention: CheckpointConfig,
        emit: Callable[[Event], None],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        disk: Disk | None = None,
    ) -> None:
        self._run_id = run_id
        self._session = session
        self._retention = retention
        self._emit = emit
        self._clock = clock
        self._monotonic = monotonic
        self._disk = disk or Disk()
        self._catalogue = Catalogue(folder, disk=self._disk)
        self._buffers = Buffers()
        self._bases = Bases(folder, self._disk)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._in_flight: Future[list[Event]] | None = None
        self._sequence = max((info.manifest.sequence for info in self._catalogue.list(run_id)), default=0)
        self._last_begun = self._last_commit = monotonic()
        self._last_took = 0.0  # seconds from the copy to the commit
        self._num_failures = 0
        self._retry_at = 0.0

    @property
    def catalogue(self) -> Catalogue:
        """The folder that is written to."""
        return self._catalogue

    @property
    def busy(self) -> bool:
        """Whether a save is in flight."""
        return self._in_flight is not None and not self._in_flight.done()

    @property
    def seconds_since_commit(self) -> float:
        """How much would be lost now: since the last commit, or since this writer was made."""
        return self._monotonic() - self._last_commit

    @property
    def num_failures(self) -> int:
        """Saves that failed since the last one that was committed; above zero the run is degraded."""
        return self._num_failures

    def due(self, every_seconds: float) -> bool:
        """Whether the next periodic save should begin, or the back-off after a failure is over.

        What is learned while a save is under way is lost with it, so a save begins earlier by what the last one took,
        and is committed `every_seconds` after that one began; saves are never closer than half of that.
        """
        if self.busy:
            return False
        if self._num_failures:
            return self._monotonic() >= self._retry_at
        period = max(every_seconds - self._last_took, EARLIEST_SHARE * every_seconds)
        return self._monotonic() - self._last_begun >= period

    def retry_now(self) -> None:
        """Let the back-off after a failure be over."""
        self._retry_at = 0.0

    def give_up(self, step: int, reason: str, error: OSError) -> CheckpointFailed:
        """Count a save that failed before there was anything to write as one that failed in the middle of it."""
        self.wait()
        failed = self._failure(step, reason, error)
        self._note(failed)
        self._emit(failed)
        return failed

    def begin(
        self,
        live: Snapshot,
        *,
        sync_replay: Callable[[], object] | None = None,
        wait: bool = False,
    ) -> float | None:
        """Copy the live state and leave the rest to the thread.

        Args:
            live: the state, by reference; it may change again as soon as this returns.
            sync_replay: called by the thread before it writes anything, to sync what `live.replay` refers to.
            wait: wait for a save in flight instead of being refused.

        Returns:
            Seconds the caller was held up by the copy, or None when refused because a save is in flight.

        Raises:
            ValueError: the state holds something a checkpoint cannot.
        """
        if self.busy and not wait:
            return None
        self.wait()
        begun = self._monotonic()
        state = _state_bytes(live)
        for name, tensor in live.random.items():
            if tensor.dtype != torch.uint8:
                raise ValueError(f"random state {name} is {tensor.dtype}, not uint8")
        if any(name.startswith(RANDOM_PREFIX) for name in live.learning):
            raise ValueError(
                f"learning tensors must not be called {RANDOM_PREFIX}…: that is for random states"
            )
        copy = self._buffers.take(live)
        self._last_begun = self._monotonic()
        job = _Job(
            snapshot=copy,
            state=state,
            created=self._clock(),
            begun=begun,
            stall_seconds=self._last_begun - begun,
            sync_replay=sync_replay,
        )
        self._in_flight = self._thread.submit(self._save, job)
        return job.stall_seconds

    def poll(self) -> None:
        """Emit what has happened since; call it at every step, it costs next to nothing."""
        if self._in_flight is None or not self._in_flight.done():
            return
        finished, self._in_flight = self._in_flight, None
        for event in finished.result():  # a bug in the thread is raised here, not lost
            self._note(event)
            self._emit(event)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the save in flight and emit its events; False when it is still under way."""
        if self._in_flight is not None:
            wait_for([self._in_flight], timeout_seconds)
        self.poll()
        return self._in_flight is None

    def save_now(
        self,
        live: Snapshot,
        *,
        sync_replay: Callable[[], object] | None = None,
        while_waiting: Callable[[], object] = lambda: None,
    ) -> CheckpointSaved | CheckpointFailed:
        """Save and wait until it is committed or has failed: the first, the last, and those before growth.

        `while_waiting` is called about once a second meanwhile.
        """
        while not self.wait(timeout_seconds=1.0):  # for one that is in flight
            while_waiting()
        outcome: list[CheckpointSaved | CheckpointFailed] = []
        emit = self._emit

        def watch(event: Event) -> None:
            if isinstance(event, CheckpointSaved | CheckpointFailed):
                outcome.append(event)
            emit(event)

        self._emit = watch
        try:
            self.begin(live, sync_replay=sync_replay)
            while not self.wait(timeout_seconds=1.0):
                while_waiting()
        finally:
            self._emit = emit
        return outcome[0]

    def close(self) -> None:
        """Wait for the save in flight and end the thread."""
        self.wait()
        self._thread.shutdown()

    def _note(self, event: Event) -> None:
        match event:
            case CheckpointSaved():
                self._num_failures = 0
            case CheckpointFailed(retry_seconds=seconds):
                self._num_failures += 1
                self._retry_at = self._monotonic() + seconds
            case _:
                pass

    def _failure(self, step: int, reason: str, error: OSError | ValueError) -> CheckpointFailed:
        where = (
            f" in {self._catalogue.folder}"
            if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}
            else ""
        )
        return CheckpointFailed(
            step=step,
            reason=reason,
            error=f"{getattr(error, 'strerror', None) or error}{where}",
            retry_seconds=retry_seconds(self._num_failures),
        )

    # Everything below runs in the thread.

    def _save(self, job: _Job) -> list[Event]:
        try:
            path, manifest = self._commit(job)
        except (OSError, ValueError) as error:
            return [self._failure(job.snapshot.step, job.snapshot.reason, error)]
        self._last_commit = self._monotonic()
        self._last_took = self._last_commit - job.begun
        saved = CheckpointSaved(
            step=manifest.step,
            checkpoint=path.name,
            path=_shown(path),
            reason=manifest.reason,
            size_bytes=manifest.size_bytes,
            stall_seconds=job.stall_seconds,
            seconds=self._last_took,
            metrics=dict(manifest.metrics),
            timestamp=manifest.created,
        )
        return [
            saved,
            *prune(self._catalogue, self._bases, manifest, retention=self._retention, now=self._clock()),
        ]

    def _commit(self, job: _Job) -> tuple[Path, Manifest]:
        self._sequence += 1  # also when it fails: a number is never given twice
        if job.sync_replay is not None:
            job.sync_replay()
        folder, disk = self._catalogue.folder, self._disk
        if not folder.is_dir():
            folder.mkdir(parents=True)
            disk.sync_directory(folder.parent)
        target = next(free_names(folder, job.created))
        temporary = temporary_beside(target)
        try:
            disk.make_directory(temporary)
            files = self._write_files(temporary, job)
            manifest = self._manifest(job, files, self._bases.keep(job.snapshot.base))
            disk.write(temporary / MANIFEST, [manifest.to_bytes()])
            disk.sync_directory(temporary)
            path = self._publish(temporary, job.created)
        except (OSError, ValueError):  # the latter: a manifest that its own reader would refuse
            self._clear(temporary)
            raise
        # Renamed, but maybe not on the medium: to fail from here on is a failure, yet the checkpoint stays.
        disk.sync_directory(folder)
        self._catalogue.trust(path)
        return path, manifest

    def _write_files(self, temporary: Path, job: _Job) -> dict[str, FileRecord]:
        contents = {**file_contents(job.snapshot), STATE: iter([self._stamped(job)])}
        return {name: self._disk.write(temporary / name, content) for name, content in contents.items()}

    def _manifest(self, job: _Job, files: dict[str, FileRecord], base: BaseRecord | None) -> Manifest:
        snapshot = job.snapshot
        return Manifest(
            run_id=self._run_id,
            session=self._session,
            sequence=self._sequence,
            step=snapshot.step,
            samples=snapshot.samples,
            created=job.created,
            timestamp=timestamp_of(job.created),
            reason=snapshot.reason,
            spec=SPEC.stamped(snapshot.spec),
            tied=snapshot.tied,
            environment=snapshot.environment,
            replay=snapshot.replay,
            journal=snapshot.journal,
            metrics={name: value for name, value in snapshot.metrics.items() if math.isfinite(value)},
            files=files,
            base=base,
            format_version=2 if TABLES in files else 1,
        )

    def _stamped(self, job: _Job) -> bytes:
        stamp: dict[str, Any] = {
            "run_id": self._run_id,
            "session": self._session,
            "step": job.snapshot.step,
            "samples": job.snapshot.samples,
            "reason": job.snapshot.reason,
            "timestamp": timestamp_of(job.created),
        }
        return json.dumps({**json.loads(job.state), **stamp}, indent=1).encode("ascii")

    def _publish(self, temporary: Path, created: float) -> Path:
        for target in free_names(self._catalogue.folder, created):
            try:
                self._disk.rename(temporary, target)
            except OSError as error:
                if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                    raise
                continue  # another process took the name in between
            return target
        raise AssertionError("the numbers never end")

    def _clear(self, temporary: Path) -> None:
        try:
            self._disk.remove(temporary)
        except OSError as error:  # the next start sweeps it
            logger.warning("could not remove %s: %s", temporary, error)


def _state_bytes(live: Snapshot) -> bytes:
    """The state as JSON, now. It may hold NaN; what goes into the manifest may not."""
    try:
        json.dumps([live.spec, live.replay], allow_nan=False)
        return json.dumps(live.state).encode("ascii")
    except (TypeError, ValueError) as error:
        raise ValueError(f"state, spec and replay must be JSON: {error}") from error


def _shown(path: Path) -> str:
    """The path as a person would type it: relative where it lies below the current folder."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
