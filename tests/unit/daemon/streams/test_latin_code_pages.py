"""The code page of Latin text is found by its letters."""

from __future__ import annotations

import pytest

from daemon.streams.encodings import HEAD_BYTES, detect
from daemon.streams.latin_code_pages import detect_latin
from tests.fixtures.languages import RUSSIAN
from tests.fixtures.latin_texts import TABLE, mixed

CUTS = (1_500, 9_001, HEAD_BYTES)


@pytest.mark.parametrize(("language", "codec"), TABLE)
def test_every_head_of_a_text_reads_as_it_was_written(language: str, codec: str) -> None:
    text = mixed(language, codec, 70_000).encode(codec)
    for begin in (0, 1, 777):
        for size in CUTS:
            head = text[begin : begin + size]
            assert head.decode(str(detect(head))) == head.decode(codec), (begin, size)


def test_a_name_from_elsewhere_does_not_change_it() -> None:
    text = (mixed("German", "cp1252", 20_000) + "Señor Nuñez und Håkan.\n").encode("cp1252")
    assert detect_latin(text) == "cp1252"


def test_signs_alone_are_those_of_the_web() -> None:
    assert detect_latin("It’s “quoted” – for 5 € …".encode("cp1252")) == "cp1252"
    assert detect_latin("cœur, Œuvre: 5 €".encode("iso8859_15")) == "iso8859_15"


@pytest.mark.parametrize("codec", ["cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic"])
def test_another_script_is_no_latin(codec: str) -> None:
    text = RUSSIAN.replace("—", "-") * 20
    assert detect_latin(text.encode(codec)) is None
