"""Brains of labelled documents keep the contract, apart from what is about predicting the next byte."""

from __future__ import annotations

import math

import pytest
import torch

from brain.capabilities import Labelling
from brain.ports import Batch, Choice, Moment
from brain.vitals.build_vitals import build_vitals
from brain.vitals.config import VitalsConfig
from brain.vitals.live_sign import UNSUPPORTED
from tests.contract import test_brains as every_brain
from tests.contract import test_reading_brains as reading
from tests.contract.cases import LABELLED, LANES, Case, make
from tests.contract.probes.freezing import changed_by
from tests.contract.test_brains import (  # noqa: F401 - run on the documents below
    test_a_loaded_brain_continues_bit_for_bit,
    test_a_step_that_is_not_finite_changes_nothing,
    test_a_tensor_that_does_not_fit_is_named_and_nothing_is_loaded,
    test_another_seed_gives_another_brain,
    test_counts,
    test_every_weight_learns,
    test_it_forgets_on_purpose_what_it_carries_and_leaves_the_weights,
    test_moments_and_carried_state_are_keyed_by_name,
    test_replayed_rows_leave_no_state_behind,
    test_same_seed_and_batches_give_the_same_bits,
    test_state_is_constant_in_size_and_names,
    test_state_refers_to_the_live_tensors,
    test_warm_up_then_a_constant_rate_and_scaling,
    test_what_lies_behind_a_documents_end_is_never_read,
    test_without_replayed_rows_there_is_no_replay_loss,
)
from tests.contract.test_reading_brains import (  # noqa: F401
    test_scoring_and_speaking_change_nothing,
    test_speech_leaves_gradients_on_for_the_listener,
)

OF_THE_NEXT_BYTE = {
    "test_every_registered_brain_has_a_tiny_form_here": "asked once, of all",
    "test_every_registered_brain_explains_itself": "asked once, of all",
    "test_learning_lowers_the_loss": "below, in labels",
    "test_the_report_reports_what_was_seen": "below, by document",
    "test_the_loss_is_taken_before_the_update": "below, in labels",
    "test_carried_state_is_what_was_read_before": "below, as one document over several rows",
    "test_fed_in_pieces_it_learns_what_it_learns_of_the_whole": "below, as one document over several rows",
    "test_no_future_leaks_into_the_score": "a label depends on the whole text",
    "test_speech_depends_on_its_generator_alone": "an answer is the most probable label, not drawn",
    "test_a_nudge_moves_only_what_comes_after": "asked of brains with positions to nudge",
    "test_a_fork_continues_exactly_as_its_row_would": "asked of brains that are steered byte by byte",
    "test_reading_and_forking_change_nothing": "asked of brains that are steered byte by byte",
    "test_speech_without_heat_takes_the_most_probable_byte": "it generates labels, not bytes",
}
WIDTH = 20
WORDS = {
    "fruit": "apple pear plum fig lime",
    "tool": "saw drill file plane rasp",
    "sky": "sun moon star mars io",
}


def document(generator: torch.Generator) -> bytes:
    label = list(WORDS)[int(torch.randint(len(WORDS), (), generator=generator))]
    words = WORDS[label].split()
    chosen = torch.randint(len(words), (2,), generator=generator).tolist()
    return f"{' '.join(words[index] for index in chosen)}\x1f{label}".encode()


def batch_of(rows: list[bytes], *, lanes: list[int], reset: list[bool] | None = None) -> Batch:
    data, mask = torch.zeros(len(rows), WIDTH, dtype=torch.uint8), torch.zeros(len(rows), WIDTH).bool()
    for row, text in enumerate(rows):
        data[row, : len(text)] = torch.tensor([*text], dtype=torch.uint8)
        mask[row, : len(text)] = True
    return Batch(
        bytes=data,
        mask=mask,
        lane=torch.tensor(lanes),
        reset=torch.tensor([True] * len(rows) if reset is None else reset),
        source=torch.zeros(len(rows), dtype=torch.int64),
    )


def documents(count: int, *, seed: int = 7, ragged: bool = True) -> list[Batch]:
    """A document in each of four lanes and two replayed rows; unless it is to end in its row, it may need two."""
    generator = torch.Generator().manual_seed(seed)
    waiting: list[bytes] = [b""] * LANES
    made = []
    for _ in range(count):
        rows, reset = [], []
        for lane in range(LANES):
            reset.append(not waiting[lane])
            text = waiting[lane] or document(generator)
            text = text if len(text) < WIDTH or ragged else text[-WIDTH + 1 :]
            rows.append(text[:WIDTH])
            waiting[lane] = text[WIDTH:]
        rows += [document(generator)[-WIDTH + 1 :] for _ in range(2)]
        made.append(batch_of(rows, lanes=[*range(LANES), -1, -1], reset=[*reset, True, True]))
    return made


@pytest.fixture(params=[(kind, settings) for kind, cases in LABELLED.items() for settings in cases])
def case(request: pytest.FixtureRequest, device: torch.device) -> Case:
    kind, settings = request.param
    return kind, settings, device


@pytest.fixture(autouse=True)
def _labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    for suite in (every_brain, reading):
        monkeypatch.setattr(suite, "batches", documents)


def test_every_test_is_shared_or_named_with_its_reason() -> None:
    for_all = {name for name in vars(every_brain) | vars(reading) if name.startswith("test_")}
    assert for_all - set(OF_THE_NEXT_BYTE) <= set(globals())
    assert set(OF_THE_NEXT_BYTE) <= for_all


def test_learning_lowers_the_loss_of_labels(case: Case) -> None:
    brain = make(*case)
    reports = [brain.learn(batch) for batch in documents(150)]
    losses = [report.loss for report in reports if not math.isnan(report.loss)]
    assert sum(losses[-5:]) / 5 < 0.5 * losses[0]
    assert reports[-1].metrics["accuracy"] > 0.6


def test_the_report_reports_what_was_seen_of_each_document(case: Case) -> None:
    brain = make(*case)
    for batch in documents(30, ragged=False):
        brain.learn(batch)
    rows = [
        b"saw drill\x1ftool",
        b"no label at all",
        b"a text of many bytes",
        b"moon\x1fsky",
        b"fig\x1ffruit",
    ]
    batch = batch_of(rows, lanes=[0, 1, 2, 3, -1])
    scored = brain.score(batch.bytes, batch.mask)
    report = brain.learn(batch)
    count = batch.mask.sum(dim=1)
    assert scored.isnan().tolist() == [False, True, True, False, False]
    assert report.num_bytes == int(count[0] + count[3])
    assert report.loss == pytest.approx(float((scored[0] + scored[3]) / report.num_bytes), rel=1e-4)
    assert report.replay_loss == pytest.approx(float(scored[4] / count[4]), rel=1e-4)
    assert report.row_loss.isnan().tolist() == scored.isnan().tolist()
    assert report.evidence["confidence"].shape == report.evidence["correct"].shape == (2,)


def test_it_is_right_where_its_answer_is_the_label_and_asking_changes_nothing(case: Case) -> None:
    brain = make(*case)
    assert isinstance(brain, Labelling)
    labelling: Labelling = brain
    for batch in documents(150, ragged=False):
        brain.learn(batch)
    texts = [b"saw drill\x1ftool", b"saw drill\x1fsky", b"moon\x1fsky", b"no label at all", b"moon\x1fnew"]
    asked = batch_of(texts, lanes=[-1] * len(texts))
    right = torch.full((len(texts),), torch.nan)

    def ask() -> None:
        right.copy_(labelling.correct(asked.bytes, asked.mask))

    assert changed_by(brain, ask) == []
    draw = torch.Generator().manual_seed(0)
    for text, found in zip(texts, right.tolist(), strict=True):
        prompt, _, label = text.partition(b"\x1f")
        answer = b"".join(brain.generate(prompt, max_bytes=20, temperature=0.0, top_p=1.0, generator=draw))
        assert found == pytest.approx(float(answer == label) if label else math.nan, nan_ok=True)
    assert right[0] == 1.0
    assert right[1] == 0.0


def test_a_vital_sign_of_what_it_lacks_is_marked_and_reports_what_it_lacks(case: Case) -> None:
    brain = make(*case)
    signs = build_vitals(VitalsConfig(), seed=0)
    readings = {}
    for step, batch in enumerate(documents(3), start=1):
        chosen = Choice(lane=0, candidates=2, chosen=0, randomised=True)
        moment = Moment(
            step=step,
            brain=brain,
            batch=batch,
            report=brain.learn(batch),
            choices=(chosen,) if step == 1 else (),
        )
        for sign in signs:
            sign.observe(moment)
            readings[sign.name] = sign.measure(moment)
    lacking = {name for name, reading in readings.items() if UNSUPPORTED in reading.detail}
    assert lacking == set(readings) - {"confidence"}
    assert all(
        str(readings[name].reason).startswith(("this brain ", f"a brain of kind {case[0]} "))
        for name in lacking
    )


def test_the_loss_of_labels_is_taken_before_the_update(case: Case) -> None:
    brain = make(*case)
    batch = documents(1, ragged=False)[0]
    first = brain.learn(batch).loss
    assert brain.learn(batch).loss < first


@pytest.mark.parametrize("cuts", [(5,), (WIDTH,), (WIDTH, 33)])
def test_a_document_over_several_rows_is_one(case: Case, cuts: tuple[int, ...]) -> None:
    """Full rows continue in the next one; what ends at the end of a full row ends when the lane starts over."""
    text = b"the moon and one star over mars\x1fsky"
    whole, pieces = make(*case), make(*case)
    wide = torch.tensor([[*text, 0]], dtype=torch.uint8)
    zero = torch.tensor([0])
    once = Batch(bytes=wide, mask=wide > 0, reset=torch.tensor([True]), lane=zero, source=zero)
    expected = whole.learn(once)
    reports = []
    for begin, end in zip((0, *cuts), (*cuts, len(text)), strict=True):
        part = torch.tensor([[*text[begin:end]]], dtype=torch.uint8)
        reset = torch.tensor([begin == 0])
        reports.append(pieces.learn(Batch(bytes=part, mask=part > 0, reset=reset, lane=zero, source=zero)))
    assert all(math.isnan(report.loss) for report in reports)
    changed = changed_by(pieces, lambda: reports.append(pieces.learn(batch_of([b"io\x1fsky"], lanes=[0]))))
    assert "carried|document" in changed
    assert reports[-1].evidence["confidence"].shape == (2,)  # the one that ended before this row, and its own
    assert expected.num_bytes == len(text)
    assert reports[-1].num_bytes == len(text) + len(b"io\x1fsky")
