"""What is taken out of documents, and how each fault of one reads."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from daemon.streams.documents import extracting, html, pdf
from daemon.streams.documents.extracting import text_of
from daemon.streams.errors import UndecodableError
from tests.unit.daemon.streams.documents import samples

SHARED = Path(__file__).parents[6] / "shared/data/pdf"


def extracted(folder: Path, content: bytes, form: str) -> str:
    path = folder / "document"
    path.write_bytes(content)
    return "".join(text_of(path, form))


def test_a_pdf_gives_its_lines(tmp_path: Path) -> None:
    assert (
        extracted(tmp_path, samples.pdf("Hello there,", "old friend"), "pdf")
        == "Hello there,\nold friend\n\n"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (samples.pdf(), "it holds no text, only pictures perhaps"),
        (samples.pdf("lost")[:60], "it is damaged"),
    ],
)
def test_a_pdf_without_text_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(UndecodableError, match=f"^{reason}$"):
        extracted(tmp_path, content, "pdf")


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data is not here")
def test_real_pdfs(tmp_path: Path) -> None:
    text = "".join(text_of(SHARED / "GeoTopo-komprimiert.pdf", "pdf"))
    assert text.startswith("Einführung in die\nGeometrie und Topologie\n")
    assert len(text) > 140_000
    with pytest.raises(UndecodableError, match="it is locked by a password"):
        list(text_of(SHARED / "libreoffice-writer-password.pdf", "pdf"))


def test_a_reader_that_dies_or_never_ends_costs_its_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "paper.pdf"
    for program, reason in (
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "its reader failed with -11"),
        ("import threading; threading.Event().wait()", "it takes longer than 0.3 s"),
    ):
        (tmp_path / "reader.py").write_text(program)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(pdf, "__name__", "reader")
        monkeypatch.setattr(pdf, "MAX_SECONDS", 0.3 if "threading" in program else 60.0)
        with pytest.raises(UndecodableError, match=f"^{reason}$"):
            list(pdf.pages(path))


def test_a_book_is_read_in_its_order(tmp_path: Path) -> None:
    assert extracted(tmp_path, samples.epub(), "epub") == "One\n\nCafé.\n\nZwei Wörter\n\n"


LOCKED = """<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"
xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData><enc:CipherData>
<enc:CipherReference URI="{}"/></enc:CipherData></enc:EncryptedData></encryption>"""
LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><package><manifest>&b;</manifest></package>'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (samples.epub()[:-40], "it is damaged"),
        (samples.epub(**{"META-INF/encryption.xml": LOCKED.format("OEBPS/text/one.xhtml")}), "it is locked"),
        (samples.epub(**{"META-INF/container.xml": "<container/>"}), "it names no package document"),
        (samples.epub(**{"OEBPS/content.opf": "<package>"}), "it is damaged"),
        (samples.epub(**{"OEBPS/content.opf": LAUGHS}), "it holds no text"),
        (samples.epub(**{"OEBPS/content.opf": " " * (9 << 20)}), "unpacks to more than 8 MiB"),
        (samples.epub(**{"OEBPS/content.opf": samples.PACKAGE.replace("text/one", "gone")}), "it is damaged"),
    ],
)
def test_a_damaged_book_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(UndecodableError, match=reason):
        extracted(tmp_path, content, "epub")


def test_locked_fonts_lock_no_book(tmp_path: Path) -> None:
    fonts = LOCKED.format("OEBPS/fonts/a.otf")
    assert "One" in extracted(tmp_path, samples.epub(**{"META-INF/encryption.xml": fonts}), "epub")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<h1>Títol</h1><script>no()</script><p>a&nbsp;b<p>c<!-- no -->".encode(), "Títol\n\na b\n\nc"),
        ('<meta charset="windows-1251"><p>Привет'.encode("cp1251"), "Привет"),
        ('<meta charset="nosuch"><p>déjà'.encode("cp1252"), "déjà"),
        (
            b"<ul><li>one <b> two</b>\n<li>three</ul><table><tr><td>a<td>b<tr><td>c",
            "one two\nthree\n\na\tb\nc",
        ),
        (b"<p>x<pre>def f():\n    pass</pre>y<br>z", "x\n\ndef f():\n    pass\n\ny\nz"),
        (codecs.BOM_UTF16_LE + "<p>wide".encode("utf-16-le"), "wide"),
        (b"<p>a\0b\x07c", "abc"),
    ],
)
def test_a_page_is_read_as_it_is_shown(tmp_path: Path, content: bytes, text: str) -> None:
    assert extracted(tmp_path, content, "html").replace("\xa0", " ").strip() == text


def test_a_page_that_is_too_much_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MAX_BYTES", 1 << 20)
    with pytest.raises(UndecodableError, match="longer than 1 MiB"):
        extracted(tmp_path, b"<p>" + b"a" * (1 << 20), "html")
    assert extracted(tmp_path, b"<ul><li>" * 500 + b"deep", "html") == "deep"
    with pytest.raises(UndecodableError, match="no text"):  # the parser follows no further than it is safe
        extracted(tmp_path, b"<ul><li>" * 50_000 + b"deep", "html")


def test_mail_is_read_with_its_subject_and_without_attachments(tmp_path: Path) -> None:
    assert extracted(tmp_path, samples.mail(), "mail").startswith(
        "Subject: Tea\nFrom: Ada <ada@example.org>\nDate: Mon, 02 Nov 2026 10:00:00 +0000\n\nAt four?\n"
    )
    parts = 'multipart/mixed; boundary="x"'
    html_part = "--x\r\nContent-Type: text/html\r\n\r\n<p>Read <b>this</b>\r\n"
    body = f"{html_part}--x\r\nContent-Type: image/png\r\n\r\nPNG\r\n--x--"
    text = extracted(tmp_path, samples.mail("=?utf-8?b?w6l0w6k=?=", body, parts), "mail")
    assert text.startswith("Subject: été\n")
    assert "Read this" in text
    assert "PNG" not in text
    unknown = extracted(tmp_path, samples.mail(body="odd", kind="text/plain; charset=nosuch"), "mail")
    assert "odd" in unknown


def test_every_message_of_a_box_is_read(tmp_path: Path) -> None:
    box = samples.mbox(samples.mail("One"), samples.mail("Two", "From: me, no header\r\n>From quoted"))
    text = extracted(tmp_path, box, "mbox")
    assert [line for line in text.splitlines() if line.startswith("Subject")] == [
        "Subject: One",
        "Subject: Two",
    ]
    assert "no header" in text


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extracting, "missing_libraries", lambda: ["pypdfium2"])
    with pytest.raises(UndecodableError, match=r"needs pypdfium2: pip install 'synapsed\[documents\]'"):
        extracted(tmp_path, samples.pdf("a"), "pdf")


def test_whatever_breaks_in_a_library_costs_its_document_alone(tmp_path: Path) -> None:
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(1200))
    for content in (f"From: a@b.c\r\n{nested}".encode(), samples.mail(kind='text/plain; charset="a\0b"')):
        with pytest.raises(UndecodableError, match=r"it is damaged|it holds no text"):
            extracted(tmp_path, content, "mail")
