"""export --hub: what is sent where, and that a dry run sends nothing; the network is never touched."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli.hub_upload import TOKEN_VARIABLE

if TYPE_CHECKING:
    from tests.unit.daemon.cli.conftest import Call


class Hub:
    """Stands for huggingface_hub."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.fails = False

    def HfApi(self, *, token: str) -> Hub:  # noqa: N802 - the client's name
        self.calls.append(token)
        return self

    def create_repo(self, repo: str, **settings: Any) -> None:
        if self.fails:
            raise OSError("no route to host\nmore")
        self.calls.append((repo, settings["private"]))

    def upload_folder(self, *, folder_path: Path, repo_id: str, repo_type: str) -> str:
        self.calls.append((folder_path.name, repo_id, repo_type))
        return f"https://hub.example/{repo_id}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    fake = Hub()

    def export_folder(home: object, checkpoint: str, target: Path) -> dict[str, Any]:
        del home
        sizes = {"model.safetensors": 2048, "config.json": 99}
        measured = {"before_bpc": 2.25, "bpc": 2.25, "num_bytes": 4096, "not_measured": None}
        return {"path": str(target), "files": sizes, "checkpoint": checkpoint, "step": 3, **measured}

    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    module = SimpleNamespace(export_folder=export_folder)
    monkeypatch.setitem(sys.modules, "daemon.trainer.offline.hub_folder", module)
    monkeypatch.setattr("daemon.checkpoint.resolve.resolve", lambda _catalogue, name: Path(name))
    return fake


def test_the_folder_is_written_and_its_loss_stands_beside_the_checkpoints(
    call: Call, hub: Hub, tmp_path: Path
) -> None:
    called = call("export", "continuous_1", "--format", "hub", "-o", str(tmp_path / "out"))
    assert called.code == 0, called.err
    assert "model.safetensors (2.0 KiB), config.json (99 B)" in called.out
    assert "Held-out BPC 2.2500 read back from it, 2.2500 of the checkpoint, over 4,096 bytes" in called.out
    assert hub.calls == []
    (tmp_path / "out").mkdir()
    assert (
        "is there already"
        in call("export", "continuous_1", "--format", "hub", "-o", str(tmp_path / "out")).err
    )


def test_it_is_sent_with_a_token_and_not_in_a_dry_run(
    call: Call, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    words = ["export", "continuous_1", "-o", str(tmp_path / "out"), "--hub", "ada/brain"]
    assert "Dry run: would be sent to ada/brain" in call(*words, "--dry-run").out
    refused = call(*words)
    assert (refused.code, hub.calls) == (2, [])
    assert "no token: set HF_TOKEN" in refused.err
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    assert "Sent: https://hub.example/ada/brain" in call(*words).out
    assert hub.calls == ["secret", ("ada/brain", True), ("out", "ada/brain", "model")]
    hub.fails = True
    failed = call(*words)
    assert failed.code == 1
    assert "ada/brain was not sent (no route to host); the folder is whole" in failed.err
    assert "secret" not in failed.err
    assert "'brain' is not a repository" in call(*words[:-1], "brain").err
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install 'synapsed[hub]'" in call(*words).err
