from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.mailbox import Mailbox

pytestmark = pytest.mark.anyio


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def delta(*steps: int, run: str = "r", **more: Any) -> dict[str, Any]:
    columns = {"step": list(steps), "bpc": [1.0] * len(steps)}
    return {"type": "delta", "run": run, "columns": columns, "points": [], "readings": [], **more}


async def drained(mailbox: Mailbox) -> list[dict[str, Any]]:
    mailbox.close("end")
    frames = []
    while (frame := await mailbox.take()) is not None:
        frames.append(frame)
    return frames


async def test_deltas_of_a_run_are_merged_and_events_do_not() -> None:
    mailbox = Mailbox(monotonic=Time())
    first = delta(1, 2, sample="a")
    mailbox.put(first)
    mailbox.put({"type": "event", "seq": 1})
    mailbox.put(delta(3, state="running"))
    mailbox.put(delta(7, run="other"))
    mailbox.put({"type": "event", "seq": 2})
    frames = await drained(mailbox)
    assert [frame["type"] for frame in frames] == ["delta", "event", "delta", "event"]
    assert frames[0]["columns"]["step"] == [1, 2, 3]
    assert (frames[0]["sample"], frames[0]["state"]) == ("a", "running")
    assert first["columns"]["step"] == [1, 2], "what others also hold is not changed"


async def test_the_newest_run_frame_takes_the_place_of_the_one_that_waits() -> None:
    mailbox = Mailbox(monotonic=Time())
    mailbox.put({"type": "run", "run": {"id": "r", "step": 1}})
    mailbox.put({"type": "run", "run": {"id": "r", "step": 2}})
    assert await drained(mailbox) == [{"type": "run", "run": {"id": "r", "step": 2}}]


async def test_rows_beyond_the_bound_are_dropped_counted_and_reported() -> None:
    time = Time()
    mailbox = Mailbox(monotonic=time, max_rows=3)
    mailbox.put(delta(1, 2))
    mailbox.put(delta(3, 4, step=4))
    time.now += 11
    assert mailbox.overflowed_for() == 11
    first, second = await drained(mailbox)
    assert first["columns"]["step"] == [1, 2]
    assert first["step"] == 4, "totals are the newest anyway"
    assert second == {"type": "gap", "dropped": 2}
    assert mailbox.overflowed_for() == 0


async def test_too_many_events_overflow_and_none_is_lost() -> None:
    time = Time()
    mailbox = Mailbox(monotonic=time, max_frames=5)
    for seq in range(20):
        mailbox.put({"type": "event", "seq": seq})
    time.now += 1
    assert mailbox.overflowed_for() == 1
    assert [frame["seq"] for frame in await drained(mailbox)] == list(range(20))


async def test_taking_waits_for_news() -> None:
    mailbox = Mailbox(monotonic=Time())
    taking = asyncio.ensure_future(mailbox.take())
    await asyncio.sleep(0)
    assert not taking.done()
    mailbox.put({"type": "heartbeat"})
    assert await taking == {"type": "heartbeat"}


@given(
    st.lists(
        st.one_of(
            st.integers(0, 5).map(lambda rows: ("delta", rows)), st.just(("event", 0)), st.just(("take", 0))
        ),
        max_size=60,
    )
)
def test_every_row_arrives_or_is_counted_and_every_event_arrives_in_order(
    moves: list[tuple[str, int]],
) -> None:
    async def play() -> None:
        mailbox = Mailbox(monotonic=Time(), max_rows=7, max_frames=4)
        step, seq, waiting, frames = 0, 0, 0, []
        for kind, rows in moves:
            if kind == "delta":
                mailbox.put(delta(*range(step, step + rows)))
                step += rows
                waiting += 1
            elif kind == "event":
                mailbox.put({"type": "event", "seq": seq})
                seq += 1
                waiting += 1
            elif waiting and mailbox._backlog._frames:
                frame = await mailbox.take()
                assert frame is not None
                frames.append(frame)
        frames += await drained(mailbox)
        steps = [
            one for frame in frames if frame["type"] == "delta" for one in frame["columns"].get("step", [])
        ]
        dropped = sum(frame["dropped"] for frame in frames if frame["type"] == "gap")
        assert len(steps) + dropped == step
        assert steps == sorted(steps)
        assert [frame["seq"] for frame in frames if frame["type"] == "event"] == list(range(seq))

    asyncio.run(play())
