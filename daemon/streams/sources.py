"""Sources: the configured paths and tables, named, and checked before anything is read."""

from __future__ import annotations

import itertools
import sysconfig
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.config.data_paths import nearest_existing
from daemon.errors import StreamError, UsageError
from daemon.streams.kinds import settings_of
from daemon.streams.listing import SNIFFED_FILES, Document, sniff
from daemon.streams.walking import Walk
from daemon.system.paths import as_path, is_folder, refuse_private, shown, status_of
from daemon.system.special_files import require_file_or_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from daemon.streams.kinds import SourceConfig

PUSHED = "pushed"
STDLIB = "stdlib"

_NO_STDLIB_FOLDERS = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, kw_only=True)
class SourcePath:
    """A source before it is listed.

    Attributes:
        name: short and unique.
        path: file or folder.
        home: folder whose own things (token, database, replay …) are nothing to learn, if it lies within.
        suffix: only files that end so, of a folder.
        skipped_folders: names of folders left out beside the usual ones.
        kind: which of `daemon.streams.kinds` reads it.
        settings: of that kind; None where all have their defaults.
    """

    name: str
    path: Path
    home: Path | None = None
    suffix: str | tuple[str, ...] = ""
    skipped_folders: frozenset[str] = frozenset()
    kind: str = "files"
    settings: SourceConfig | None = None

    @property
    def converts(self) -> bool:
        """Text is taken out of documents such as PDF."""
        return self.settings is not None and self.settings.converts


def check_data(data: Sequence[str], *, home: Path | None = None) -> None:
    """Cheap check of the configured paths, before any process is started.

    Raises:
        StreamError: a path does not exist (names the nearest that does), cannot be looked at, is not a regular file
            or folder, or leads to what synapsed keeps in its home for itself.
    """
    for given in data:
        try:
            path = as_path(given)
            found = status_of(path)
            if home is not None:
                refuse_private(path, home)
            if found is not None:
                require_file_or_folder(path, found)
        except UsageError as error:
            raise StreamError(str(error)) from None
        if found is None:
            near = nearest_existing(path)
            hint = f"; the nearest is {shown(near)}" if near else ""
            raise StreamError(f"data path {shown(given)} does not exist{hint}")


def require_text(
    data: Sequence[str],
    tables: Sequence[Mapping[str, Any]] = (),
    *,
    home: Path | None = None,
    may_fill: bool = False,
) -> None:
    """Refuse data without any text before a process is started; stops at the first text of each source.

    Of a source in which 20,000 files hold none the rest is not looked at here. `may_fill` lets pass what is empty.

    Raises:
        StreamError: a path does not exist, or a source holds nothing to read; lists what was found instead.
    """
    for source in resolve(data, tables, home=home):
        skipped: Counter[str] = Counter()
        walk = Walk(source)
        for path, name in itertools.islice(walk.files(), SNIFFED_FILES):
            status = None if path is None else walk.look(path)
            if path is None or status is None or isinstance(status, str):
                skipped["unreadable"] += 1
                continue
            if walk.is_private(status):
                continue
            verdict = sniff(Document(name, path, 0, 0, converted=source.converts))
            if verdict.skip is None:
                break
            skipped[verdict.skip] += 1
        else:
            if skipped.total() < SNIFFED_FILES and not (may_fill and skipped.keys() <= {"empty"}):
                raise nothing_to_read(source, skipped)


def nothing_to_read(source: SourcePath, skipped: Mapping[str, int]) -> StreamError:
    """The error that lists what a source holds instead of text."""
    found = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())) or "it is empty"
    kind = "folder" if is_folder(source.path) else "file"
    hint = "name one that holds text"
    if "binary" in skipped and source.settings is not None and not source.converts:
        hint += ', or read PDF and EPUB as a source of kind "documents"'
    return StreamError(f"nothing to read in {kind} {shown(source.path)}: {found}; {hint}")


def resolve(
    data: Sequence[str], tables: Sequence[Mapping[str, Any]] = (), *, home: Path | None = None
) -> tuple[SourcePath, ...]:
    """Sources for the paths of `stream.data`, then for `stream.source`; the standard library's when there are none.

    Of a path that holds `home` itself, what synapsed keeps there (the token above all) is left out.

    Raises:
        StreamError: a path does not exist, cannot be looked at, or is a thing of the home's own.
        UnknownNameError: no kind of source is called so.
    """
    tables = [*({"kind": "files", "path": path} for path in data), *tables]
    given = [settings_of(table) for table in tables]
    check_data([settings.path for settings in given], home=home)
    if not given:
        library = Path(sysconfig.get_paths()["stdlib"])
        return (SourcePath(name=STDLIB, path=library, suffix=".py", skipped_folders=_NO_STDLIB_FOLDERS),)
    return tuple(
        SourcePath(
            name=name,
            path=as_path(
                settings.path
            ).absolute(),  # not resolved: a link may lead elsewhere at the next listing
            home=home and home.resolve(),
            kind=table["kind"],
            settings=settings,
        )
        for name, table, settings in zip(_names(given), tables, given, strict=True)
    )


def source_names(data: Sequence[str], tables: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """What the sources that `resolve` gives are called; no file is looked at."""
    tables = [*({"kind": "files", "path": path} for path in data), *tables]
    return _names([settings_of(table) for table in tables]) or [STDLIB]


def _names(given: Sequence[SourceConfig]) -> list[str]:
    """A name for each source, all different."""
    taken = {PUSHED, *(settings.name for settings in given)}
    names: list[str] = []
    for settings in given:
        name = settings.name or _free_name(as_path(settings.path).absolute(), taken)
        taken.add(name)
        names.append(name)
    return names


def _free_name(path: Path, taken: Collection[str]) -> str:
    base = shown((path.resolve() if path.name in {"", ".."} else path).name) or "root"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name
