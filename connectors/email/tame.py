"""HTML as a parser can take it from strangers: only what shapes the text.

A standard parser repeats open formatting elements in every paragraph and looks through all open elements at many tags: 35 kB
of ``<b x=1><b x=2>…`` become a tree of more than a gigabyte. So formatting goes, tags are counted, and time stays linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_HTML = 512 * 1024
MAX_TAGS = 12_000
_MAX_VALUE = 500
_MAX_ATTRIBUTES = 4_000

_KEPT = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "center", "dd", "div", "dl", "dt", "fieldset", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "img", "li", "main", "nav", "ol", "p", "pre",
    "section", "span", "table", "tbody", "td", "th", "tr", "ul",
})  # fmt: skip
# Left out with all that stands in them.
_DROPPED = frozenset({
    "iframe", "math", "noembed", "noframes", "noscript", "object", "script", "select", "style", "svg", "template", "textarea",
    "title", "xmp",
})  # fmt: skip
_ATTRIBUTES = frozenset({"class", "id", "type", "style", "src", "alt", "hidden"})
_NAME = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,40})")
_INSIDE = re.compile(r"""(?:[^>"']+|"[^"]*"|'[^']*')*""")
_ATTRIBUTE = re.compile(r"""([^\s=/"'>]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_CLOSING = {name: re.compile(f"</{name}", re.IGNORECASE) for name in _DROPPED}


def tame(html: str) -> str:
    """The document without formatting, scripts, comments and most attributes; cut where it is longer than any real mail."""
    return "".join(_pieces(html[:MAX_HTML]))


def _pieces(html: str) -> Iterator[str]:
    position = tags = 0
    while tags < MAX_TAGS:
        start = html.find("<", position)
        if start < 0:
            yield html[position:]
            return
        yield html[position:start]
        if html.startswith(("<!", "<?"), start):
            position = _behind(html, "-->" if html.startswith("<!--", start) else ">", start)
            continue
        named = _NAME.match(html, start)
        if named is None or "@" in named[2]:
            # A sign, or an address that a program forgot to escape.
            yield "&lt;"
            position = start + 1
            continue
        closes, name = named[1], named[2].lower()
        inside = _INSIDE.match(html, named.end())
        position = _behind(html, ">", inside.end() if inside else named.end())
        if name in _DROPPED and not closes:
            closing = _CLOSING[name].search(html, position)
            position = closing.start() if closing else len(html)
        elif name in _KEPT:
            tags += 1
            attributes = "" if closes or inside is None else _kept(inside[0])
            yield f"<{closes}{name}{attributes}>"


def _behind(html: str, mark: str, start: int) -> int:
    """The position behind the next mark; without one, the rest of the document is inside, as it is for a browser."""
    found = html.find(mark, start)
    return len(html) if found < 0 else found + len(mark)


def _kept(attributes: str) -> str:
    kept: dict[str, str] = {}
    for found in _ATTRIBUTE.finditer(attributes[:_MAX_ATTRIBUTES]):
        name = found[1].lower()
        if name in _ATTRIBUTES and name not in kept:
            kept[name] = (found[2] or found[3] or found[4] or "")[:_MAX_VALUE].replace('"', "&quot;")
    return "".join(f' {name}="{value}"' for name, value in kept.items())
