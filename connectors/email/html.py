"""HTML to the text that a person wrote: what a mail program put there to quote or to sign is left out by its structure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from connectors.email.tame import tame

# What no reader sees.
_INVISIBLE = '[hidden], [style*="display:none" i], [style*="display: none" i], [style*="mso-hide:all" i]'
# Quotes, and the lines that introduce them: Gmail, Yahoo, Proton, Zoho, Outlook for phones, Thunderbird, Roundcube, Apple.
_QUOTES = (
    "div.gmail_attr, blockquote.gmail_quote, [class*=yahoo_quoted], .protonmail_quote, div.zmail_extra, "
    "#mail-editor-reference-message-container, div.moz-cite-prefix, #reply-intro, blockquote[type=cite]"
)
_SIGNATURES = (
    ".gmail_signature, .gmail_signature_prefix, #AppleMailSignature, #Signature, .moz-signature, "
    "#ms-outlook-mobile-signature, #composer_signature, .protonmail_signature_block, [class*=yahoo-signature]"
)
# Outlook marks only where the quote begins: all that stands behind it in the document belongs to it.
_QUOTE_STARTS = (
    '#appendonsend, #divRplyFwdMsg, #stopSpelling, div[style*="border-top:solid #E1E1E1" i], '
    'div[style*="border-top:solid #B5C4DF" i], div[style*="border:none;border-top:solid" i], '
    'div[style*="border-top: 1pt solid rgb(225, 225, 225)" i]'
)
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "center", "dd", "div", "dl", "dt", "fieldset", "figure", "footer", "form",
    "header", "hr", "li", "main", "nav", "section", "table", "tr",
})  # fmt: skip
# A blank line stands around these; but Outlook writes every line as a paragraph without a margin.
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "pre"})
_TIGHT = "MsoNormal"
_BLANKS = re.compile(r"[ \t\r\n\f]+")
# Mail programs write emoji as images.
_LONGEST_EMOJI = 8


@dataclass(frozen=True, slots=True)
class Rendered:
    """The words of a document, and the Content-IDs of the images that stand among them."""

    text: str
    images: frozenset[str]


def render(html: str, *, cut: bool) -> Rendered:
    """A document as text; with ``cut``, without what its structure says is a quote or a signature.

    Where a quote was cut stands a ``>``, as it would in plain text: what comes behind it is an answer, and no quote.
    """
    tree = LexborHTMLParser(tame(html))
    skipped = {node.mem_id for node in tree.css(_INVISIBLE)}
    end = None
    if cut:
        skipped |= {node.mem_id for node in tree.css(f"{_QUOTES}, {_SIGNATURES}")}
        if tree.css_first("blockquote.gmail_quote") is None:
            # With one, the container may also hold answers between quotes.
            skipped |= {node.mem_id for node in tree.css("div.gmail_quote")}
        start = tree.css_first(_QUOTE_STARTS)
        end = start.mem_id if start is not None else None
    writer = _Writer()
    if tree.body is not None:
        _write(tree.body, writer, skipped, end)
    return Rendered(writer.text(), frozenset(writer.images))


def _write(root: LexborNode, writer: _Writer, skipped: set[int], end: int | None) -> None:
    """Visit the tree in document order, without recursion: hostile mails are deep."""
    entered: list[LexborNode] = []
    node: LexborNode | None = root
    while node is not None:
        if node.mem_id == end:
            return
        if node.mem_id not in skipped:
            writer.enter(node)
            if node.child is not None:
                entered.append(node)
                node = node.child
                continue
            writer.leave(node)
        else:
            writer.skip(node)
        while node.next is None and entered:
            node = entered.pop()
            writer.leave(node)
        node = node.next if entered else None


class _Writer:
    """Collects text with the line ends that a reader would see."""

    def __init__(self) -> None:
        self.images: list[str] = []
        self._parts: list[str] = []
        self._line_ends = 0
        self._space = False
        self._preformatted = 0

    def enter(self, node: LexborNode) -> None:
        tag = node.tag or ""
        self._preformatted += tag == "pre"
        if tag == "-text":
            self._text(node.text_content or "")
        elif tag == "br":
            self._line_ends += 1
        elif tag == "img":
            self._image(node.attributes)
        elif tag == "li":
            self._block(1)
            self._write("- ")
        else:
            self._block(_line_ends(tag, node))

    def leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        self._preformatted -= tag == "pre"
        if tag in ("td", "th"):
            self._space = True
        self._block(_line_ends(tag, node))

    def skip(self, node: LexborNode) -> None:
        """Leave a node out."""
        if node.tag == "blockquote":
            self._block(2)
            self._write(">")
            self._block(2)

    def text(self) -> str:
        return "".join(self._parts)

    def _image(self, attributes: dict[str, str | None]) -> None:
        source, alternative = attributes.get("src") or "", attributes.get("alt") or ""
        if source.lower().startswith("cid:"):
            self.images.append(source[4:])
        if 0 < len(alternative) <= _LONGEST_EMOJI and not alternative.isascii() and not any(map(str.isalnum, alternative)):
            self._write(alternative)

    def _block(self, line_ends: int) -> None:
        self._line_ends = max(self._line_ends, line_ends)

    def _text(self, text: str) -> None:
        if not self._preformatted:
            self._write(text)
            return
        for number, line in enumerate(text.split("\n")):
            self._line_ends += number > 0
            self._write(line)

    def _write(self, text: str) -> None:
        text = _BLANKS.sub(" ", text)
        words = text.strip(" ")
        if not words:
            self._space = self._space or bool(text)
            return
        if self._line_ends and self._parts:
            self._parts.append("\n" * min(self._line_ends, 3))
        elif self._parts and (self._space or text.startswith(" ")):
            self._parts.append(" ")
        self._parts.append(words)
        self._line_ends = 0
        self._space = text.endswith(" ")


def _line_ends(tag: str, node: LexborNode) -> int:
    if tag in _PARAGRAPHS:
        return 1 if _TIGHT in (node.attributes.get("class") or "") else 2
    return 1 if tag in _BLOCKS else 0
