"""Wherever a text is cut, its encoding is recognised and no character is lost."""

from __future__ import annotations

import codecs
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.config.tree import StreamConfig
from daemon.streams.cursor import Cursor
from daemon.streams.decoding import decode
from daemon.streams.encodings import HEAD_BYTES, classify, detect
from daemon.streams.stream import ExperienceStream
from tests.fixtures.languages import TEXTS, long_text

LEGACY = ("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "cp1251")


def whole(content: bytes, encoding: str) -> str:
    """The characters of a text that are complete."""
    return codecs.getincrementaldecoder(encoding)().decode(content)


@pytest.mark.parametrize("encoding", LEGACY)
def test_an_encoding_is_detected_wherever_the_head_is_cut(encoding: str) -> None:
    content = long_text(encoding, HEAD_BYTES + 400)
    period = len(TEXTS[encoding].encode(encoding))
    ends = [*range(1000, 1000 + period), *range(HEAD_BYTES - 20, HEAD_BYTES + 1)]
    for end in ends:
        head = content[:end]
        assert classify(head).encoding == "?"
        reported = detect(head)
        assert reported is not None, end
        assert whole(head, reported) == whole(head, encoding), (reported, end)


@pytest.mark.parametrize("encoding", TEXTS)
def test_a_fed_text_is_read_wherever_it_ends(encoding: str) -> None:
    content = long_text(encoding, 1400)
    for end in range(1000, 1400):
        assert decode(content[:end]) == whole(content[:end], encoding)


@settings(max_examples=60, deadline=None)
@given(
    encoding=st.sampled_from(sorted(TEXTS)),
    cuts=st.lists(st.integers(1000, 3000), min_size=1, max_size=6),
    resumes=st.sets(st.integers(0, 5)),
)
def test_a_followed_file_loses_no_character_wherever_a_write_ends(
    encoding: str, cuts: list[int], resumes: set[int]
) -> None:
    content = long_text(encoding, 3000)
    with tempfile.TemporaryDirectory() as name:
        path, seconds, read = Path(name) / "app.log", 0.0, b""
        config = StreamConfig(data=(str(path),), at_end="wait", held_out_share=0.0)

        def opened(cursor: Cursor | None) -> ExperienceStream:
            return ExperienceStream.open(
                config,
                lanes=1,
                seed=0,
                cache=Path(name) / "cache",
                emit=lambda event: None,
                cursor=cursor,
                monotonic=lambda: seconds,
            )

        stream: ExperienceStream | None = None
        for number, end in enumerate([*sorted(cuts), len(content)]):
            path.write_bytes(content[:end])
            seconds += 1.0
            if stream is None:
                stream = opened(None)
            elif number in resumes:
                stream = opened(Cursor.from_json(json.loads(json.dumps(stream.cursor().to_json()))))
            while len((rows := stream.next([0])[0]).length):
                read += rows.bytes[0, : rows.length[0]].tobytes()
            assert read.decode() == whole(content[:end], encoding).removeprefix("\ufeff")
