"""The mix that acts: where it goes, what it reports, and segments of a single source."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from daemon.events import PassFinished, SettingRestored
from daemon.streams.decoding import DecodedCache
from daemon.streams.holdout import HoldOut
from daemon.streams.kinds.files import FilesCorpus
from daemon.streams.listing import Document, Listing
from daemon.streams.mixes.curious import EPSILON, FLOOR, Curious, Learnt, shares
from daemon.streams.mixes.mix import Candidate
from daemon.streams.source_segments import cut
from daemon.streams.sources import SourcePath
from tests.unit.daemon.streams.opening import Opener, numbered, write_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brain.ports import Choice
    from daemon.streams.cursor import Cursor
    from daemon.streams.stream import ExperienceStream

LANES = 4


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / "cache")


def choices_of(mix: Curious, count: int, *, offered: tuple[int, ...] = (0, 1, 2)) -> list[Choice]:
    rng = np.random.default_rng(7)
    candidates = [Candidate(source, False, 1) for source in offered]
    made = []
    for _ in range(count):
        position = mix.choose(0, candidates, rng)
        (choice,) = mix.choices()
        assert choice.chosen == offered[position]
        made.append(choice)
    return made


def curious(falls: dict[int, float]) -> Curious:
    """A mix whose loss fell by so much in candidates, from 4 nats within the last rows."""
    mix = Curious(("a", "b", "c"), lanes=1, weights={})
    for source in range(3):
        for _ in range(4000):
            mix.learned(source, 4.0)
        for _ in range(600):
            mix.learned(source, 4.0 - falls.get(source, 0.0))
    return mix


def test_it_goes_where_the_loss_falls_and_leaves_nobody_out() -> None:
    made = choices_of(curious({1: 1.0}), 4000)
    chosen = Counter(choice.chosen for choice in made if not choice.randomised)
    total = chosen.total()
    assert chosen[1] / total > 0.75
    assert all(chosen[source] / total > 0.8 * FLOOR / 3 for source in range(3))


def test_a_rising_loss_is_no_progress_and_without_progress_all_are_equal() -> None:
    chosen = Counter(choice.chosen for choice in choices_of(curious({2: -2.0}), 4000))
    assert all(abs(count / 4000 - 1 / 3) < 0.04 for count in chosen.values())


def test_a_tenth_of_the_choices_is_uniformly_random_and_reports_it() -> None:
    made = choices_of(curious({1: 3.0}), 6000)
    random = Counter(choice.chosen for choice in made if choice.randomised)
    assert abs(random.total() / 6000 - EPSILON) < 0.015
    assert all(abs(count / random.total() - 1 / 3) < 0.07 for count in random.values())


def test_a_choice_names_what_was_open_and_a_single_candidate_is_none() -> None:
    mix = curious({})
    (choice,) = choices_of(mix, 1, offered=(0, 2))
    assert (choice.candidates, choice.offered) == (3, (0, 2))
    assert mix.choose(0, [Candidate(2, False, 1)], np.random.default_rng(0)) == 0
    assert mix.choices() == ()


def test_a_choice_that_led_nowhere_is_replaced_by_the_next() -> None:
    mix, rng = curious({}), np.random.default_rng(0)
    candidates = [Candidate(source, False, 1) for source in range(3)]
    mix.choose(5, candidates, rng)
    mix.choose(6, candidates, rng)
    last = mix.choose(5, candidates, rng)
    assert [(choice.lane, choice.chosen) for choice in mix.choices()][1] == (5, last)


def test_a_loss_that_is_not_finite_teaches_nothing() -> None:
    mix = curious({0: 1.0})
    before = mix.state()
    mix.learned(0, float("nan"))
    mix.learned(1, float("inf"))
    assert mix.state() == before


def test_averages_are_plain_means_until_their_horizons() -> None:
    learnt = Learnt()
    for loss in (4.0, 2.0, 3.0):
        learnt = learnt.after(loss)
    assert learnt.rows == 3
    assert learnt.fast == pytest.approx(3.0)
    assert learnt.slow == pytest.approx(3.0)
    assert learnt.progress == pytest.approx(0.0)


@pytest.mark.parametrize("progress", [[0.0] * 8, [5.0] + [0.0] * 7, [1e-9, 3.0], [0.3]])
def test_shares_sum_to_one_and_keep_the_floor(progress: list[float]) -> None:
    found = shares(progress)
    assert sum(found) == pytest.approx(1.0)
    assert min(found) >= FLOOR / len(progress)


def test_candidates_are_remembered_by_name() -> None:
    mix = curious({1: 1.0})
    turned = Curious(("b", "new", "a"), lanes=1, weights={})
    turned.load(json.loads(json.dumps(mix.state())))
    assert turned.state()[0] == mix.state()[1]
    assert turned.state()[1] == ("new", 0, 0.0, 0.0)


def files(*sizes: int) -> FilesCorpus:
    nowhere = Path("nowhere")
    corpus = FilesCorpus(
        SourcePath(name="nowhere", path=nowhere),
        split=HoldOut.of(0),
        cache=DecodedCache(nowhere),
        skip=lambda document, reason: pytest.fail(f"{document} {reason}"),
        grows=False,
    )
    documents = [Document(f"{i:02}", nowhere, size, 0) for i, size in enumerate(sizes)]
    corpus.listing = Listing(documents, "")
    return corpus


def test_segments_follow_on_each_other_and_cover_everything() -> None:
    for sizes in ([10_000_000], [5000] * 100, [3, 900_000, 7, 40_000], [1], [0, 0]):
        segments = cut(files(*sizes), 8)
        assert len(segments) == 8
        open_ones = [segment for segment in segments if segment.document is not None]
        if not sum(sizes):
            assert open_ones == []
            continue
        assert (open_ones[0].document, open_ones[0].offset) == ("00", 0)
        for one, following in itertools.pairwise(open_ones):
            assert (one.end_document, one.end_offset) == (following.document, following.offset)
        assert open_ones[-1].end_document is None


def test_a_large_source_has_eight_segments_of_about_the_same_size() -> None:
    bounds = [segment.offset for segment in cut(files(10_000_000), 8)]
    assert all(bound % 4096 == 0 for bound in bounds)
    np.testing.assert_allclose(np.diff(bounds), 1_250_000, atol=4096)


def test_short_documents_are_not_cut_through() -> None:
    assert {segment.offset for segment in cut(files(*[30_000] * 30), 8)} == {0}


def steps(stream: ExperienceStream, count: int) -> Iterator[tuple[np.ndarray, tuple[Choice, ...]]]:
    for _ in range(count):
        experience, _ = stream.next(range(LANES))
        for lane, source in zip(experience.lane.tolist(), experience.source.tolist(), strict=True):
            stream.learned(source, 2.0, lane=lane)
        yield experience.offset, stream.choices()


def test_a_single_source_is_read_in_segments_that_lanes_choose_among(tmp_path: Path, opener: Opener) -> None:
    stream = opener(write_tree(tmp_path / "d", {"a": numbered(800_000)}), mix="curious")
    chosen: Counter[int] = Counter()
    for offsets, choices in steps(stream, 3200):
        for choice in choices:
            assert choice.candidates == 8
            assert int(offsets[choice.lane]) // 100_000 == pytest.approx(choice.chosen, abs=1)
            chosen[choice.chosen] += 1
    assert set(chosen) == set(range(8))
    assert chosen.total() == pytest.approx(LANES * 3200 * 64 / 1024, rel=0.05)
    assert [info.name for info in stream.sources] == ["d", "pushed"]


def test_losses_go_to_the_segment_a_lane_reads(tmp_path: Path, opener: Opener) -> None:
    stream = opener(write_tree(tmp_path / "d", {"a": numbered(800_000)}), mix="curious", lanes=1)
    stream.next([0])
    (choice,) = stream.choices()
    stream.learned(0, 5.0, lane=0)
    stream.learned(0, 5.0)  # of no lane: nobody's
    known = [rows for _, rows, _, _ in stream.cursor().mix_state]
    assert known == [int(segment == choice.chosen) for segment in range(8)]


def test_several_sources_are_not_cut(tmp_path: Path, opener: Opener) -> None:
    folders = [write_tree(tmp_path / name, {"t": numbered(90_000)}) for name in "ab"]
    stream = opener(*folders, mix="curious")
    assert all(choice.candidates == 2 for _, choices in steps(stream, 50) for choice in choices)
    assert all(source.segments == () for source in stream.cursor().sources)


def test_a_tiny_source_leaves_nothing_to_choose(tmp_path: Path, opener: Opener) -> None:
    stream = opener(write_tree(tmp_path / "d", {"a": "a few words"}), mix="curious")
    assert [choices for _, choices in steps(stream, 40)] == [()] * 40
    assert stream.passes_finished > 100


def test_mixes_that_do_not_act_tell_no_choice(tmp_path: Path, opener: Opener) -> None:
    folders = [write_tree(tmp_path / name, {"t": numbered(90_000)}) for name in "ab"]
    for mix in ("round_robin", "sequential", "weighted"):
        assert all(not choices for _, choices in steps(opener(*folders, mix=mix), 40))


def test_passes_of_a_source_in_segments_end_once_each(tmp_path: Path, opener: Opener) -> None:
    stream = opener(write_tree(tmp_path / "d", {"a": numbered(90_000), "b": numbered(70_000)}), mix="curious")
    for _ in steps(stream, 2600):
        pass
    finished = [event.number for event in opener.events if isinstance(event, PassFinished)]
    assert finished == [1, 2, 3, 4]
    assert stream.passes_finished == 4


def test_changing_to_curious_and_back_continues_in_the_text(tmp_path: Path, opener: Opener) -> None:
    text = numbered(400_000)
    folder = write_tree(tmp_path / "d", {"a": text})
    before = opener(folder, mix="round_robin")
    counts = np.zeros(len(text), np.int64)

    def read(stream: ExperienceStream, count: int) -> Cursor:
        for _ in range(count):
            experience, cursor = stream.next(range(LANES))
            for begin, length in zip(experience.offset.tolist(), experience.length.tolist(), strict=True):
                counts[begin : begin + length] += 1
        return cursor

    cursor = read(before, 500)
    acting = opener(folder, mix="curious", cursor=cursor)
    while acting.passes_finished == 0:
        cursor = read(acting, 1)
    assert counts.max() <= 2
    assert counts.min() == 1  # the change cost no byte of the pass, and gave none twice within it
    assert opener.messages(SettingRestored) == []
    back = opener(folder, mix="round_robin", cursor=read(acting, 100))
    assert "8 segments" in opener.messages(SettingRestored)[0]
    read(back, 4000)
    assert counts.min() >= 2
