"""Small documents of each form, made here."""

from __future__ import annotations

import io
import zipfile

CONTAINER = """<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OEBPS/content.opf"/></rootfiles></container>"""
PACKAGE = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf"><manifest>
<item id="b" href="two%20words.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="p" href="cover.png" media-type="image/png"/>
</manifest><spine><itemref idref="p"/><itemref idref="a"/><itemref idref="b"/></spine></package>"""


def pdf(*lines: str) -> bytes:
    """One page with a line below the other; without any it is empty."""
    shown = " 0 -20 Td ".join(f"({line}) Tj" for line in lines)
    content = f"BT /F1 12 Tf 50 700 Td {shown} ET".encode() if lines else b""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 5 0 R/Resources<</Font<</F1 4 0 R>>>>>>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    ]
    file, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    begin = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    return bytes(
        file + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, begin)
    )


def epub(**changes: str) -> bytes:
    """A book of two chapters and a cover; `changes` are files in place of others, `__` for slashes."""
    files = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/content.opf": PACKAGE,
        "OEBPS/text/one.xhtml": "<html><head><title>no</title></head><body><h1>One</h1><p>Caf&#233;.</p></body></html>",
        "OEBPS/two words.xhtml": '<?xml version="1.0" encoding="utf-8"?><html><body><p>Zwei Wörter</p></body></html>',
        **{name.replace("__", "/"): text for name, text in changes.items()},
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        for name, text in files.items():
            book.writestr(name, text, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def mail(subject: str = "Tea", body: str = "At four?", kind: str = "text/plain; charset=utf-8") -> bytes:
    """A message."""
    head = f"From: Ada <ada@example.org>\r\nSubject: {subject}\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\n"
    return f"{head}X-Long: a\r\n b\r\nContent-Type: {kind}\r\n\r\n{body}\r\n".encode()


def mbox(*messages: bytes) -> bytes:
    """A box of messages."""
    begin = b"From ada@example.org Mon Nov  2 10:00:00 2026\n"
    return b"".join(begin + message.replace(b"\r\n", b"\n") + b"\n" for message in messages)
