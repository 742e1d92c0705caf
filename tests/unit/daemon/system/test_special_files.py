"""Which mounted file systems hold no files, and what is refused as data."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from daemon.errors import UsageError
from daemon.system.special_files import MOUNTS, require_file_or_folder, special_devices

TABLE = """22 27 0:21 / /proc rw,relatime - proc proc rw
24 27 0:6 / /dev rw,relatime shared:2 master:1 - devtmpfs udev rw,size=12334460k
25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw
27 1 254:3 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:40 / /mnt/a\\040proc\\040-\\040proc rw - nfs4 host:/a rw
"""


def test_special_systems_are_recognised_by_the_table_of_mounts(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    assert special_devices(table) == {os.makedev(0, 21), os.makedev(0, 6)}
    assert special_devices(tmp_path / "none") == frozenset()


def test_devices_pipes_and_sockets_are_no_data(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path, kind in (
            (tmp_path / "pipe", "a pipe"),
            (tmp_path / "socket", "a socket"),
            (Path("/dev/zero"), "a device"),
        ):
            with pytest.raises(UsageError, match=f"is {kind}, not a regular file or folder"):
                require_file_or_folder(path, path.stat())
    require_file_or_folder(tmp_path, tmp_path.stat())


@pytest.mark.skipif(not MOUNTS.exists(), reason="only Linux shows itself so")
@pytest.mark.parametrize("path", [Path("/proc"), Path("/proc/self/mem"), Path("/sys")])
def test_what_lies_in_a_special_system_is_no_data(path: Path) -> None:
    with pytest.raises(UsageError, match=f"{path} lies in a special file system"):
        require_file_or_folder(path, path.stat())
