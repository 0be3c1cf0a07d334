"""How much of the corpus of replies each library strips to exactly what the person wrote, beside our own stripper.

    uv venv .data/quotes --python .venv/bin/python
    uv pip install --python .data/quotes/bin/python selectolax quotequail mail-parser-reply email-reply-parser
    PYTHONPATH=. .data/quotes/bin/python bench/quotes.py

The libraries get the decoded plain text, and of mails that are HTML alone the text that we make of it, uncut; quotequail also
cuts HTML itself. Blank lines and blanks at line ends do not count.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from connectors.email.html import render
from connectors.email.mime import contents_of, parse_bytes
from connectors.email.quotes import strip

REPLIES = Path(__file__).parents[1] / "tests" / "fixtures" / "email" / "replies"
ORDER = ["Spanish", "English", "other languages", "HTML alone", "no quote"]
Stripper = Callable[["Reply"], str]


@dataclass(frozen=True, slots=True)
class Reply:
    """One mail of the corpus: its words in either form, and what is new in it."""

    name: str
    plain: str
    html: str
    text: str

    @property
    def group(self) -> str:
        """The row of the table that the mail counts in."""
        client, language, *_ = self.name.split("-")
        if client == "people":
            return "no quote"
        if not self.plain:
            return "HTML alone"
        return {"es": "Spanish", "en": "English"}.get(language, "other languages")

    @property
    def words(self) -> str:
        """Plain text, whatever the mail has."""
        return self.plain or render(self.html, cut=False).text


def read_corpus() -> list[Reply]:
    """Every mail of the corpus."""
    replies = []
    for file in sorted(REPLIES.glob("*.eml")):
        bodies = contents_of(parse_bytes(file.read_bytes())).bodies
        plain = "\n".join(body.plain for body in bodies if body.plain)
        html = "\n".join(body.html for body in bodies if body.html)
        text = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))["text"]
        # A plain part that only points at the HTML is no text.
        replies.append(Reply(file.stem, "" if "HTML" in plain else plain, html, text))
    return replies


def strippers() -> dict[str, Stripper]:
    """Ours and the libraries that are installed, by name and version."""
    found: dict[str, Stripper] = {"ours": _ours}
    for package, module, make in (
        ("quotequail", "quotequail", _quotequail),
        ("quotequail", "quotequail", _quotequail_html),
        ("mail-parser-reply", "mailparser_reply", _mail_parser_reply),
        ("email-reply-parser", "email_reply_parser", _email_reply_parser),
    ):
        try:
            library = importlib.import_module(module)
        except ImportError:
            print(f"{package} is not installed")
            continue
        found[f"{package} {version(package)}{' (HTML by structure)' if make is _quotequail_html else ''}"] = make(library)
    return found


def _ours(reply: Reply) -> str:
    return strip(reply.plain or render(reply.html, cut=True).text).text


def _quotequail(library: Any) -> Stripper:
    return lambda reply: "\n".join(text for shown, text in library.quote(reply.words) if shown)


def _quotequail_html(library: Any) -> Stripper:
    def stripped(reply: Reply) -> str:
        if reply.plain:
            return _quotequail(library)(reply)
        shown = "".join(html for shown, html in library.quote_html(reply.html) if shown)
        return strip(render(shown, cut=False).text).text

    return stripped


def _mail_parser_reply(library: Any) -> Stripper:
    parser = library.EmailReplyParser(languages=["en", "es", "de", "fr"])
    return lambda reply: str(parser.parse_reply(text=reply.words))


def _email_reply_parser(library: Any) -> Stripper:
    return lambda reply: str(library.EmailReplyParser.parse_reply(reply.words))


def judged(text: str, expected: str) -> str:
    """"exact", "lost" where words of the person are missing, else "left": something is there that is not theirs."""
    got, wanted = _squeezed(text), _squeezed(expected)
    if got == wanted:
        return "exact"
    return "left" if all(line in got for line in wanted.split("\n")) else "lost"


def _squeezed(text: str) -> str:
    return re.sub(r"\s*\n\s*", "\n", text.replace("\u202f", " ")).strip()


def main() -> None:
    """Print the table, and what each stripper does not get right."""
    corpus = read_corpus()
    counts = {group: sum(reply.group == group for reply in corpus) for group in ORDER}
    print("| stripper | " + " | ".join(f"{group} ({counts[group]})" for group in ORDER) + " | all | left | lost |")
    print("| --- |" + " ---: |" * (len(ORDER) + 3))
    for name, stripper in strippers().items():
        verdicts = {reply.name: judged(stripper(reply), reply.text) for reply in corpus}
        exact = [sum(verdicts[r.name] == "exact" for r in corpus if r.group == group) for group in ORDER]
        rest = [sum(verdict == kind for verdict in verdicts.values()) for kind in ("left", "lost")]
        print(f"| {name} | " + " | ".join(map(str, [*exact, f"{sum(exact)} of {len(corpus)}", *rest])) + " |")


if __name__ == "__main__":
    main()
