"""The manifest finds every change to itself."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.checkpoint.manifest import (
    FILES,
    MANIFEST,
    DefectError,
    Environment,
    Manifest,
    NewerFormatError,
    _sealed,
    read_manifest,
    unreadable,
)
from daemon.errors import CheckpointError, TornCheckpointError
from daemon.system.durable import FileRecord

if TYPE_CHECKING:
    from pathlib import Path


def sample(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "run_id": "r-1",
        "session": 2,
        "sequence": 9,
        "step": 1500,
        "samples": 48_000,
        "created": 1_706_123_456.25,
        "timestamp": "2024-01-24T19:10:56+00:00",
        "reason": "auto",
        "spec": {"kind": "synapse", "layers": ["mingru", "attention"]},
        "tied": (("embed", "head"), ("a", "b", "c")),
        "environment": Environment(torch="2.13.0", python="3.11.7", platform="Linux x86_64", threads=2),
        "replay": {"rows": 10, "segments": [{"file": "seg-000001.bin", "sha256": "0" * 64}]},
        "journal": 4,
        "metrics": {"bpc": 2.25, "phi": 1e-9},
        "files": {name: FileRecord(size=2**40, sha256="ab" * 32) for name in FILES},
    }
    return Manifest(**{**values, **changes})


def put(folder: Path, raw: bytes) -> Path:
    (folder / MANIFEST).write_bytes(raw)
    return folder


@pytest.mark.parametrize(
    "wrong", [{"reason": None}, {"session": -1}, {"run_id": 7}, {"created": 1e300}, {"spec": []}]
)
def test_what_its_reader_would_refuse_is_never_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        sample(**wrong).to_bytes()


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    assert read_manifest(put(tmp_path, sample().to_bytes())) == sample()


def test_numbers_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    raw = sample(metrics={"bpc": 2.0, "phi": float("nan"), "agency": float("inf")}).to_bytes()
    assert read_manifest(put(tmp_path, raw)).metrics == {"bpc": 2.0}


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    raw = sample(spec={}, replay=None, tied=()).to_bytes()
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(DefectError):
            read_manifest(put(tmp_path, bytes(flipped)))


def test_every_truncation_is_found(tmp_path: Path) -> None:
    raw = sample().to_bytes()
    for size in range(len(raw)):
        with pytest.raises(DefectError):
            read_manifest(put(tmp_path, raw[:size]))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"[]", b"{}", b'"text"', b"1e999", b"\xff\xfe", b"{" * 100_000, b"[" * 100_000,
        b'{"checksum": 1}',
        b'{"checksum": "x", "step": ' + b"9" * 10_000 + b"}", b'{"a": NaN, "checksum": ""}',
    ],
    ids=lambda raw: repr(raw[:20]),
)  # fmt: skip
def test_no_manifest_at_all(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(TornCheckpointError, match="MANIFEST"):
        read_manifest(put(tmp_path, raw))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("step", -1), ("step", 2**63), ("step", 10**400), ("step", "5"), ("step", 1.5), ("created", 1e300),
        ("run_id", None), ("files", {}), ("files", {"../x": {"size": 1, "sha256": "0" * 64}}), ("tied", "ab"),
        ("files", {name: {"size": 1, "sha256": "0"} for name in FILES}), ("metrics", {"bpc": "low"}),
        ("files", {name: {"size": -1, "sha256": "0" * 64} for name in FILES}), ("format_version", 0),
        ("format_version", "1"), ("format_version", 2), ("environment", []), ("spec", []),
    ],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_sound_checksum_over_impossible_content(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(DefectError):
        read_manifest(put(tmp_path, _sealed({**sample().to_json(), key: value})))


@given(
    content=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_json_with_a_right_checksum_is_refused_in_order(
    tmp_path_factory: pytest.TempPathFactory, content: Any
) -> None:
    tree = content if isinstance(content, dict) else {"step": content}
    with pytest.raises(DefectError):
        read_manifest(put(tmp_path_factory.mktemp("any"), _sealed(tree)))


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    tree = sample().to_json()
    del tree["step"]
    with pytest.raises(DefectError, match="step"):
        read_manifest(put(tmp_path, _sealed(tree)))


def test_a_later_format_is_sound_but_not_for_us(tmp_path: Path) -> None:
    with pytest.raises(NewerFormatError, match="Upgrade synapsed") as caught:
        read_manifest(put(tmp_path, _sealed({**sample().to_json(), "format_version": 3})))
    assert not isinstance(caught.value, DefectError)


def test_missing_and_not_plain(tmp_path: Path) -> None:
    with pytest.raises(DefectError, match="is missing"):
        read_manifest(tmp_path)
    (tmp_path / "real.json").write_bytes(sample().to_bytes())
    (tmp_path / MANIFEST).symlink_to(tmp_path / "real.json")
    with pytest.raises(DefectError, match="not a plain file"):
        read_manifest(tmp_path)
    (tmp_path / MANIFEST).unlink()
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(DefectError, match="not a plain file"):
        read_manifest(tmp_path)


def test_a_hindrance_is_not_damage(tmp_path: Path) -> None:
    denied = unreadable(tmp_path, "state.json", OSError(errno.EACCES, "Permission denied"))
    assert isinstance(denied, CheckpointError)
    assert not isinstance(denied, TornCheckpointError)
    assert str(denied).endswith(f"then: synapsed resume {tmp_path.name}")
    alone = unreadable(tmp_path / "x.pt", "the file", OSError(errno.EACCES, "Permission denied"))
    assert str(alone).endswith(f"then: synapsed resume {tmp_path / 'x.pt'}")
    assert isinstance(
        unreadable(tmp_path, "state.json", OSError(errno.EIO, "Input/output error")), DefectError
    )


def test_the_file_is_readable_json_with_a_line_a_value() -> None:
    text = sample().to_bytes().decode("ascii")
    assert json.loads(text)["step"] == 1500
    assert '\n "step": 1500,\n' in text


def test_differences_name_what_breaks_exactness() -> None:
    before = Environment(torch="2.13.0", python="3.11", threads=2, device="cpu")
    assert before.differences(before) == ()
    now = Environment(torch="2.14.0", python="3.12", threads=4, device="cuda NVIDIA H100", world_size=2)
    assert before.differences(now) == (
        "torch 2.13.0 → 2.14.0", "threads 2 → 4", "device cpu → cuda NVIDIA H100", "world size 1 → 2",
    )  # fmt: skip
