"""Buttons, lists and carousels: flat buttons, three at most; a list lives in ``action.list``.

Whapi publishes no limits for lists and carousels: the Cloud API's stand in their place.
"""

from __future__ import annotations

from typing import Any

from simulator.config import Json
from simulator.phone import Choice, Content
from simulator.whapi.checks import check_text, list_of, object_of, optional_text
from simulator.whapi.errors import wrong

MAX_BUTTONS = 3
BUTTON_TITLE = 25
MAX_ROWS = 10
ROW_TITLE, ROW_DESCRIPTION, LABEL, ID = 24, 72, 20, 200
MAX_CARDS = 10
_BODY, _HEADER, _FOOTER = 4096, 60, 60


def check(body: dict[str, Json], attachments: tuple[dict[str, Json], ...] = ()) -> tuple[Json, Content]:
    """``POST /messages/interactive``: the content as it is returned, and what the phone shows. Raises ``WhapiError``."""
    kind = body.get("type", "button")
    if kind not in ("button", "list"):
        raise wrong("type must be button or list")
    action = object_of(body, "action")
    choices = _buttons(action) if kind == "button" else _rows(action)
    text = "\n".join(filter(None, (_part(body, "header", _HEADER), _required(body), _part(body, "footer", _FOOTER))))
    shown = {name: body[name] for name in ("header", "body", "footer", "action") if name in body}
    return {"type": kind, **shown}, Content(text=text, choices=choices, attachments=attachments)


def check_carousel(body: dict[str, Json]) -> tuple[Json, Content]:
    """``POST /messages/carousel``. Raises ``WhapiError``."""
    text, cards, choices = _required(body), [], []
    for number, card in enumerate(list_of(body, "cards", MAX_CARDS), 1):
        check_text(card, "id", ID)
        cards.append({"title": check_text(card, "text", _BODY), "image_url": check_text(card, "media")})
        choices += _checked_buttons(list_of(card, "buttons", MAX_BUTTONS), number)
    return {"body": body["body"], "cards": body["cards"]}, Content(text=text, cards=tuple(cards), choices=tuple(choices))


def _required(body: dict[str, Json]) -> str:
    return check_text(object_of(body, "body"), "text", _BODY)


def _part(body: dict[str, Json], name: str, limit: int) -> str | None:
    return optional_text(object_of(body, name), "text", limit) if name in body else None


def _buttons(action: dict[str, Json]) -> tuple[Choice, ...]:
    return tuple(_checked_buttons(list_of(action, "buttons", MAX_BUTTONS)))


def _checked_buttons(buttons: list[dict[str, Json]], card: int | None = None) -> list[Choice]:
    choices = [_button(button, card) for button in buttons]
    if len({button["id"] for button in buttons}) < len(buttons):
        raise wrong("buttons need ids that differ")
    # Whether both kinds may stand in one message is not documented.
    if len({button["type"] == "quick_reply" for button in buttons}) > 1:
        raise wrong("quick_reply buttons cannot be mixed with others")
    return choices


def _button(button: dict[str, Json], card: int | None) -> Choice:
    title, button_id = check_text(button, "title", BUTTON_TITLE), check_text(button, "id", ID)
    kind = button.get("type")
    if kind == "quick_reply":
        return Choice(title=title, payload=button_id, card=card, once=True, kind="button")
    if kind == "url":
        return Choice(title=title, url=check_text(button, "url"), card=card, kind="url")
    if kind == "call":
        return Choice(title=title, url="tel:" + check_text(button, "phone_number"), card=card, kind="call")
    if kind == "copy":
        return Choice(title=title, payload=check_text(button, "copy_code"), card=card, kind="copy")
    raise wrong("a button is flat: type (quick_reply, url, call or copy), title, id")


def _rows(action: dict[str, Json]) -> tuple[Choice, ...]:
    found = object_of(action, "list")
    check_text(found, "label", LABEL)
    sections = list_of(found, "sections", MAX_ROWS)
    rows: list[dict[str, Any]] = []
    for section in sections:
        if len(sections) > 1:
            check_text(section, "title", ROW_TITLE)
        rows += list_of(section, "rows", MAX_ROWS)
    if len(rows) > MAX_ROWS:
        raise wrong(f"a list must not hold more than {MAX_ROWS} rows in all")
    choices = tuple(_row(row) for row in rows)
    if len({choice.payload for choice in choices}) < len(choices):
        raise wrong("rows need ids that differ")
    return choices


def _row(row: dict[str, Json]) -> Choice:
    optional_text(row, "description", ROW_DESCRIPTION)
    return Choice(title=check_text(row, "title", ROW_TITLE), payload=check_text(row, "id", ID), kind="row")
