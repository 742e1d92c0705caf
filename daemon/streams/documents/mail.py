"""Mail: subject, sender, date and text of each message, of an mbox, a maildir's file or an `.eml`."""

from __future__ import annotations

import email
import email.policy
import mailbox
from typing import TYPE_CHECKING

from daemon.streams.documents import html
from daemon.streams.documents.libraries import missing_libraries
from daemon.streams.errors import UndecodableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage, MIMEPart
    from pathlib import Path

MAX_MESSAGE_BYTES = 64 << 20  # attachments included
_SHOWN_HEADERS = ("Subject", "From", "Date")


def messages(path: Path, *, many: bool) -> Iterator[str]:
    """The text of each message; `many`: the file is an mbox."""
    if not many:
        with path.open("rb") as file:
            yield _shown(file.read(MAX_MESSAGE_BYTES))
        return
    box = mailbox.mbox(path, create=False)
    try:
        for key in box.iterkeys():
            with box.get_file(key) as file:
                yield _shown(file.read(MAX_MESSAGE_BYTES))
    finally:
        box.close()


def _shown(content: bytes) -> str:
    message = email.message_from_bytes(content, policy=email.policy.default)
    headers = [f"{name}: {value}" for name in _SHOWN_HEADERS if (value := _header(message, name))]
    return "\n".join([*headers, "", _body(message).strip(), "", ""])


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except Exception:  # noqa: BLE001 - the parser of headers fails on some damaged ones in ways of its own
        return ""


def _body(message: EmailMessage) -> str:
    """Its plain text, else its HTML as text."""
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    content = _content(part)
    if part.get_content_subtype() == "html" and not missing_libraries():
        try:
            return html.text_of(content.encode())
        except UndecodableError:
            return ""
    return content


def _content(part: MIMEPart) -> str:
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # a character set that nobody knows
        payload = part.get_payload(decode=True)
        return payload.decode("latin-1") if isinstance(payload, bytes) else ""
