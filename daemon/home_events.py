"""Events of a home: what of it was deleted because somebody asked."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.events import Event


@dataclass(frozen=True, kw_only=True)
class RunDeleted(Event):
    """A run was deleted because a person asked: its checkpoints, its memories, its history."""

    run: str
    name: str
    num_checkpoints: int
    freed_bytes: int
    kept_for: tuple[str, ...] = ()  # forks that still replay some of its memories, which stay for them

    @property
    def message(self) -> str:
        """What went, and what stays for whom."""
        checkpoints = "1 checkpoint" if self.num_checkpoints == 1 else f"{self.num_checkpoints} checkpoints"
        kept = f"; memories that {', '.join(self.kept_for)} still replays stay" if self.kept_for else ""
        return f"Run {self.name} ({self.run}) deleted with {checkpoints}{kept}"
