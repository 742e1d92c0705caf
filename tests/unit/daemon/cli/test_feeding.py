"""Feeding in pieces: what broke off half-way tells how to go on, and going on leaves nothing out or double."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.cli.feeding import CHUNK_CHARACTERS, BrokenOffError, push, unicode_of
from daemon.errors import ConflictError, UsageError

TEXT = "й" * (3 * CHUNK_CHARACTERS - 5)  # three pieces, two bytes a character


class FakeClient:
    """Takes `room` pieces, then fails with `error`."""

    def __init__(self, room: int, error: BaseException) -> None:
        self.room, self.error = room, error
        self.taken: list[str] = []

    def post(self, _path: str, body: dict[str, str]) -> dict[str, Any]:
        if len(self.taken) == self.room:
            raise self.error
        self.taken.append(body["text"])
        return {"id": f"op-{len(self.taken)}", "state": "done"}

    def finished(self, operation: dict[str, Any]) -> dict[str, Any]:
        return operation


def pushed(client: FakeClient, **more: int) -> dict[str, Any]:
    return push(client, "r-1", "notes.txt", TEXT, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [ConflictError("feed failed: no room"), KeyboardInterrupt()])
def test_what_broke_off_goes_on_from_there(error: BaseException) -> None:
    first = FakeClient(2, error)
    with pytest.raises(BrokenOffError, match="Go on from there: synapsed feed --from") as broken:
        pushed(first)
    assert broken.value.num_bytes == 2 * 2 * CHUNK_CHARACTERS
    again = FakeClient(9, error)
    assert pushed(again, begin_bytes=broken.value.num_bytes)["id"] == "op-1"
    assert "".join([*first.taken, *again.taken]) == TEXT


def test_refused_at_once_is_the_refusal_alone() -> None:
    with pytest.raises(ConflictError, match=r"^no room$") as refused:
        pushed(FakeClient(0, ConflictError("no room")))
    assert not isinstance(refused.value, BrokenOffError)


@pytest.mark.parametrize("begin", [1, 3, len(TEXT.encode()), 10**9])
def test_where_to_go_on_must_be_in_the_text(begin: int) -> None:
    with pytest.raises(UsageError, match=f"--from {begin}"):
        pushed(FakeClient(9, AssertionError()), begin_bytes=begin)


def test_an_argument_of_other_bytes_is_named() -> None:
    assert unicode_of("café 🧠", "x") == "café 🧠"
    with pytest.raises(UsageError, match="the text to ask is no UTF-8: byte 0xe9 at character 4"):
        unicode_of("caf\udce9", "the text to ask")
