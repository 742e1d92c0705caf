"""What the exact memory knows of a context, as whoever asked is sent it: every byte can be shown as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brain.memory.ports import Recalling
from brain.missing_capabilities import why_no_memory
from daemon.errors import ConflictError
from daemon.streams.encodings import cut_character

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from brain.memory.ports import Passage, Recollection
    from brain.ports import Brain
    from daemon.streams.stream import ExperienceStream

    NameOf = Callable[[int, int], str | None]  # of a source, by its number and the step at which it was read

MAX_CONTEXT_BYTES = 4096  # its last ones count
LIKELIEST = 5


class SessionSources:
    """The names of sources: a resume with other data numbers them anew, so only those of this session are known.

    Args:
        stream: of the run.
        first_step: of the session.
    """

    def __init__(self, stream: ExperienceStream, first_step: int) -> None:
        self._stream = stream
        self._first_step = first_step

    def __call__(self, source: int, step: int) -> str | None:
        """The name, if it is known."""
        sources = self._stream.sources
        return sources[source].name if step >= self._first_step and source < len(sources) else None


def no_name(_source: int, _step: int) -> None:
    """What is known of a source where no run is."""


def what_it_remembers(
    brain: Brain, context: bytes, *, max_bytes: int, name_of: NameOf = no_name
) -> dict[str, Any]:
    """Match, next bytes and completion; changes nothing.

    Raises:
        ConflictError: the brain has no exact memory.
    """
    if not (isinstance(brain, Recalling) and brain.remembers):
        raise ConflictError(why_no_memory(brain))
    return as_dict(brain.recall(context, max_bytes=max_bytes), name_of)


def as_dict(found: Recollection, name_of: NameOf = no_name) -> dict[str, Any]:
    """A recollection as JSON; text that was cut inside a character is shown without the rest of it."""
    whole = found.completion[: len(found.completion) - cut_character(found.completion)]
    by = {"memory": found.memory, "network": found.network, "both": found.both}
    return {
        "context_bytes": found.num_bytes,
        "match": None if found.match is None else _passage(found.match, name_of),
        "next": {name: likeliest(probability) for name, probability in by.items()},
        "completion": readable(whole),
    }


def likeliest(probability: Tensor) -> list[dict[str, Any]]:
    """The most probable bytes of (256,), the first one first."""
    top = probability.topk(LIKELIEST)
    return [
        {"byte": byte, "text": named(byte), "probability": value}
        for byte, value in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]


def named(byte: int) -> str:
    r"""One byte as a person can read it.

    >>> [named(byte) for byte in b"a' \n\xe9"]
    ['a', "'", 'space', '\\n', '\\xe9']
    """
    if byte == 0x20:
        return "space"
    return chr(byte) if 0x20 < byte < 0x7F else repr(bytes([byte]))[2:-1]


def readable(text: bytes) -> str:
    r"""UTF-8 as text; what is none as the escapes of its bytes.

    >>> print(readable(b"caf\xc3\xa9 caf\xe9"))
    café caf\xe9
    """
    return text.decode("utf-8", errors="backslashreplace")


def _passage(match: Passage, name_of: NameOf) -> dict[str, Any]:
    """The parts of a passage, cut between characters."""
    begun = _begun(match.matched)
    before = match.before + match.matched[: len(match.matched) - len(begun)]
    source = None if match.source is None or match.step is None else name_of(match.source, match.step)
    return {
        "length": match.length,
        "bytes_ago": match.bytes_ago,
        "step": match.step,
        "source": source,
        "before": readable(_begun(before)),
        "matched": readable(begun),
        "after": readable(match.after[: len(match.after) - cut_character(match.after)]),
    }


def _begun(text: bytes) -> bytes:
    r"""Text from its first character on: UTF-8 has at most three bytes that continue one.

    >>> _begun("é!".encode()[1:]), _begun(b"\x80\x80\x80\x80")
    (b'!', b'\x80')
    """
    cut = next((place for place, byte in enumerate(text[:3]) if not 0x80 <= byte < 0xC0), min(3, len(text)))
    return text[cut:]
