"""Turn one rich message into requests that a channel can carry: the same message and channel give the same requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal
from urllib.parse import urlsplit

import regex  # type: ignore[import-untyped]  # the standard `re` has no \X (grapheme)

from connectors.message import Button, Capabilities, Card, Media, Outgoing

Unit = Literal["characters", "bytes"]

# What a customer reads above buttons that came without words.
PROMPT = "Elige una opción:"

_GRAPHEME = regex.compile(r"\X")
# Where a text may be cut, best first. A blank that carries a combining mark or a joiner is part of a grapheme. A sentence
# ends after a letter: "1. Árnica" and "12.50 pesos" hold no end.
_BREAKS = tuple(
    regex.compile(pattern + r"(?![\p{M}\u200d])")
    for pattern in (r"[^\S\n]*+\n[^\S\n]*+\n\s*+", r"[^\S\n]*+\n\s*+", r"(?<=\p{L}[.!?…]+)\s++", r"\s++")
)


def fit(message: Outgoing, capabilities: Capabilities) -> list[Outgoing]:
    """Split and degrade a message until each result is exactly one request of the channel.

    Order: media, text, cards, then what can be tapped. Buttons that do not fit become quick replies, those that do not fit
    numbered lines whose meaning stays on our side (``choices``). Nothing to say gives an empty list.
    """
    message = _storable(message)
    text = message.text or ""
    parts: list[Outgoing] = []
    if message.media is not None:
        if _shows(message.media, capabilities):
            parts.append(Outgoing(media=message.media))
        else:
            text = _join("\n\n", text, message.media.url)

    controls = _Controls(
        buttons=_named((*message.buttons, *message.quick_replies)),
        in_chat=not message.quick_replies,
        first_number=len(message.choices) + 1,
    )
    if message.cards:
        carousel = _carousel(message.cards, capabilities)
        parts += _speak(text, _Controls(), capabilities)
        parts += carousel.parts
        taps = _told_apart(carousel.taps) + controls.buttons
        controls = replace(controls, buttons=taps, in_chat=controls.in_chat and not carousel.taps)
        text = "\n".join(carousel.lines)
    parts += _speak(text, controls, capabilities)
    if message.choices and parts:
        parts[-1] = replace(parts[-1], choices=message.choices + parts[-1].choices)
    return parts


def fit_turn(messages: Sequence[Outgoing], capabilities: Capabilities) -> list[Outgoing]:
    """All that a turn says, as requests of the channel: message by message, or joined where the channel wants one."""
    messages = _offering_last(messages)
    if not capabilities.one_message:
        return [part for message in messages for part in fit(message, capabilities)]
    whole = Outgoing(
        text=_join("\n\n", *(part for m in messages for part in (m.text or "", m.media.url if m.media else ""))),
        buttons=tuple(button for m in messages for button in (*m.buttons, *m.quick_replies)),
        cards=tuple(card for m in messages for card in m.cards),
    )
    parts = fit(whole, capabilities)
    if not parts:
        return []
    return [Outgoing(text=_join("\n\n", *(part.text or "" for part in parts)), choices=parts[-1].choices)]


def _offering_last(messages: Sequence[Outgoing]) -> Sequence[Outgoing]:
    """The same with all quick replies at the last message: they vanish with the next one."""
    offered = tuple(dict.fromkeys(button for message in messages for button in message.quick_replies))
    if not offered:
        return messages
    *before, last = messages
    return [*(replace(message, quick_replies=()) for message in before), replace(last, quick_replies=offered)]


# --- text --------------------------------------------------------------------------------------------------------------


def measure(text: str, unit: Unit = "characters") -> int:
    """The length as a platform counts it.

    "characters" are UTF-16 units: platforms that say characters count these or code points, and these are never fewer.
    """
    if unit == "bytes":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(1 for character in text if character > "\uffff")


def split(text: str, limit: int, unit: Unit = "characters") -> list[str]:
    """Cut a text into parts within the limit, at the best of paragraph, line, sentence, word, grapheme."""
    parts = []
    rest = text.strip()
    while rest:
        end = len(rest)
        if measure(rest, unit) > limit:
            end = _break_before(rest, _reach(rest, limit, unit))
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return parts


def cut(text: str, limit: int) -> str:
    """The text within the limit (characters), its end replaced by "…" where something is missing."""
    if measure(text) <= limit:
        return text
    return text[: _reach(text, limit - 1, "characters", whole=True)].rstrip() + "…"


def _reach(text: str, limit: int, unit: Unit, *, whole: bool = False) -> int:
    """How far the text may go, in whole graphemes; a single grapheme over the limit is cut between code points."""
    end = used = 0
    for match in _GRAPHEME.finditer(text):
        used += measure(match.group(), unit)
        if used > limit:
            break
        end = match.end()
    if end or whole:
        return end
    used = 0
    for character in text:
        used += measure(character, unit)
        if used > limit:
            break
        end += 1
    return max(end, 1)


def _break_before(text: str, end: int) -> int:
    """The best place to cut at or before ``end``; a good place in the first half would leave a stub, so it does not count."""
    for place in _BREAKS:
        starts = [match.start() for match in place.finditer(text, endpos=end + 1) if match.start() <= end]
        # The blank at `end` may be cut off by `endpos` from the mark that it carries.
        if starts and starts[-1] >= max(1, end // 2) and place.match(text, starts[-1]):
            return int(starts[-1])
    return end


def _join(between: str, *texts: str) -> str:
    return between.join(text for text in texts if text)


def _storable(message: Outgoing) -> Outgoing:
    """Without what no platform takes: NUL, halves of surrogate pairs, blanks around text and inside titles."""
    media = message.media
    return replace(
        message,
        text=_clean(message.text or "").strip() or None,
        media=media and replace(media, url=_clean(media.url)),
        buttons=tuple(_storable_button(button) for button in message.buttons),
        quick_replies=tuple(_storable_button(button) for button in message.quick_replies),
        cards=tuple(
            replace(
                card,
                title=_one_line(card.title),
                subtitle=_one_line(card.subtitle or "") or None,
                image_url=card.image_url and _clean(card.image_url),
                url=card.url and _clean(card.url),
                buttons=tuple(_storable_button(button) for button in card.buttons),
            )
            for card in message.cards
        ),
    )


def _storable_button(button: Button) -> Button:
    payload, url = (value and _clean(value) for value in (button.payload, button.url))
    return Button(title=_one_line(button.title), payload=payload, url=url)


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _one_line(text: str) -> str:
    return " ".join(_clean(text).split())


# --- what can be tapped --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Controls:
    """Buttons to show below a text; ``in_chat``: they were asked for as buttons that stay, not as quick replies."""

    buttons: tuple[Button, ...] = ()
    in_chat: bool = True
    first_number: int = 1


def _speak(text: str, controls: _Controls, capabilities: Capabilities) -> list[Outgoing]:
    """A text with its controls on the last part, in the best way that the channel has for them."""
    links = tuple(button for button in controls.buttons if button.url)
    taps = tuple(button for button in controls.buttons if not button.url)

    def as_buttons(shown: tuple[Button, ...], written: tuple[Button, ...]) -> list[Outgoing] | None:
        if not _fits_buttons(shown, capabilities.buttons, capabilities):
            return None
        titles = _unique([button.title for button in shown], capabilities.button_title)
        buttons = tuple(replace(button, title=title) for button, title in zip(shown, titles, strict=True))
        return _parts(_with_links(text, written) or PROMPT, Outgoing(buttons=buttons), capabilities)

    def as_quick_replies() -> list[Outgoing] | None:
        if not taps or not _fits_buttons(taps, capabilities.quick_replies, capabilities):
            return None
        titles = _unique([button.title for button in taps], capabilities.quick_reply_title)
        replies = tuple(replace(button, title=title) for button, title in zip(taps, titles, strict=True))
        return _parts(_with_links(text, links) or PROMPT, Outgoing(quick_replies=replies), capabilities)

    def as_all_buttons() -> list[Outgoing] | None:
        return as_buttons(controls.buttons, ())

    def as_tap_buttons() -> list[Outgoing] | None:
        return as_buttons(taps, links)

    ways: tuple[Callable[[], list[Outgoing] | None], ...] = (as_all_buttons, as_tap_buttons, as_quick_replies)
    if not controls.in_chat:
        ways = (as_quick_replies, as_all_buttons, as_tap_buttons)
    for way in ways:
        parts = way()
        if parts is not None:
            return parts

    lines = "\n".join(f"{number}. {button.title}" for number, button in enumerate(taps, controls.first_number))
    body = _join("\n\n", _with_links(text, links), lines)
    return _parts(body, Outgoing(choices=taps), capabilities)


def _parts(text: str, last: Outgoing, capabilities: Capabilities) -> list[Outgoing]:
    """Text parts of which the last one carries what ``last`` holds."""
    unit = capabilities.text_unit
    pieces = split(text, capabilities.text_limit, unit)
    if last.buttons and pieces and measure(pieces[-1], unit) > capabilities.button_text_limit:
        tail = split(text, capabilities.button_text_limit, unit)[-1]
        pieces = [*split(text.strip()[: -len(tail)], capabilities.text_limit, unit), tail]
    return [*(Outgoing(text=piece) for piece in pieces[:-1]), *(replace(last, text=piece) for piece in pieces[-1:])]


def _fits_buttons(buttons: tuple[Button, ...], room: int, capabilities: Capabilities) -> bool:
    return 0 < len(buttons) <= room and all(_carries(button, capabilities) for button in buttons)


def _carries(button: Button, capabilities: Capabilities) -> bool:
    """Whether the channel carries what is behind the button. A cut payload would be a wrong one."""
    if button.url:
        return capabilities.button_urls and _is_web(button.url)
    return measure(button.payload or "", capabilities.text_unit) <= capabilities.payload_limit


def _named(buttons: Iterable[Button]) -> tuple[Button, ...]:
    """Every button with words and with exactly one thing behind it; one that has neither is left out."""
    named = []
    for button in buttons:
        if button.url:
            named.append(Button(title=button.title or "Ver más", url=button.url))
        elif button.title or button.payload:
            named.append(Button(title=button.title or f"Opción {len(named) + 1}", payload=button.payload or button.title))
    return tuple(named)


def _unique(titles: list[str], limit: int) -> list[str]:
    """The titles within the limit, no two alike: a customer must be able to tell them apart."""
    taken: dict[str, str] = {}
    for title in titles:
        candidate, count = cut(title, limit), 1
        while candidate.casefold() in taken:
            count += 1
            candidate = f"{cut(title, limit - len(f' {count}'))} {count}"
        taken[candidate.casefold()] = candidate
    return list(taken.values())


def _with_links(text: str, links: tuple[Button, ...]) -> str:
    return _join("\n\n", text, "\n".join(f"{link.title}: {link.url}" for link in links))


def _is_web(url: str | None) -> bool:
    return bool(url) and str(url).startswith(("https://", "http://"))


# --- media and cards -----------------------------------------------------------------------------------------------------


def _shows(media: Media, capabilities: Capabilities) -> bool:
    """Whether the channel shows this file: its kind is listed, or its kind with the ending of its name."""
    ending = _ending(media.url)
    return ending is not None and bool({media.kind, f"{media.kind}:{ending}"} & capabilities.media)


def _ending(url: str) -> str | None:
    """The ending of the file's name, "" without one; None where no platform fetches the file: it takes HTTPS."""
    try:
        parts = urlsplit(url)
        if not url.startswith("https://") or not parts.hostname:
            return None
    except ValueError:  # a broken IPv6 host
        return None
    _, dot, ending = parts.path.rpartition("/")[2].rpartition(".")
    return ending.lower() if dot else ""


@dataclass(slots=True)
class _Carousel:
    """What became of cards: requests, and what they could not carry: written lines, and taps with their card's title."""

    parts: list[Outgoing]
    lines: list[str]
    taps: list[tuple[str, Button]]


def _carousel(cards: tuple[Card, ...], capabilities: Capabilities) -> _Carousel:
    carousel = _Carousel([], [], [])
    if not capabilities.cards:
        for card in cards:
            _write_card(card, capabilities, carousel)
        return carousel
    shown = [_fit_card(card, capabilities, carousel) for card in cards]
    for bare, group in groupby(shown, key=_is_bare):
        if bare:
            # Platforms refuse a card that has nothing but a title.
            for card in group:
                carousel.parts += _speak(card.title, _Controls(), capabilities)
        else:
            carousel.parts += [Outgoing(cards=some) for some in _chunks(tuple(group), capabilities.cards)]
    return carousel


def _is_bare(card: Card) -> bool:
    return not (card.subtitle or card.image_url or card.url or card.buttons)


def _fit_card(card: Card, capabilities: Capabilities, carousel: _Carousel) -> Card:
    """The card within the limits; what does not fit goes to the carousel's lines and taps."""
    buttons: list[Button] = []
    for button in _named(card.buttons):
        if len(buttons) < capabilities.card_buttons and _carries(button, capabilities):
            buttons.append(button)
        elif button.url:
            carousel.lines.append(f"{_join(' · ', card.title, button.title)}: {button.url}")
        else:
            carousel.taps.append((card.title, button))
    opens = card.url if capabilities.button_urls and _is_web(card.url) else None
    carousel.lines += [_join(": ", card.title, url) for url in (card.url,) if url and url != opens]
    # One picture that cannot be fetched would lose all cards of the message.
    image = card.image_url if card.image_url and _shows(Media(kind="image", url=card.image_url), capabilities) else None
    carousel.lines += [_join(": ", card.title, url) for url in (card.image_url,) if url and url != image]
    titles = _unique([button.title for button in buttons], capabilities.button_title)
    title, subtitle = (card.title, card.subtitle) if card.title else (card.subtitle or "", None)
    fitted = Card(
        title=cut(title, capabilities.card_title),
        subtitle=cut(subtitle, capabilities.card_subtitle) if subtitle else None,
        image_url=image,
        url=opens,
        buttons=tuple(replace(button, title=short) for button, short in zip(buttons, titles, strict=True)),
    )
    return fitted if title or _is_bare(fitted) else replace(fitted, title="…")


def _write_card(card: Card, capabilities: Capabilities, carousel: _Carousel) -> None:
    """A card as image and text, its buttons below it where the channel has such buttons, else behind all cards."""
    buttons = _named(card.buttons)
    text = _join("\n", card.title, card.subtitle or "", card.url or "")
    if card.image_url:
        image = Media(kind="image", url=card.image_url)
        if _shows(image, capabilities):
            carousel.parts.append(Outgoing(media=image))
        else:
            text = _join("\n", text, card.image_url)
    if not _fits_buttons(buttons, capabilities.buttons, capabilities):
        carousel.taps += [(card.title, button) for button in buttons if not button.url]
        buttons = tuple(button for button in buttons if button.url)
    carousel.parts += _speak(text, _Controls(buttons=buttons), capabilities)


def _told_apart(taps: list[tuple[str, Button]]) -> tuple[Button, ...]:
    """Buttons that left their cards; where two have the same words, each says of which card it is."""
    words = [button.title.casefold() for _, button in taps]
    return tuple(
        replace(button, title=_join(": ", button.title, card)) if words.count(button.title.casefold()) > 1 else button
        for card, button in taps
    )


def _chunks(cards: tuple[Card, ...], size: int) -> Iterator[tuple[Card, ...]]:
    for start in range(0, len(cards), size):
        yield cards[start : start + size]
