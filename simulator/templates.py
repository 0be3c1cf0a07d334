"""The structured messages: button, generic and Messenger's other templates."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from simulator.config import Channel, Json
from simulator.errors import invalid, too_long
from simulator.phone import Choice, Content

BUTTON_TEXT = 640
BUTTONS = 3
ELEMENTS = 10
ELEMENT_TEXT = 80
TITLE = 20
PAYLOAD = 1000
# Instagram's formats; files since 2025-12-19. Messenger's page names sizes alone.
INSTAGRAM_FILES = {
    "image": (".png", ".jpg", ".jpeg", ".gif"),
    "video": (".mp4", ".ogg", ".avi", ".mov", ".webm"),
    "audio": (".aac", ".m4a", ".wav", ".mp4"),
    "file": (".pdf",),
}

_BUTTON_TYPES = {
    "messenger": ("web_url", "postback", "phone_number", "account_link", "account_unlink", "game_play", "audio_call"),
    "instagram": ("web_url", "postback"),
}
_TEMPLATES = {
    "messenger": (
        "button",
        "generic",
        "media",
        "receipt",
        "product",
        "image_grid",
        "customer_feedback",
        "customer_information",
    ),
    "instagram": ("button", "generic", "product"),
}
_BUTTON_KEYS = {
    "type",
    "title",
    "payload",
    "url",
    "webview_height_ratio",
    "messenger_extensions",
    "fallback_url",
    "webview_share_button",
    "game_metadata",
}


def no_other_keys(given: dict[str, Json], known: set[str], where: str) -> None:
    """Refuse keys that Graph does not know there."""
    for key in given:
        if key not in known:
            raise invalid(f'Invalid keys "{key}" were found in param "{where}"')


def web_address(url: Json, where: str) -> SplitResult:
    """Refuse what is not an http(s) address."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts
    except ValueError:  # a broken IPv6 host
        pass
    raise invalid(f"Param {where} should represent a valid URL")


def public_address(url: Json, where: str) -> None:
    """Refuse an address that Meta's fetchers could not reach: not HTTPS, or of a private host (100/2018008)."""
    parts = web_address(url, where)
    if parts.scheme != "https" or is_private(parts.hostname or ""):
        raise invalid(f"Failed to fetch the file from the url of {where}", 2018008)


def fetched(channel: Channel, kind: str, url: Json, where: str) -> None:
    """Refuse a file that Meta does not take from this address. It looks at what it fetches; here the name must do."""
    public_address(url, where)
    name = urlsplit(url).path.rpartition("/")[2].lower()
    if channel == "instagram" and "." in name and not name.endswith(INSTAGRAM_FILES[kind]):
        raise invalid(f"Param {where} should lead to one of {', '.join(INSTAGRAM_FILES[kind])}")


def is_private(host: str) -> bool:
    """Whether nobody outside this network reaches the host."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def check_template(channel: Channel, payload: Json) -> Content:
    """Check a template's payload and return what the phone shows."""
    if not isinstance(payload, dict):
        raise invalid("Param message[attachment][payload] must be an object")
    kind = payload.get("template_type")
    if kind not in _TEMPLATES[channel]:
        raise invalid(f"Param message[attachment][payload][template_type] must be one of {', '.join(_TEMPLATES[channel])}")
    where = "message[attachment][payload]"
    if kind == "button":
        return _button_template(channel, payload, where)
    if kind == "generic":
        return _generic_template(channel, payload, where)
    return Content(
        text=str(payload.get("title") or kind),
        choices=_buttons(channel, payload.get("buttons") or [], where),
        attachments=({"type": "template", "payload": payload},),
    )


def _button_template(channel: Channel, payload: dict[str, Json], where: str) -> Content:
    no_other_keys(payload, {"template_type", "text", "buttons", "sharable"}, where)
    text = payload.get("text")
    if not isinstance(text, str) or not text.strip():
        raise invalid(f"Param {where}[text] must be a non-empty string")
    if len(text) > BUTTON_TEXT:
        raise too_long(f"{where}[text]", BUTTON_TEXT)
    buttons = payload.get("buttons")
    if not isinstance(buttons, list) or not buttons:
        raise invalid(f"Param {where}[buttons] must be a non-empty array")
    return Content(text=text, choices=_buttons(channel, buttons, where))


def _generic_template(channel: Channel, payload: dict[str, Json], where: str) -> Content:
    no_other_keys(payload, {"template_type", "elements", "image_aspect_ratio", "sharable"}, where)
    elements = payload.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= ELEMENTS:
        raise invalid(f"Param {where}[elements] must have 1 to {ELEMENTS} elements")
    cards = []
    choices: list[Choice] = []
    for number, element in enumerate(elements, 1):
        card, buttons = _element(channel, element, f"{where}[elements][{number - 1}]", number)
        cards.append(card)
        choices.extend(buttons)
    return Content(choices=tuple(choices), cards=tuple(cards))


def _element(channel: Channel, element: Json, where: str, number: int) -> tuple[dict[str, Json], tuple[Choice, ...]]:
    if not isinstance(element, dict):
        raise invalid(f"Param {where} must be an object")
    no_other_keys(element, {"title", "subtitle", "image_url", "default_action", "buttons"}, where)
    for name in ("title", "subtitle"):
        value = element.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid(f"Param {where}[{name}] must be a string")
        if value is not None and len(value) > ELEMENT_TEXT:
            raise too_long(f"{where}[{name}]", ELEMENT_TEXT)
    if not (element.get("title") or "").strip():
        raise invalid(f"Param {where}[title] must be a non-empty string")
    if not any(element.get(name) for name in ("subtitle", "image_url", "default_action", "buttons")):
        raise invalid(f"Param {where} needs one more property beside title")
    if element.get("image_url"):
        fetched(channel, "image", element["image_url"], f"{where}[image_url]")
    action = element.get("default_action")
    if action is not None and (not isinstance(action, dict) or action.get("type") != "web_url" or "title" in action):
        raise invalid(f"Param {where}[default_action] must be a web_url button without title")
    if action is not None:
        web_address(action.get("url"), f"{where}[default_action][url]")
    buttons = _buttons(channel, element.get("buttons") or [], where, number)
    card = {name: element[name] for name in ("title", "subtitle", "image_url") if element.get(name)}
    return {**card, "buttons": [button.title for button in buttons]}, buttons


def _buttons(channel: Channel, buttons: Json, where: str, card: int | None = None) -> tuple[Choice, ...]:
    if not isinstance(buttons, list):
        raise invalid(f"Param {where}[buttons] must be an array")
    if len(buttons) > BUTTONS:
        raise invalid(f"Param {where}[buttons] has too many elements, at most {BUTTONS}")
    return tuple(_button(channel, button, f"{where}[buttons][{number}]", card) for number, button in enumerate(buttons))


def _button(channel: Channel, button: Json, where: str, card: int | None) -> Choice:
    if not isinstance(button, dict):
        raise invalid(f"Param {where} must be an object")
    no_other_keys(button, _BUTTON_KEYS, where)
    kind, title, payload = button.get("type"), button.get("title"), button.get("payload")
    if kind not in _BUTTON_TYPES[channel]:
        raise invalid(f"Param {where}[type] must be one of {', '.join(_BUTTON_TYPES[channel])}")
    if kind in ("account_link", "account_unlink"):
        return Choice(
            title="Log In" if kind == "account_link" else "Log Out", url=button.get("url") or "account_unlink", card=card
        )
    if not isinstance(title, str) or not title.strip():
        raise invalid(f"Param {where}[title] must be a non-empty string")
    if kind == "web_url":
        web_address(button.get("url"), f"{where}[url]")
        return Choice(title=title[:TITLE], url=button["url"], card=card)
    if kind == "game_play":
        return Choice(title=title[:TITLE], url="game_play", card=card)
    if not isinstance(payload, str) or not payload:
        raise invalid(f"Param {where}[payload] must be a non-empty string")
    if len(payload) > PAYLOAD:
        raise too_long(f"{where}[payload]", PAYLOAD)
    if kind == "postback":
        return Choice(title=title[:TITLE], payload=payload, card=card)
    return Choice(title=title[:TITLE], url=f"tel:{payload}", card=card)
