"""What looks like a file and is none: devices, pipes, and the file systems in which the kernel shows itself."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.errors import UsageError
from daemon.system.paths import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

MOUNTS = Path("/proc/self/mountinfo")  # Linux alone has it
SPECIAL_SYSTEMS = frozenset(
    {
        "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devfs", "devpts", "devtmpfs",
        "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs",
        "selinuxfs", "sysfs", "tracefs",
    }
)  # fmt: skip
_KINDS: Mapping[int, str] = {
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def special_devices(mounts: Path = MOUNTS) -> frozenset[int]:
    """Device numbers (`st_dev`) of the mounted file systems that hold no files, such as /proc; none where unknown."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return frozenset()
    found: set[int] = set()
    for line in lines:
        # "22 27 0:21 / /proc rw - proc proc rw": the third is major:minor, behind the dash stands the type.
        mount, _, system = line.partition(" - ")
        if system.split(" ")[0] in SPECIAL_SYSTEMS:
            major, _, minor = mount.split(" ")[2].partition(":")
            found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)


def require_file_or_folder(path: Path, status: os.stat_result) -> None:
    """Refuse to learn from what has no end, or shows the machine itself.

    Raises:
        UsageError: it is a device, pipe or socket, or lies in a special file system.
    """
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is not None:
        raise UsageError(
            f"{shown(path)} is {kind}, not a regular file or folder; there is no text to learn from"
        )
    if status.st_dev in special_devices():
        raise UsageError(
            f"{shown(path)} lies in a special file system, in which the system shows itself; name files or "
            "folders of your own"
        )
