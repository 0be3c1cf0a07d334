"""IMAP's grammar (RFC 3501 section 9): commands with literals in, quoted strings and literals out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

# An atom or quoted string is text, a literal is bytes, a list in parentheses is a list.
Token: TypeAlias = "str | bytes | list[Token]"
_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")
LITERAL_LIMIT = 50 * 1024 * 1024


class BadCommand(Exception):
    """The command makes no sense: the answer is BAD with these words, under the tag as far as one was read."""

    tag = "*"


@dataclass(frozen=True, slots=True)
class Command:
    """Tag, name in capitals (``UID FETCH`` is one name), and what follows."""

    tag: str
    name: str
    arguments: list[Token]

    def text(self, index: int) -> str:
        """An argument that must be a string. Raises ``BadCommand``."""
        if index >= len(self.arguments) or isinstance(self.arguments[index], list):
            raise BadCommand(f"{self.name} needs a string as argument {index + 1}")
        return text_of(self.arguments[index])


def text_of(token: Token) -> str:
    """A string, however it was sent. Raises ``BadCommand`` for a list."""
    if isinstance(token, list):
        raise BadCommand("a list stands where a string belongs")
    return token if isinstance(token, str) else token.decode("utf-8", "surrogateescape")


async def read_command(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Command | None:
    """The next command, with its literals; None when the client is gone. Raises ``BadCommand``."""
    pieces: list[str | bytes] = []
    while True:
        line = await reader.readline()
        if not line:
            return None
        line = line.rstrip(b"\r\n")
        found = _LITERAL.search(line)
        if found is None:
            pieces.append(line.decode("utf-8", "surrogateescape"))
            break
        size = int(found[1])
        if size > LITERAL_LIMIT:
            raise BadCommand("the literal is too large")
        pieces.append(line[: found.start()].decode("utf-8", "surrogateescape"))
        if not found[2]:
            writer.write(b"+ Ready for literal data\r\n")
            await writer.drain()
        pieces.append(await reader.readexactly(size))
    return _command(pieces)


def _command(pieces: Sequence[str | bytes]) -> Command:
    first = str(pieces[0])
    tag, _, rest = first.partition(" ")
    if not tag or not rest.strip():
        raise BadCommand("a command is a tag, a name and its arguments")
    try:
        tokens = tokenize([rest, *pieces[1:]])
    except BadCommand as error:
        error.tag = tag
        raise
    name = text_of(tokens.pop(0)).upper()
    if name == "UID" and tokens:
        name = f"UID {text_of(tokens.pop(0)).upper()}"
    return Command(tag, name, tokens)


def tokenize(pieces: Sequence[str | bytes]) -> list[Token]:
    """The arguments of a command. Raises ``BadCommand``."""
    stack: list[list[Token]] = [[]]
    for piece in pieces:
        if isinstance(piece, bytes):
            stack[-1].append(piece)
            continue
        at = 0
        while at < len(piece):
            sign = piece[at]
            if sign == " ":
                at += 1
            elif sign == "(":
                inner: list[Token] = []
                stack[-1].append(inner)
                stack.append(inner)
                at += 1
            elif sign == ")":
                if len(stack) == 1:
                    raise BadCommand("a parenthesis closes what was not opened")
                stack.pop()
                at += 1
            elif sign == '"':
                word, at = _quoted(piece, at + 1)
                stack[-1].append(word)
            else:
                word, at = _atom(piece, at)
                stack[-1].append(word)
    if len(stack) > 1:
        raise BadCommand("a parenthesis is not closed")
    return stack[0]


def _quoted(line: str, at: int) -> tuple[str, int]:
    word = ""
    while at < len(line) and line[at] != '"':
        at += line[at] == "\\"
        word += line[at : at + 1]
        at += 1
    if at >= len(line):
        raise BadCommand("a quoted string is not closed")
    return word, at + 1


def _atom(line: str, at: int) -> tuple[str, int]:
    """Up to a space or parenthesis; what stands in square brackets belongs to it: ``BODY[HEADER.FIELDS (FROM)]``."""
    begin, depth = at, 0
    while at < len(line) and (depth or line[at] not in " ()"):
        depth += (line[at] == "[") - (line[at] == "]" and depth > 0)
        at += 1
    return line[begin:at], at


def quoted(text: str) -> str:
    """A string for an answer."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def number_set(text: str, highest: int) -> list[tuple[int, int]]:
    """``1:5,9,12:*`` as ranges; ``*`` is the highest number there is. Raises ``BadCommand``."""
    ranges = []
    for part in text.split(","):
        ends = part.split(":")
        if len(ends) > 2 or not all(end == "*" or end.isdigit() for end in ends):
            raise BadCommand(f"{text} is no set of numbers")
        numbers = [highest if end == "*" else int(end) for end in ends]
        ranges.append((min(numbers), max(numbers)))
    return ranges


def is_number_set(text: str) -> bool:
    """Whether this is a set of numbers."""
    return re.fullmatch(r"(\d+|\*)(:(\d+|\*))?(,(\d+|\*)(:(\d+|\*))?)*", text) is not None


def within(number: int, ranges: Sequence[tuple[int, int]]) -> bool:
    """Whether a number lies in the set."""
    return any(least <= number <= most for least, most in ranges)
