"""Sending an exported folder to a model hub, with a person's own token, when that is asked for."""

from __future__ import annotations

import importlib
import os
import re
from typing import TYPE_CHECKING, Any

from daemon.errors import DaemonError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105 - a name


class UploadError(DaemonError):
    """The hub did not take the folder."""


def repository(text: str) -> str:
    """A repository's name.

    >>> repository("ada/agiformer")
    'ada/agiformer'

    Raises:
        UsageError: it is none.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", text, flags=re.ASCII):
        raise UsageError(f"{text!r} is not a repository; name it as OWNER/NAME")
    return text


def hub_ready() -> Any:
    """The hub's own client, logged in, before anything takes time.

    Raises:
        UsageError: no token is set, or the client is not installed.
    """
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise UsageError(f"no token: set {TOKEN_VARIABLE}, or look at what would be sent with --dry-run")
    try:
        return importlib.import_module("huggingface_hub").HfApi(token=token)
    except ImportError:
        raise UsageError("huggingface_hub is not installed: pip install 'synapsed[hub]'") from None


def upload(client: Any, folder: Path, repo: str) -> str:
    """Send the folder; the address of what is there then.

    Raises:
        UploadError: the hub refused it, or cannot be reached.
    """
    try:
        client.create_repo(repo, repo_type="model", private=True, exist_ok=True)
        return str(client.upload_folder(folder_path=folder, repo_id=repo, repo_type="model"))
    except Exception as error:  # the client has no common root for what a network can do
        line = str(error).strip().partition("\n")[0]
        raise UploadError(f"{repo} was not sent ({line}); the folder is whole: {folder}") from error
