"""docs/api.md says what the API serves: its tables are made from the routes and the kinds of problem.

After a change: ``python -m tests.docs.test_api_documented``.
"""

from __future__ import annotations

import re

from omnicrm.cli import PROJECT
from router import openapi
from router.problem import KINDS, TYPE_PREFIX
from router.routes import ROUTES
from router.schemas import MAX_PARTS

DOCUMENT = PROJECT / "docs" / "api.md"


def operations() -> str:
    """The table of operations, out of the served document."""
    rows = ["| operation | scope | what it does |", "| --- | --- | --- |"]
    for path, methods in openapi.document()["paths"].items():
        for method, operation in methods.items():
            scope = re.search(r"`(\w+)`", operation.get("description", ""))
            rows.append(f"| `{method.upper()} {path}` | {scope[0] if scope else 'none'} | {operation['summary']} |")
    return "\n".join(rows) + "\n"


def problems() -> str:
    """The table of problems."""
    rows = ["| type | status | title | what to do |", "| --- | --- | --- | --- |"]
    rows += (f"| `{name}` | {kind.status} | {kind.title} | {kind.cure} |" for name, kind in KINDS.items())
    return "\n".join(rows) + "\n"


def with_tables(text: str) -> str:
    """The document with its tables made anew."""
    for name, table in (("operations", operations()), ("problems", problems())):
        mark = f"<!-- {name}: tests/docs/test_api_documented.py -->\n"
        before, rest = text.split(mark)
        text = before + mark + table + rest[rest.index(f"<!-- /{name} -->") :]
    return text


def test_the_tables_are_those_of_the_served_document() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run: python -m tests.docs.test_api_documented"


def test_every_route_is_in_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert all(f"`{route.method} {route.path}`" in text for route in ROUTES)


def test_what_the_text_names_exists() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert TYPE_PREFIX in text
    assert f"at most {MAX_PARTS} messages" in text
    named = set(re.findall(r"\b[45]\d\d `([a-z-]+)`", text))
    assert named
    assert named <= set(KINDS)


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
