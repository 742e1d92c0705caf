"""Everything that grows in a home, kept within its bounds (daemon.config.keep), even while nothing learns.

An Audience of the supervisor: a saved checkpoint has the room of all of them looked at, a lost trainer has what it
left half written swept. The rest is looked at every hour, by the job `pruning`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from daemon.checkpoint import disk_cap
from daemon.checkpoint.replay_references import drop_all, drop_segments, needed_segments, replayed_folders
from daemon.checkpoint.retention import DAY_SECONDS
from daemon.checkpoint.run_lock import LOCK, RunLock
from daemon.config.keep import GIB, MIB, KeepConfig, read_keep
from daemon.config.loading import config_from_dict
from daemon.config.tree import CheckpointConfig
from daemon.errors import CheckpointError, ConfigError, ConflictError, DaemonError
from daemon.events import CheckpointPruned
from daemon.streams.decoded_cache import sweep, trim
from daemon.supervisor.found_checkpoint import stored_config
from daemon.system.child_logs import CHILD_LOGS, cut
from daemon.system.counting import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.home import Home
    from daemon.store.store import Store
    from daemon.supervisor.publishing import Publisher
    from daemon.supervisor.run_checkpoints import RunCheckpoints
    from daemon.supervisor.run_registry import RunRegistry
    from daemon.supervisor.run_rows import RunRows

logger = logging.getLogger(__name__)

LOGS_EVERY_SECONDS = 5.0
CROWDING = frozenset({"checkpoint_saved", "trainer_lost"})


class Tidier:
    """Keeps a home within its bounds. Its coroutines belong to the event loop."""

    def __init__(
        self,
        home: Home,
        store: Store,
        *,
        runs: RunRegistry,
        rows: RunRows,
        checkpoints: RunCheckpoints,
        publisher: Publisher,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._home = home
        self._store = store
        self._runs = runs
        self._rows = rows
        self._checkpoints = checkpoints
        self._publisher = publisher
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._again = False
        self._at_work = asyncio.Lock()

    # -- Audience --------------------------------------------------------------------------------------------

    def on_event(self, event: dict[str, Any]) -> None:
        """Check the room of checkpoints when one was saved, or left half written."""
        if event["kind"] not in CROWDING:
            return
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._task = asyncio.ensure_future(self._make_room())

    def on_run(self, run: dict[str, Any]) -> None:
        """Nothing grows by that."""

    def on_delta(self, delta: dict[str, Any]) -> None:
        """What grows by that can wait for the hourly job."""

    def on_operation(self, operation: dict[str, Any]) -> None:
        """Nothing grows by that."""

    # -- work ------------------------------------------------------------------------------------------------

    async def checkpoints(self) -> list[str]:
        """Bring checkpoints within the rules of their runs and the room of all; names of the deleted."""
        async with self._at_work:
            busy = self._busy()
            names = await asyncio.to_thread(self._prune, busy)
        for name in names:
            self._publisher.publish(None, CheckpointPruned(checkpoint=name))
        return names

    async def tidy(self) -> str:
        """Bring everything that grows within its bounds; what was deleted, in a line."""
        names = await self.checkpoints()
        busy = self._busy()
        async with self._at_work:
            freed = await asyncio.to_thread(self._tidy_memories, busy)
            files = await asyncio.to_thread(self._tidy_cache)
        decoded = counted(files, "decoded document")
        return f"{counted(len(names), 'checkpoint')}, {freed / MIB:.1f} MiB of memories and {decoded} deleted"

    async def watch_logs(self) -> None:
        """Cut the logs that children write, for as long as the daemon lives."""
        keep = KeepConfig()
        while True:
            keep = await asyncio.to_thread(self._cut_logs, keep)
            await asyncio.sleep(LOGS_EVERY_SECONDS)

    async def settled(self) -> None:
        """Return once nothing is being tidied because of an event."""
        while self._task is not None and not self._task.done():
            await asyncio.wait((self._task,))

    async def _make_room(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            try:
                await self.checkpoints()
            except (DaemonError, OSError) as error:
                logger.warning("checkpoints were not tidied: %s", error)

    def _busy(self) -> set[str]:
        """Runs that have a trainer, will have one, or wait for one."""
        return {run.id for run in self._runs.known() if not run.state.ended}

    # Everything below may run in a thread.

    def _prune(self, busy: set[str]) -> list[str]:
        catalogue = self._checkpoints.catalogue
        keep = read_keep(self._home.root, environ=self._home.environ)
        catalogue.sweep()
        holds = self._checkpoints.holds
        for run in holds.by_run().keys() - busy:
            holds.release(run)
        held = holds.names()
        idle = [run for run in catalogue.runs() if run not in busy]
        now = self._clock()
        names = disk_cap.prune(catalogue, idle, self._policy_of, now, held=held)
        return names + disk_cap.fit(
            catalogue, keep.checkpoints_gib * GIB, self._policy_of, now, held=held | self._parents()
        )

    def _tidy_memories(self, busy: set[str]) -> int:
        """Delete what no checkpoint of any run replays; bytes that became free."""
        home = self._home
        try:
            needed = needed_segments(self._checkpoints.catalogue)
        except CheckpointError as error:
            logger.warning("memories are not tidied: %s", error)
            return 0
        keep = read_keep(home.root, environ=home.environ)
        before = self._clock() - keep.replay_days * DAY_SECONDS
        freed = 0
        for folder in sorted(path for path in home.replay.iterdir() if path.is_dir()):
            if folder.name.startswith(".") or folder.name in busy:
                continue
            if folder.name not in needed and not self._is_orphaned(folder, before):
                continue
            try:
                with RunLock(home.root, folder.name):  # an orphaned trainer may still save
                    if folder.name in needed:
                        freed += drop_segments(folder, needed[folder.name], newest_too=False)
                    else:
                        freed += drop_all(folder)
            except (ConflictError, OSError) as error:
                logger.warning("the memories of %s stay for now: %s", folder.name, error)
            if folder.name not in needed:
                with contextlib.suppress(OSError):
                    (folder / LOCK).unlink(missing_ok=True)
                    folder.rmdir()
        return freed

    def _is_orphaned(self, folder: Path, before: float) -> bool:
        """Whether the run of these memories has long had no checkpoint; not while the checkpoints seem unmounted."""
        if not self._checkpoints.catalogue.list() and self._store.checkpoints(folder.name, limit=1).items:
            return False  # all of them vanished unseen: perhaps a disk is not mounted
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir())) < before

    def _tidy_cache(self) -> int:
        """Delete decoded documents beyond the bound, learning or not; how many."""
        home = self._home
        keep = read_keep(home.root, environ=home.environ)
        unread_since = self._clock() - keep.cache_days * DAY_SECONDS
        return sweep(home.cache) + trim(home.cache, keep.cache_gib * GIB, unread_since=unread_since)

    def _cut_logs(self, keep: KeepConfig) -> KeepConfig:
        home = self._home
        with contextlib.suppress(
            ConfigError
        ):  # the job that tidies reports it; here the last good bounds hold
            keep = read_keep(home.root, environ=home.environ)
        for name in CHILD_LOGS:
            cut(home.logs / name, limit_bytes=keep.log_bytes, parts=keep.log_files)
        return keep

    def _parents(self) -> set[str]:
        """Checkpoints of a parent at which a run forked that still replays the parent's memories."""
        infos = self._checkpoints.catalogue.list()
        forked_at: set[tuple[str, int]] = set()
        for run, folders in replayed_folders(info.manifest for info in infos).items():
            parent = self._rows.load(run) if folders - {run} else None
            if parent is not None and parent.parent and parent.parent["run"] in folders:
                forked_at.add((parent.parent["run"], parent.parent["step"]))
        return {info.name for info in infos if (info.manifest.run_id, info.manifest.step) in forked_at}

    def _policy_of(self, run_id: str) -> CheckpointConfig:
        """The rules of a run: as it learns now, as it learned last, or as they are by default."""
        run = next((run for run in self._runs.known() if run.id == run_id), None) or self._rows.load(run_id)
        try:
            if run is not None:
                return config_from_dict(run.config, origin=f"run {run_id}").checkpoint
            newest = self._checkpoints.newest_path(run_id)
            if newest is not None:
                stored = stored_config(newest, self._checkpoints.catalogue)
                return config_from_dict(stored, origin=newest.name).checkpoint
        except (ConfigError, DaemonError) as error:
            logger.warning("the rules of %s cannot be read: %s", run_id, error)
        return CheckpointConfig()
