"""The supervisor, put together from its parts: what each part does stands in its own file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.supervisor.active_alarms import Acknowledging, ActiveAlarms
from daemon.supervisor.admission import Admission
from daemon.supervisor.chores import Chores
from daemon.supervisor.clock import Clock, SystemClock
from daemon.supervisor.deleting import Deleting
from daemon.supervisor.erased_text import ErasedText
from daemon.supervisor.home_bounds import Tidier
from daemon.supervisor.operations import Operations
from daemon.supervisor.orphaned_runs import OrphanedRuns
from daemon.supervisor.publishing import Publisher
from daemon.supervisor.run_checkpoints import RunCheckpoints
from daemon.supervisor.run_deletion import RunDeletion
from daemon.supervisor.run_ending import Ending
from daemon.supervisor.run_registry import RunRegistry
from daemon.supervisor.run_rows import RunRows
from daemon.supervisor.steering import Steering
from daemon.supervisor.trainers import Trainers, trainer_life

if TYPE_CHECKING:
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.home import Home
    from daemon.store.store import Store
    from daemon.supervisor.children.life import LifeSettings


class Supervisor:
    """Everything that keeps runs going, in one event loop.

    Attributes:
        runs: which there are, and how they stand.
        rows: the same, as the store has them.
        checkpoints: what can be resumed.
        alarms: what is up.
        acknowledging: notes that a person has seen an alarm.
        operations: commands on their way.
        publisher: the way out of everything that happens.
        admission: starts and resumes runs, or has them wait.
        steering: orders to trainers.
        ending: stops runs, and all of them.
        deleting: permanently, of runs and checkpoints.
        orphaned: runs that a daemon which died left open.
        tidier: keeps what grows within its bounds.
        chores: what the diary asks for.
    """

    def __init__(
        self,
        home: Home,
        store: Store,
        catalogue: Catalogue,
        *,
        clock: Clock | None = None,
        life: LifeSettings | None = None,
        max_active_runs: int = 1,
    ) -> None:
        self.home = home
        self.store = store
        self.clock = clock or SystemClock()
        self.publisher = Publisher(store, self.clock)
        self.rows = RunRows(store, monotonic=self.clock.monotonic)
        self.checkpoints = RunCheckpoints(store, catalogue)
        self.alarms = ActiveAlarms(store, now=self.clock.now)
        self.runs = RunRegistry(self.rows, self.publisher, self.checkpoints.holds, self.clock)
        erased = ErasedText(self.runs.show, store)
        self.publisher.followers += (self.checkpoints.follow, self.alarms.follow, erased.follow)
        self.acknowledging = Acknowledging(self.alarms, self.runs, self.publisher)
        self.operations = Operations(self.clock, self.publisher.publish_operation)
        trainers = Trainers(
            self.runs,
            self.rows,
            store,
            checkpoints=self.checkpoints,
            alarms=self.alarms,
            operations=self.operations,
            publisher=self.publisher,
            clock=self.clock,
            settings=life or trainer_life(),
            log_path=home.logs / "trainer.log",
        )
        self.admission = Admission(
            self.runs,
            self.rows,
            settle=store.flush,
            home=home.root,
            checkpoints=self.checkpoints,
            trainers=trainers,
            publisher=self.publisher,
            clock=self.clock,
            max_active_runs=max_active_runs,
        )
        trainers.on_ended = self.admission.begin_queued
        self.ending = Ending(self.runs, self.operations, self.admission)
        self.steering = Steering(self.runs, self.operations, self.admission, self.ending, store)
        self.deleting = Deleting(
            self.runs,
            self.checkpoints,
            RunDeletion(home, store, self.checkpoints),
            self.publisher,
            admitting=self.admission.lock,
        )
        self.orphaned = OrphanedRuns(self.runs, self.rows, self.checkpoints, store, home=home.root)
        self.tidier = Tidier(
            home,
            store,
            runs=self.runs,
            rows=self.rows,
            checkpoints=self.checkpoints,
            publisher=self.publisher,
        )
        self.chores = Chores(home, store, runs=self.runs, steering=self.steering, tidier=self.tidier)
