"""What a person wrote new in a mail: quotes, signatures and footers taken out of plain text.

Line by line, each looked at a bounded number of times: the time is linear in the size of the mail, whatever is in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.email.charset import composed
from connectors.email.patterns import (
    ADDRESS,
    ADVERTISEMENT,
    CLOSING,
    CLOSING_WITHIN,
    DATE,
    DATE_FIRST,
    DATED_OPENING,
    FOOTER,
    FORWARD,
    LABEL,
    LABEL_OF,
    NAME_FIRST,
    OPENING,
    RULE,
    SENT_FROM,
    SEPARATOR,
    TIME,
    TOLD,
)

# Longer than any mail that a person writes: what follows is quote, or nobody reads it.
MAX_LINES = 4000
# What is looked at of a line, and of the lines that one introduction is wrapped over.
_MAX_LINE = 400
_INTRODUCTION_LINES = 4
_BLOCK_LINES = 9
_FOOTER_LINES = 40
_SIGNATURE_LINES = 15

_SPACES = re.compile("[\u00a0\u2007\u202f]")
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u2060-\u2064\ufeff\u00ad]")
_LINE_END = re.compile(r"\r\n?|\u2028|\u2029|\x0b|\x0c|\x85")
_BLANK_LINES = re.compile(r"\n{3,}")
_BEFORE = re.compile(r"^[>\s*|]+")
# A footer is a paragraph; "Confidencial: ¿me lo mandan?" is a line.
_SHORTEST_FOOTER = 80


@dataclass(frozen=True, slots=True)
class Stripped:
    """What is new in a mail.

    ``text`` is never empty where the mail has text: with ``nothing_new`` it is all there is. ``rest``: what was quoted or
    passed on behind it, from a separator to the end; ``forwards``: the separator says that it was passed on.
    """

    text: str
    nothing_new: bool = False
    rest: str = ""
    forwards: bool = False


def strip(text: str) -> Stripped:
    """The new text of a mail. Each of its lines stands in the mail."""
    lines = [_Line(line) for line in clean(text).split("\n")[:MAX_LINES]]
    segments, end = _segments(lines)
    rest = _joined(lines[end:])
    forwards = end < len(lines) and FORWARD.match(lines[end].bare) is not None
    new = "\n\n".join(text for text in (_joined(_unsigned(segment)) for segment in segments) if text)
    if new:
        return Stripped(new, rest=rest, forwards=forwards)
    fallbacks = (
        [line for segment in segments for line in segment],
        [line for line in lines if not line.quoted],
        lines,
    )
    all_there_is = next((text for text in map(_joined, fallbacks) if text), "")
    return Stripped(all_there_is, nothing_new=True, rest=rest, forwards=forwards)


def clean(text: str) -> str:
    """One kind of line end and of blank, nothing invisible, accents composed."""
    text = _INVISIBLE.sub("", _SPACES.sub(" ", _LINE_END.sub("\n", text)))
    return composed(text).strip("\n")


class _Line:
    """One line: as it stands, whether a ``>`` quotes it, whether it delimits a signature, and its bare words to compare."""

    __slots__ = ("bare", "delimits", "quoted", "text")

    def __init__(self, text: str) -> None:
        self.text = text.rstrip()
        self.quoted = self.text.lstrip()[:1] == ">"
        self.delimits = text == "-- "
        self.bare = _BEFORE.sub("", self.text[:_MAX_LINE]).rstrip("* |")


def _segments(lines: Sequence[_Line]) -> tuple[list[list[_Line]], int]:
    """What stands before, between and behind quotes, and where the quote begins that nothing comes behind."""
    segments: list[list[_Line]] = [[]]
    at = 0
    while at < len(lines):
        behind = _behind_introduction(lines, at)
        if behind:
            segments.append([])
            at = behind
        elif _begins_quote(lines, at):
            break
        elif lines[at].quoted:
            segments.append([])
            at += 1
        else:
            segments[-1].append(lines[at])
            at += 1
    return [segment for segment in segments if segment], at


def _joined(lines: Sequence[_Line]) -> str:
    text = "\n".join(line.text for line in lines).strip("\n")
    return _BLANK_LINES.sub("\n\n", text) if text.strip() else ""


# --- where a quote begins ------------------------------------------------------------------------------------------------


def _behind_introduction(lines: Sequence[_Line], at: int) -> int:
    """Where the lines end that introduce a quote marked with ``>``: what stands unmarked behind it is an answer. Else 0."""
    length = _introduction(lines, at, signs=1)
    following = next((line for line in lines[at + length : at + length + 3] if line.text), None) if length else None
    return at + length if following is not None and following.quoted else 0


def _begins_quote(lines: Sequence[_Line], at: int) -> bool:
    """Whether all from here on is quoted or passed on."""
    bare = lines[at].bare
    if not bare or lines[at].quoted:
        return False
    if FORWARD.match(bare) or SEPARATOR.match(bare):
        return True
    return _is_block(lines, at) or _introduction(lines, at, signs=2) > 0


def _introduction(lines: Sequence[_Line], at: int, *, signs: int) -> int:
    """How many lines "El … escribió:" takes here, wrapped as it may be; 0 where there is none.

    Date, time, address and a day right behind the first word are signs that a program wrote it; ``signs``: how many we want.
    """
    if lines[at].quoted:
        return 0
    words = ""
    for length, line in enumerate(lines[at : at + _INTRODUCTION_LINES], 1):
        if not line.bare or line.quoted:
            return 0
        words = f"{words} {line.bare}".lstrip()
        if words[-1] in ":-" and (NAME_FIRST.match(words) or DATE_FIRST.match(words)):
            return length
        if not OPENING.match(words):
            return 0
        # Yahoo's phones write the quote behind it in the same line.
        if (words[-1] in ":-" and CLOSING.search(words) and not TOLD.search(words)) or CLOSING_WITHIN.search(words):
            found = sum(sign.search(words) is not None for sign in (TIME, DATE, ADDRESS))
            return length if found + bool(DATED_OPENING.match(words)) >= signs and found else 0
    return 0


def _is_block(lines: Sequence[_Line], at: int) -> bool:
    """Whether a block of quoted headers begins here: three or more, a sender among them, and a subject or an address."""
    if _label(lines[at]) is None:
        return False
    window = lines[at : at + _BLOCK_LINES]
    labels = {label for label in map(_label, window) if label}
    plausible = "subject" in labels or any(_label(line) and ADDRESS.search(line.bare) for line in window)
    return "from" in labels and len(labels) >= 3 and plausible


def _label(line: _Line) -> str | None:
    found = LABEL.match(line.bare)
    return LABEL_OF.get(found[1].lower()) if found else None


# --- where a signature begins ----------------------------------------------------------------------------------------------


def _unsigned(lines: list[_Line]) -> list[_Line]:
    """A segment without its signature, footer and last lines of advertising."""
    end = next((at for at in range(len(lines)) if _ends_text(lines, at)), len(lines))
    while end and (not lines[end - 1].text or any(p.match(lines[end - 1].bare) for p in (RULE, SENT_FROM, ADVERTISEMENT))):
        end -= 1
    return lines[:end]


def _ends_text(lines: Sequence[_Line], at: int) -> bool:
    line = lines[at]
    if line.delimits:
        return True
    if line.text == "--":
        # Many programs take the space away; but people also draw lines.
        return len(lines) - at <= _SIGNATURE_LINES
    if len(lines) - at > _FOOTER_LINES or not FOOTER.match(line.text[:_MAX_LINE]):
        return False
    paragraph = 0
    for following in lines[at:]:
        if not following.text or paragraph >= _SHORTEST_FOOTER:
            break
        paragraph += len(following.text)
    return paragraph >= _SHORTEST_FOOTER
