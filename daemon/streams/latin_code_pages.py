"""Latin text of one byte a character: its code page, found by the letters of the languages written in each.

Neighbour code pages differ in a few letters only, which statistics over bytes often take for one another. A French
text read as cp1250 has letters of Czech and Polish side by side, which no language has.
"""

from __future__ import annotations

import re
from collections import Counter

# What each language writes beside a to z, its loan words included.
_WEST = (
    "äöüßéèàçê",  # German
    "àâæçèéêëîïôœùûüÿ",  # French
    "áéíñóúüç",  # Spanish
    "áâãàçéêíóôõúüè",  # Portuguese
    "àèéìíîòóùú",  # Italian
    "ëïéèöüáíóúêçà",  # Dutch
    "àèéíïòóúüç",  # Catalan
    "æøåéèêàóòôüöä",  # Danish, Norwegian
    "åäöéèüáà",  # Swedish
    "åäöšžé",  # Finnish
    "áéíóúýþæöð",  # Icelandic
    "äöõüšžé",  # Estonian
    "ëç",  # Albanian
)
_CENTRAL = (
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "áéíóöőúüű",  # Hungarian
    "čćđšž",  # Croatian, Slovenian
    "ăâîşţ",  # Romanian
    "äöüß",  # German
    "ëç",  # Albanian
)
_TURKISH = ("çğıöşüâîûİ",)
_BALTIC = ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž")
# Of those that fit equally the first is taken: what is most often met.
_CODECS = {
    "cp1252": _WEST,
    "cp1250": _CENTRAL,
    "iso8859_2": _CENTRAL,
    "iso8859_15": _WEST,
    "cp1254": _TURKISH,
    "cp1257": _BALTIC,
    "cp850": _WEST,
    "cp852": _CENTRAL,
    "mac_roman": _WEST,
}
_ODD = re.compile(
    r"[^\W\d_a-z]{5,}"  # more of them in a row than a word has
    r"|(?<=[^\W\d_A-Z])(?![a-z])[^\w\s!-~’‘'·\xa0\xad–—-](?=[^\W\d_])"  # a sign within a word
    r"|[¹²³¼½¾](?=[^\W\d_])"  # where œ and ž stand in other code pages
    r"|[\x80-\x9f¤]",
    re.IGNORECASE,
)
_RISEN = re.compile(r"(?<=[a-zß-öø-ÿ])[^\W\d_a-zA-Z]")
_MOST_FOREIGN = 0.03  # of what is no ASCII: names, loan words
_MOST_OF_LETTERS = 0.5


def detect_latin(head: bytes) -> str | None:
    """The code page of a Latin text; None for one that has no language's letters in any, or another script's."""
    best: tuple[int, str] | None = None
    for codec, languages in _CODECS.items():
        try:
            text = head.decode(codec)
        except UnicodeDecodeError:
            continue
        if (foreign := _foreign(text, languages)) is not None and (best is None or foreign < best[0]):
            best = foreign, codec
    return None if best is None else best[1]


def _foreign(text: str, languages: tuple[str, ...]) -> int | None:
    """How many characters belong to none of a text, in the language that fits best; None where none fits."""
    counts = Counter(text)
    letters = {one: count for one, count in counts.items() if one.isalpha()}
    marked: Counter[str] = Counter()
    for one, count in letters.items():
        if not one.isascii():
            marked[one.lower()] += count
    if marked.total() > _MOST_OF_LETTERS * sum(letters.values()):
        return None
    odd = sum(map(len, _ODD.findall(text)))
    odd += sum(found.isupper() for found in _RISEN.findall(text))
    least = min(marked.total() - sum(marked[one] for one in language) for language in languages)
    num_beyond = sum(count for one, count in counts.items() if not one.isascii())
    return odd + least if odd + least <= _MOST_FOREIGN * num_beyond else None
