"""A trainer process under test, driven over its real pipe."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from daemon.config.loading import resolve_config
from daemon.config.setting_upgrades import config_to_dict
from daemon.supervisor.children.child_process import interrupts_held_back
from daemon.trainer import process as trainer_process
from daemon.trainer.process import trainer_main
from daemon.trainer_protocol import Command, Goodbye, Outcome, Ready, Report, TrainerOrder
from tests.fork_server import HERE, fork_server
from tests.orders import order_of

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess

    from daemon.home import Home
    from daemon.orders import Order

TIMEOUT_SECONDS = 120.0
SOME_TEXT = str(
    Path(asyncio.__file__).parent
)  # half a megabyte; the whole standard library takes longer to list


@dataclass
class TrainerProcess:
    """One trainer, commanded over its pipe; everything it sent is kept."""

    process: BaseProcess
    connection: Connection
    ready: Ready | None = None
    goodbye: Goodbye | None = None
    step: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    columns: dict[str, list[float]] = field(default_factory=dict)
    points: list[tuple[str, int, float, float]] = field(default_factory=list)
    readings: list[dict[str, Any]] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

    def receive(self, timeout: float = TIMEOUT_SECONDS) -> Any:
        """Take one message."""
        if not self.connection.poll(timeout):
            raise TimeoutError(f"the trainer sent nothing for {timeout} s")
        message = self.connection.recv()
        match message:
            case Ready():
                self.ready = message
            case Goodbye():
                self.goodbye = message
            case Outcome():
                self.outcomes[message.id] = message
            case Report():
                self.step = message.step
                self.events += message.events
                self.points += message.points
                self.readings += message.readings
                if message.sample is not None:
                    self.samples.append(message.sample)
                for name, values in message.columns.items():
                    self.columns.setdefault(name, []).extend(values)
        return message

    def receive_until(self, condition: Any, timeout: float = TIMEOUT_SECONDS) -> None:
        """Take messages until `condition(self)` holds."""
        deadline = time.monotonic() + timeout
        while not condition(self):
            if self.goodbye is not None:
                raise AssertionError(f"the trainer ended before: {self.goodbye}")
            self.receive(max(0.1, deadline - time.monotonic()))

    def order(self, action: str, **arguments: Any) -> Outcome:
        """Give a command and wait for its outcome."""
        return self.give(order_of(action, arguments))

    def give(self, order: Order) -> Outcome:
        """Give an order and wait for its outcome."""
        identity = f"c{len(self.outcomes)}-{order.action}"
        self.connection.send(Command(id=identity, order=order))
        self.receive_until(lambda trainer: identity in trainer.outcomes)
        return self.outcomes[identity]

    def finish(self, timeout: float = TIMEOUT_SECONDS) -> Goodbye:
        """Take all its messages to its goodbye, and wait for its end."""
        deadline = time.monotonic() + timeout
        while self.goodbye is None:
            self.receive(max(0.1, deadline - time.monotonic()))
        self.process.join(timeout=timeout)
        assert not self.process.is_alive()
        return self.goodbye

    def kinds(self) -> list[str]:
        """Kinds of its events so far."""
        return [event["kind"] for event in self.events]

    def kill(self) -> None:
        """End it the hard way."""
        self.process.kill()
        self.process.join(timeout=10.0)
        self.connection.close()


def tiny_order(home: Home, *, run_id: str = "r-test", session: int = 1, **settings: Any) -> TrainerOrder:
    """An order for the tiny preset; `settings` are TrainerOrder fields or config keys, `__` for dots."""
    fields = {key: settings.pop(key) for key in list(settings) if key in TrainerOrder.__dataclass_fields__}
    overrides = {key.replace("__", "."): value for key, value in settings.items()}
    config = resolve_config(
        preset="tiny", overrides={"threads": 1, "stream.data": [SOME_TEXT], **overrides}, environ={}
    )
    return TrainerOrder(
        home=home.root, run_id=run_id, session=session, config=config_to_dict(config), **fields
    )


def live_with_tests(order: TrainerOrder, connection: Connection) -> None:
    """A trainer at the priority of the tests: as nice as it is it gets a fifteenth of a core beside busy workers."""
    trainer_process.NICENESS = 0
    trainer_main(order, connection)


def spawn(order: TrainerOrder, *, method: Literal["forkserver", "spawn"] = "forkserver") -> TrainerProcess:
    """Start a trainer on `order`; `spawn` as the supervisor does it, `forkserver` without importing torch again."""
    context: SpawnContext | ForkServerContext
    main = live_with_tests
    if method == "spawn" or not HERE:
        main, context = trainer_main, multiprocessing.get_context("spawn")
    else:
        context = fork_server()
    ours, theirs = context.Pipe()
    process = context.Process(target=main, args=(order, theirs))
    # As by the supervisor; a fork server would keep it for good.
    with interrupts_held_back() if method == "spawn" else contextlib.nullcontext():
        process.start()
    theirs.close()
    return TrainerProcess(process=process, connection=ours)


def newest(folder: Path) -> Path:
    """The checkpoint of the highest step in a folder."""
    return max(
        (path for path in folder.iterdir() if path.name.startswith("continuous_")),
        key=lambda path: (json.loads((path / "state.json").read_text())["step"], path.name),
    )
