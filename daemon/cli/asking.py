"""A question to a brain: put to the run that learns, else to a checkpoint on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daemon.home import Home


def answer_of(
    home: Home, noun: str, question: dict[str, Any], *, run_id: str | None, checkpoint: str | None
) -> dict[str, Any]:
    """The answer of the brain.

    Args:
        home: where it lives.
        noun: the question, of the API (`/runs/{id}/NOUN`) and of `daemon.trainer.offline.questions` alike.
        question: its parameters.
        run_id: of which run; else of the one that learns, else of the one that was saved last.
        checkpoint: not the live brain, but this one.

    Raises:
        NotFoundError: there is no such run or checkpoint.
        SynapsedError: the brain cannot answer.
    """
    from daemon.cli.checkpoint_commands import offline

    if checkpoint is None and (answer := _live(home, run_id, noun, question)) is not None:
        return answer
    asked: dict[str, Any] = offline(noun, home, checkpoint or _newest(home, run_id), **question)
    return asked


def _live(home: Home, run_id: str | None, noun: str, question: dict[str, Any]) -> dict[str, Any] | None:
    """The learning brain's answer; None where none learns."""
    from daemon.cli.client import DaemonClient
    from daemon.errors import NotFoundError, NotRunningError
    from daemon.trainer_protocol import RunState

    try:
        with DaemonClient.connect(home) as daemon:
            run = daemon.run(run_id)
            if RunState(run["state"]).ended:
                return None
            answer: dict[str, Any] = daemon.post(f"/runs/{run['id']}/{noun}", question)
            return answer
    except NotRunningError:
        return None
    except NotFoundError:
        if run_id is not None:
            raise
        return None


def _newest(home: Home, run_id: str | None) -> str:
    """The name of the newest sound checkpoint of a run, or `latest`."""
    from brain.nearest_name import did_you_mean
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.resolve import LATEST
    from daemon.errors import NotFoundError
    from daemon.system.escaping import one_line, quoted

    if run_id is None:
        return LATEST
    catalogue = Catalogue(home.checkpoints)
    newest = catalogue.latest(run_id)
    if newest is None:
        hint = did_you_mean(run_id, catalogue.runs(), otherwise="list them: synapsed checkpoints")
        raise NotFoundError(f"there is no sound checkpoint of a run {quoted(one_line(run_id))}{hint}")
    return newest.name
