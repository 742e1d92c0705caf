"""What each row of each benchmark rests on, stands beside, and may therefore decide.

The rule: a figure that reaches its target says so only where it can decide something. A row whose short form is too
short for its question, that rests on seeds and shows no spread over them or one over two alone, or that lacks a peer it
is declared beside, carries no target instead. A missed target stays a miss. A row that is not declared here decides
nothing. Where the best peer does better than ours the row says so, whatever its target.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Figure = dict[str, Any]
DECIDES_NOTHING = "decides nothing"
PEER_BETTER = "peer better"
FEWEST_SEEDS = 3  # the deviation of two is their distance, whatever the distribution


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row, or several alike.

    Attributes:
        name: of its figures; `*` stands for anything.
        rests_on: `seeds` where another seed gives another figure, so that a spread over seeds or runs is needed;
            `clock` where time or memory is measured; `program` where a program makes the same of the same input,
            its own seed included, as a compressor does.
        beside: peers and controls; `*` stands for a number in their names.
        short: whether the short form is enough to decide.
        long_only: whether the short form leaves it out.
        undecided: why it decides nothing in either form.
    """

    name: str
    rests_on: Literal["seeds", "clock", "program"]
    beside: tuple[str, ...]
    short: bool = True
    long_only: bool = False
    undecided: str = ""


COMPRESSORS = ("xz -9e", "PPMd order 12", "zpaq -m5")
DIGITS = ("naive", "ER", "DER++", "ER, 5 updates", "GDumb")
DIGITS_MATCHED = ("naive, * updates", "ER, * updates", "DER++, * updates", "GDumb, * updates")
ACE, ACE_MATCHED = ("ER-ACE",), ("ER-ACE, * updates",)
GROWN = ("zero outgoing", "Net2Net", "state reset")
JUDGED_GROWTH = ("all units from the start", "grown without verdicts", "first size")
BOUNDS = ("naive (lower bound)", "joint (upper bound)")
BUFFERS = ("numpy by hand, uniform", "cpprb", "torchrl, uniform")
LOGGERS = ("trackio", "tensorboard")
LSTMS = ("LSTM", "LSTM, replaying the same rows")
PLASTICITY_PEERS = ("self-normalised resets", "spectral regularisation")
SVM = ("TF-IDF and linear SVM",)
THINKING = ("K = 3 untied", "K = 0", "K = 0, one more block", "K = 0, wider")
BEFORE = ("its settings before the exact memory",)
PLAIN = ("plain PyTorch loop",)

ROWS: Sequence[Row] = (
    Row(name="brains.*", rests_on="program", beside=COMPRESSORS, short=False),
    Row(
        name="checkpoint_stall",
        rests_on="clock",
        beside=("torch.save", "torch.save + fsync", "safetensors"),
    ),
    Row(name="checkpoint_stall.default_brain", rests_on="clock", beside=("torch.save", "torch.save + fsync")),
    Row(name="checkpoint_stall.tables", rests_on="program", beside=("uncompressed",)),
    Row(name="curious_mix", rests_on="seeds", beside=("round_robin", "chance")),
    Row(name="curious_mix.single", rests_on="seeds", beside=("round_robin", "chance")),
    Row(name="daemon_overhead", rests_on="clock", beside=PLAIN),
    Row(name="daemon_overhead.alone", rests_on="clock", beside=("brain alone",)),
    Row(name="five_sources.forgetting", rests_on="seeds", beside=BOUNDS),
    Row(name="five_sources.of_joint", rests_on="seeds", beside=BOUNDS),
    Row(
        name="growing_regression",
        rests_on="seeds",
        beside=(
            "50 from the start, ours",
            "50 from the start, backpropagation",
            "50 from the start, continual backprop",
            "5 forever, ours",
        ),
    ),
    Row(
        name="growing_regression.matched",
        rests_on="seeds",
        beside=(
            "50 from the start, ours",
            "50 from the start, backpropagation, tanh",
            "50 from the start, continual backprop, tanh",
        ),
    ),
    Row(name="growth_exactness.*.delta", rests_on="program", beside=GROWN),  # the largest, over seeds
    Row(name="growth_exactness.*.spike", rests_on="seeds", beside=GROWN),
    Row(name="growth_exactness.*.gradient", rests_on="seeds", beside=GROWN),
    Row(name="growth_verdicts.harder", rests_on="seeds", beside=JUDGED_GROWTH),
    Row(name="growth_verdicts.steady", rests_on="seeds", beside=JUDGED_GROWTH),
    Row(
        name="growth_verdicts.growths",
        rests_on="seeds",
        beside=("without verdicts", "ours where it gets harder"),
    ),
    Row(name="intents.answer", rests_on="clock", beside=SVM),
    Row(name="intents.*_seconds", rests_on="clock", beside=SVM),
    Row(name="intents.*_calibration", rests_on="seeds", beside=("without temperature",)),
    Row(name="intents.*", rests_on="seeds", beside=SVM),
    Row(
        name="lasting_plasticity",
        rests_on="seeds",
        beside=("naive", "continual backprop", *PLASTICITY_PEERS),
    ),
    Row(
        name="online_replay_learner",
        rests_on="clock",
        beside=("plain PyTorch loop", "Avalanche"),
    ),
    Row(name="pace_under_load", rests_on="clock", beside=PLAIN),
    Row(
        name="permuted_digits",
        rests_on="seeds",
        beside=("backpropagation, Adam", "backpropagation, descent", "continual backprop, descent"),
    ),
    Row(
        name="permuted_digits.matched",
        rests_on="seeds",
        beside=("backpropagation, Adam, tanh", "continual backprop, descent, tanh"),
        undecided="rates of the peers chosen for ReLU",
    ),
    Row(name="prequential.default_*", rests_on="program", beside=COMPRESSORS, short=False),
    Row(name="prequential.quality_*", rests_on="program", beside=COMPRESSORS, short=False, long_only=True),
    Row(name="prequential.cpu", rests_on="clock", beside=BEFORE, short=False),
    Row(name="prequential.network_at_equal_cpu", rests_on="seeds", beside=BEFORE, short=False),
    Row(name="prequential.facts", rests_on="program", beside=("network alone",), short=False),
    Row(name="replay_throughput.step", rests_on="clock", beside=BUFFERS),
    Row(name="replay_throughput.pairs", rests_on="clock", beside=BUFFERS),
    Row(name="returning_source.*", rests_on="seeds", beside=LSTMS, short=False),
    Row(name="rotated_digits.*_matched", rests_on="seeds", beside=DIGITS_MATCHED),
    Row(name="rotated_digits.*", rests_on="seeds", beside=DIGITS),
    Row(name="sequence_blocks.fused", rests_on="clock", beside=("transformers' Mamba-2",)),
    Row(name="sequence_blocks.wkv", rests_on="clock", beside=("a plain loop",)),
    Row(
        name="slowly_changing_regression",
        rests_on="seeds",
        beside=(
            "linear",
            "backpropagation, ReLU",
            "backpropagation, tanh",
            "continual backprop, ReLU",
            "continual backprop + L2-Init, ReLU",
            *(f"{peer}, ReLU" for peer in PLASTICITY_PEERS),
        ),
    ),
    Row(
        name="slowly_changing_regression.matched",
        rests_on="seeds",
        beside=(
            "backpropagation, tanh",
            "continual backprop, tanh",
            "continual backprop + L2-Init, tanh",
            *(f"{peer}, tanh" for peer in PLASTICITY_PEERS),
        ),
    ),
    Row(name="slowly_changing_regression.flat", rests_on="seeds", beside=(), long_only=True),
    Row(name="split_digits.*_matched", rests_on="seeds", beside=(*DIGITS_MATCHED, *ACE_MATCHED)),
    Row(name="split_digits.*", rests_on="seeds", beside=(*DIGITS, *ACE)),
    Row(name="startup.help", rests_on="clock", beside=("python -c 'import typer'",)),
    Row(name="startup.first_answer", rests_on="clock", beside=("bare FastAPI",)),
    Row(name="startup.resident", rests_on="clock", beside=("bare FastAPI",)),
    Row(name="store_cost.cpu", rests_on="clock", beside=LOGGERS),
    Row(name="store_cost.bytes", rests_on="program", beside=LOGGERS),
    Row(name="store_cost.cpu_at_pace", rests_on="clock", beside=LOGGERS),
    Row(name="thinking.patches_cpu", rests_on="clock", beside=("plain bytes",)),
    Row(name="thinking.patches", rests_on="seeds", beside=("plain bytes",), short=False),
    Row(name="thinking.exits", rests_on="seeds", beside=("all steps",), short=False),
    Row(name="thinking.*", rests_on="seeds", beside=THINKING, short=False),
    Row(name="vitals_overhead", rests_on="clock", beside=("vital signs off",)),
)


def row_of(name: str) -> Row | None:
    """The first row that a figure's name fits."""
    return next((row for row in ROWS if fnmatchcase(name, row.name)), None)


def why_undecided(figure: Mapping[str, Any]) -> str:
    """Why a figure decides nothing, in a word or two; empty where it does.

    >>> figure = {"name": "prequential.facts", "peers": {"network alone": 0.0}, "details": {}}
    >>> why_undecided({**figure, "command": "python -m benchmarks prequential"})
    'short form'
    """
    row = row_of(figure["name"])
    if row is None:
        return "not declared"
    if not row.short and not figure["command"].endswith(" --long"):
        return "short form"
    if row.rests_on == "seeds":
        spread = figure["details"].get("spread", {})
        if not is_known(spread):
            return "no spread over seeds"
        if (number := number_of_seeds(spread)) is not None and number < FEWEST_SEEDS:
            return f"only {number} seeds"
    if missing_arms(figure):
        return "not every peer measured"
    return row.undecided


def decided(figure: Figure) -> Figure:
    """The figure, without a target where it reached one that it cannot decide."""
    reason = why_undecided(figure)
    if not reason or figure["holds"] is False:
        return figure
    return figure | {"holds": None, "target": f"{reason}: {DECIDES_NOTHING}"}


def is_known(spread: Mapping[str, Any]) -> bool:
    """Of a single run there is none."""
    return bool(spread) and (bool(spread["peers"]) or {spread["ours"], spread["ratio"]} != {None})


def number_of_seeds(spread: Mapping[str, Any]) -> int | None:
    """Over how many seeds, runs or pairs a spread is.

    >>> number_of_seeds({"what": "the standard deviation over 5 seeds"})
    5
    """
    found = re.search(r"over (\d+) ", str(spread.get("what", "")))
    return int(found.group(1)) if found else None


def is_peer_better(figure: Mapping[str, Any]) -> bool:
    """Whether the best peer does better than ours, in the direction of the target.

    >>> is_peer_better({"ours": 20.0, "peers": {"a": 4.0, "b": None}, "target": "≤ 30 s"})
    True
    >>> is_peer_better({"ours": 20.0, "peers": {"a": 4.0}, "target": "≥ 10 %"})
    False
    """
    ours, sign = figure["ours"], str(figure["target"])[:1]
    peers = [value for value in figure["peers"].values() if value is not None]
    if ours is None or not peers or sign not in ("≤", "≥"):
        return False
    return bool(ours > min(peers) if sign == "≤" else ours < max(peers))


def missing_arms(figure: Mapping[str, Any]) -> list[str]:
    """Peers that the row is declared beside and that the figure lacks, but for those it gives a reason for.

    >>> missing_arms({"name": "curious_mix", "peers": {"chance": 1.0}, "details": {}})
    ['round_robin']
    """
    row = row_of(figure["name"])
    there = [*figure["peers"], *figure["details"].get("skipped", {})]
    return [arm for arm in (row.beside if row else ()) if not any(fnmatchcase(name, arm) for name in there)]


def missing_rows(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows that are declared for the benchmark of these figures, in their form, and that none of them is."""
    benchmark = str(figures[0]["name"]).partition(".")[0]
    long = any(figure["command"].endswith(" --long") for figure in figures)
    found = {row.name for figure in figures if (row := row_of(figure["name"]))}
    return [
        row.name
        for row in ROWS
        if row.name.partition(".")[0] == benchmark and row.name not in found and (long or not row.long_only)
    ]
