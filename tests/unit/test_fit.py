"""What `fit` promises: each result is one request that the channel carries, and nothing that was said is lost."""

from __future__ import annotations

from dataclasses import replace
from unicodedata import category

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.fit import PROMPT, cut, fit, fit_turn, measure, split
from connectors.message import Button, Capabilities, Card, Media, Outgoing

MESSENGER = Capabilities(
    text_limit=1999, buttons=3, quick_replies=13, cards=10, card_buttons=3, media=frozenset({"image", "video", "audio", "file"})
)
INSTAGRAM = replace(
    MESSENGER, text_limit=1000, text_unit="bytes", media=frozenset({"image:", "image:png", "video", "audio", "file:pdf"})
)
PLAIN = Capabilities(text_limit=300)
WITH_BUTTONS_ONLY = Capabilities(text_limit=1000, buttons=3, media=frozenset({"image"}))


def taps(count: int) -> tuple[Button, ...]:
    return tuple(Button(title=f"Opción {n}", payload=f"/elegir{n}") for n in range(1, count + 1))


# --- text --------------------------------------------------------------------------------------------------------------


def test_a_short_text_stays_as_it_is() -> None:
    assert fit(Outgoing(text="Hola, ¿en qué te ayudo?"), INSTAGRAM) == [Outgoing(text="Hola, ¿en qué te ayudo?")]


@pytest.mark.parametrize(
    "message", [Outgoing(), Outgoing(text="  \n "), Outgoing(text="\x00"), Outgoing(buttons=(Button(title=" "),))]
)
def test_nothing_to_say_is_no_request(message: Outgoing) -> None:
    assert fit(message, MESSENGER) == []


def test_instagram_counts_bytes_and_messenger_characters() -> None:
    text = "ñ" * 900
    assert [len(part.text or "") for part in fit(Outgoing(text=text), INSTAGRAM)] == [500, 400]
    assert fit(Outgoing(text=text), MESSENGER) == [Outgoing(text=text)]


def test_emoji_count_two_characters_so_that_no_way_of_counting_is_exceeded() -> None:
    assert measure("🌿") == 2
    assert [len(part) for part in split("🌿" * 1000, 1999)] == [999, 1]


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("Uno dos. Tres\n\nCuatro cinco", 20, ["Uno dos. Tres", "Cuatro cinco"]),
        ("Uno dos tres\nCuatro. Cinco", 20, ["Uno dos tres", "Cuatro. Cinco"]),
        ("Uno dos tres. Cuatro cinco", 20, ["Uno dos tres.", "Cuatro cinco"]),
        ("Uno dos tres cuatro cinco", 20, ["Uno dos tres cuatro", "cinco"]),
        ("Cuesta como unos 12. 50 pesos", 22, ["Cuesta como unos 12.", "50 pesos"]),
        ("aaaaaaaaaaaaaaaa", 10, ["aaaaaaaaaa", "aaaaaa"]),
        ("Sí\n\nesto es una frase larga", 20, ["Sí\n\nesto es una", "frase larga"]),
    ],
)
def test_text_is_cut_at_paragraph_line_sentence_or_word(text: str, limit: int, parts: list[str]) -> None:
    assert split(text, limit) == parts


@pytest.mark.parametrize("grapheme", ["👩‍👩‍👧‍👦", "🇲🇽", "👍🏽", "e\u0301", "n\u0303"])
def test_no_part_ends_inside_what_a_customer_sees_as_one_sign(grapheme: str) -> None:
    for limit in range(30, 40):
        parts = split(grapheme * 20, limit, "bytes")
        assert "".join(parts) == grapheme * 20
        assert all(part == grapheme * (len(part) // len(grapheme)) for part in parts)


def test_one_sign_longer_than_the_limit_is_cut_all_the_same() -> None:
    parts = split("e" + "\u0301" * 3000, 1000, "bytes")
    assert "".join(parts) == "e" + "\u0301" * 3000
    assert max(measure(part, "bytes") for part in parts) <= 1000


def test_what_no_platform_can_carry_is_taken_out() -> None:
    assert fit(Outgoing(text="a\x00b\ud83dc\ud83c\udf3f"), MESSENGER) == [Outgoing(text="ab\ufffdc🌿")]


def test_a_link_is_not_cut() -> None:
    link = "https://tienda.example/productos/arnica-montana-60-ml"
    parts = split(f"{'Mira esto ahora. ' * 5}{link} y dime qué te parece", 100)
    assert any(link in part for part in parts)


# --- what can be tapped --------------------------------------------------------------------------------------------------


def test_up_to_three_buttons_stay_buttons() -> None:
    assert fit(Outgoing(text="¿Qué sigue?", buttons=taps(3)), MESSENGER) == [Outgoing(text="¿Qué sigue?", buttons=taps(3))]


def test_more_buttons_become_quick_replies() -> None:
    assert fit(Outgoing(text="¿Cuál?", buttons=taps(13)), MESSENGER) == [Outgoing(text="¿Cuál?", quick_replies=taps(13))]


def test_more_still_become_numbered_lines() -> None:
    [part] = fit(Outgoing(text="¿Cuál?", buttons=taps(14)), MESSENGER)
    assert part.choices == taps(14)
    assert part.text is not None and part.text.startswith("¿Cuál?\n\n1. Opción 1\n2. Opción 2\n")
    assert not part.buttons and not part.quick_replies


def test_a_channel_without_controls_gets_numbered_lines() -> None:
    assert fit(Outgoing(text="¿Cuál?", quick_replies=taps(2)), PLAIN) == [
        Outgoing(text="¿Cuál?\n\n1. Opción 1\n2. Opción 2", choices=taps(2))
    ]


def test_quick_replies_become_buttons_where_there_are_only_buttons() -> None:
    assert fit(Outgoing(text="¿Cuál?", quick_replies=taps(2)), WITH_BUTTONS_ONLY) == [Outgoing(text="¿Cuál?", buttons=taps(2))]


def test_controls_go_with_the_last_part_only() -> None:
    parts = fit(Outgoing(text="palabra " * 300, quick_replies=taps(2)), INSTAGRAM)
    assert [bool(part.quick_replies) for part in parts] == [False, False, True]


def test_text_over_the_button_limit_goes_ahead_in_its_own_part() -> None:
    text = " ".join(f"palabra{n}" for n in range(120))
    head, tail = fit(Outgoing(text=text, buttons=taps(2)), MESSENGER)
    assert measure(tail.text or "") <= 640
    assert f"{head.text} {tail.text}" == text
    assert (head.buttons, tail.buttons) == ((), taps(2))


def test_controls_without_words_get_a_prompt() -> None:
    assert fit(Outgoing(quick_replies=taps(2)), MESSENGER) == [Outgoing(text=PROMPT, quick_replies=taps(2))]


def test_long_titles_are_cut_and_told_apart() -> None:
    names = ["Extracto de árnica 30 ml", "Extracto de árnica 60 ml", "Extracto de árnica 120 ml"]
    [part] = fit(Outgoing(text="¿Cuál?", quick_replies=tuple(Button(title=n, payload=f"/{n}") for n in names)), MESSENGER)
    titles = [reply.title for reply in part.quick_replies]
    assert titles == ["Extracto de árnica…", "Extracto de árnic… 2", "Extracto de árnic… 3"]
    assert [reply.payload for reply in part.quick_replies] == [f"/{n}" for n in names]


def test_a_payload_over_the_limit_stays_whole_on_our_side() -> None:
    long = Button(title="Pedir", payload='/hacer_pedido{"producto": "' + "á" * 1000 + '"}')
    [part] = fit(Outgoing(text="¿Lo quieres?", buttons=(long, Button(title="No", payload="/negar"))), MESSENGER)
    assert part == Outgoing(text="¿Lo quieres?\n\n1. Pedir\n2. No", choices=(long, Button(title="No", payload="/negar")))


def test_a_button_with_words_alone_sends_its_words() -> None:
    [part] = fit(Outgoing(text="¿Listo?", buttons=(Button(title="Sí,  claro"),)), MESSENGER)
    assert part.buttons == (Button(title="Sí, claro", payload="Sí, claro"),)


def test_links_are_written_where_a_button_cannot_open_them() -> None:
    link = Button(title="Tienda", url="https://tienda.example")
    assert fit(Outgoing(text="Aquí:", buttons=(link,)), MESSENGER) == [Outgoing(text="Aquí:", buttons=(link,))]
    assert fit(Outgoing(text="Aquí:", buttons=(link,)), PLAIN) == [Outgoing(text="Aquí:\n\nTienda: https://tienda.example")]
    assert fit(Outgoing(text="Aquí:", buttons=(*taps(3), link)), MESSENGER) == [
        Outgoing(text="Aquí:\n\nTienda: https://tienda.example", buttons=taps(3))
    ]
    phone = Button(title="Llámanos", url="tel:+525512345678")
    assert fit(Outgoing(text="Aquí:", buttons=(phone,)), MESSENGER) == [Outgoing(text="Aquí:\n\nLlámanos: tel:+525512345678")]


# --- media and cards -----------------------------------------------------------------------------------------------------


def test_media_goes_before_the_text() -> None:
    image = Media(kind="image", url="https://x.example/a.png")
    assert fit(Outgoing(text="Así se ve", media=image, quick_replies=taps(1)), INSTAGRAM) == [
        Outgoing(media=image),
        Outgoing(text="Así se ve", quick_replies=taps(1)),
    ]


@pytest.mark.parametrize(
    ("media", "shown"),
    [
        (Media(kind="file", url="https://x.example/catalogo.PDF?v=2"), True),
        (Media(kind="file", url="https://x.example/catalogo.docx"), False),
        (Media(kind="file", url="https://x.example/catalogo"), False),
        (Media(kind="image", url="https://x.example/v1.2/foto?de=a.webp"), True),
        (Media(kind="image", url="https://x.example/foto.webp"), False),
        (Media(kind="image", url="https://x.example/.svg"), False),
        (Media(kind="video", url="https://x.example/v.cualquiera"), True),
        (Media(kind="image", url="/local/a.png"), False),
        (Media(kind="image", url="http://x.example/a.png"), False),
        (Media(kind="image", url="https:///a.png"), False),
        (Media(kind="file", url="https://[x/a.pdf"), False),
    ],
)
def test_media_that_the_channel_does_not_show_is_a_link_in_the_text(media: Media, shown: bool) -> None:
    written = [Outgoing(text=f"El catálogo\n\n{media.url}")]
    assert fit(Outgoing(text="El catálogo", media=media), INSTAGRAM) == (
        [Outgoing(media=media), Outgoing(text="El catálogo")] if shown else written
    )


def card(number: int, **changes: object) -> Card:
    button = Button(title="Pedir", payload=f"/pedir{number}")
    plain = Card(title=f"Producto {number}", subtitle=f"${number} MXN", buttons=(button,))
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_more_cards_than_one_message_holds_make_several() -> None:
    parts = fit(Outgoing(text="Mira:", cards=tuple(card(n) for n in range(12))), MESSENGER)
    assert [len(part.cards) for part in parts] == [0, 10, 2]
    assert parts[0].text == "Mira:"


def test_card_titles_and_subtitles_are_cut_visibly() -> None:
    [part] = fit(Outgoing(cards=(card(1, title="t" * 100, subtitle="s" * 100),)), MESSENGER)
    assert part.cards[0].title == "t" * 79 + "…"
    assert part.cards[0].subtitle == "s" * 79 + "…"


@pytest.mark.parametrize("url", ["http://x.example/a.png", "https://x.example/a.webp", "https://[x/a.png", "/a.png"])
def test_a_card_whose_picture_cannot_be_shown_stays_a_card(url: str) -> None:
    fine = card(1, image_url="https://x.example/a.png")
    assert fit(Outgoing(cards=(fine, card(2, image_url=url))), INSTAGRAM) == [
        Outgoing(cards=(fine, card(2))),
        Outgoing(text=f"Producto 2: {url}"),
    ]


def test_a_card_with_only_a_title_becomes_text() -> None:
    parts = fit(Outgoing(cards=(card(1), Card(title="Y hay más"), card(2))), MESSENGER)
    assert parts == [Outgoing(cards=(card(1),)), Outgoing(text="Y hay más"), Outgoing(cards=(card(2),))]


def test_cards_become_image_and_text_where_there_are_none() -> None:
    shown = card(1, image_url="https://x.example/1.png", url="https://x.example/1")
    assert fit(Outgoing(text="Mira:", cards=(shown,)), WITH_BUTTONS_ONLY) == [
        Outgoing(text="Mira:"),
        Outgoing(media=Media(kind="image", url="https://x.example/1.png")),
        Outgoing(text="Producto 1\n$1 MXN\nhttps://x.example/1", buttons=shown.buttons),
    ]


def test_buttons_of_written_cards_are_numbered_once_and_say_their_card() -> None:
    parts = fit(Outgoing(cards=(card(1), card(2)), buttons=(Button(title="Otro", payload="/otro"),)), PLAIN)
    assert [part.text for part in parts] == [
        "Producto 1\n$1 MXN",
        "Producto 2\n$2 MXN",
        "1. Pedir: Producto 1\n2. Pedir: Producto 2\n3. Otro",
    ]
    assert [choice.payload for choice in parts[-1].choices] == ["/pedir1", "/pedir2", "/otro"]


def test_what_a_card_cannot_hold_comes_after_the_cards() -> None:
    full = card(1, buttons=(*taps(4), Button(title="Ver", url="https://x.example")), url="ftp://x")
    parts = fit(Outgoing(cards=(full,)), MESSENGER)
    assert parts == [
        Outgoing(cards=(card(1, buttons=taps(3)),)),
        Outgoing(text="Producto 1 · Ver: https://x.example\nProducto 1: ftp://x", quick_replies=taps(4)[3:]),
    ]


# --- properties ----------------------------------------------------------------------------------------------------------

_words = st.text(
    alphabet=st.one_of(st.sampled_from("abcñá .\n!?12345👍🏽‍👩👧🇲🇽\u0301\x00\ud83d"), st.characters()), max_size=120
)
_texts = st.one_of(_words, st.lists(_words, max_size=40).map(" ".join))
_payloads = st.one_of(st.none(), _words, st.just("/p" * 100))
_urls = st.one_of(
    st.none(),
    st.none(),
    st.sampled_from(["https://x.example/a.png", "https://x.example/b", "http://x.example/b.pdf", "tel:123", "/c.png"]),
)
_media = st.builds(Media, kind=st.sampled_from(["image", "video", "audio", "file"]), url=_urls.map(lambda url: url or "x"))
_buttons = st.lists(st.builds(Button, title=_words, payload=_payloads, url=_urls), max_size=6).map(tuple)
_cards = st.builds(Card, title=_words, subtitle=st.one_of(st.none(), _words), image_url=_urls, url=_urls, buttons=_buttons)
_messages = st.builds(
    Outgoing,
    text=st.one_of(st.none(), _texts),
    buttons=_buttons,
    quick_replies=_buttons,
    cards=st.lists(_cards, max_size=4).map(tuple),
    media=st.one_of(st.none(), _media),
)
_capabilities = st.builds(
    Capabilities,
    text_limit=st.integers(20, 2000),
    text_unit=st.sampled_from(["characters", "bytes"]),
    buttons=st.integers(0, 3),
    button_text_limit=st.integers(20, 640),
    button_title=st.integers(6, 25),
    button_urls=st.booleans(),
    quick_replies=st.integers(0, 13),
    quick_reply_title=st.integers(6, 25),
    payload_limit=st.integers(10, 150),
    cards=st.integers(0, 3),
    card_title=st.integers(5, 80),
    card_subtitle=st.integers(5, 80),
    card_buttons=st.integers(0, 3),
    media=st.frozensets(st.sampled_from(["image", "image:", "image:png", "video", "audio", "file", "file:pdf"])),
)


def assert_allowed(part: Outgoing, capabilities: Capabilities) -> None:
    unit = capabilities.text_unit
    assert [bool(part.text), bool(part.cards), bool(part.media)].count(True) == 1
    assert measure(part.text or "", unit) <= capabilities.text_limit
    assert not (part.buttons or part.quick_replies or part.choices) or part.text
    assert [bool(part.buttons), bool(part.quick_replies), bool(part.choices)].count(True) <= 1
    assert len(part.buttons) <= capabilities.buttons
    assert not part.buttons or measure(part.text or "", unit) <= capabilities.button_text_limit
    assert len(part.quick_replies) <= capabilities.quick_replies
    assert all(reply.url is None for reply in part.quick_replies)
    assert len(part.cards) <= capabilities.cards
    for shown in part.cards:
        assert shown.title and measure(shown.title) <= capabilities.card_title
        assert measure(shown.subtitle or "") <= capabilities.card_subtitle
        assert len(shown.buttons) <= capabilities.card_buttons
        assert shown.subtitle or shown.image_url or shown.url or shown.buttons
        assert not shown.image_url or is_carried("image", shown.image_url, capabilities)
    groups = [(part.buttons, capabilities.button_title), (part.quick_replies, capabilities.quick_reply_title)]
    groups += [(shown.buttons, capabilities.button_title) for shown in part.cards]
    for group, title_limit in groups:
        titles = [button.title for button in group]
        assert all(0 < measure(title) <= title_limit for title in titles)
        assert len({title.casefold() for title in titles}) == len(titles)
        for button in group:
            assert measure(button.payload or "", unit) <= capabilities.payload_limit
            assert (button.payload is None) != (button.url is None)
            assert button.url is None or (capabilities.button_urls and button.url.startswith("http"))
    if part.media:
        assert is_carried(part.media.kind, part.media.url, capabilities)


def is_carried(kind: str, url: str, capabilities: Capabilities) -> bool:
    """``_urls`` holds no stranger addresses than these."""
    _, dot, ending = url.removeprefix("https://x.example").rpartition(".")
    return url.startswith("https://") and bool({kind, f"{kind}:{ending if dot else ''}"} & capabilities.media)


def signs(text: str) -> str:
    """What must survive: everything but blanks, NUL and broken surrogates."""
    return "".join(character for character in storable(text) if not character.isspace())


def storable(text: str) -> str:
    return text.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@settings(max_examples=120, deadline=None)
@given(_messages, _capabilities)
def test_every_result_is_one_request_that_the_channel_carries(message: Outgoing, capabilities: Capabilities) -> None:
    for part in fit(message, capabilities):
        assert_allowed(part, capabilities)


@settings(max_examples=120, deadline=None)
@given(_messages, _capabilities)
def test_no_text_no_payload_and_no_link_is_lost(message: Outgoing, capabilities: Capabilities) -> None:
    parts = fit(message, capabilities)
    written = signs("".join(part.text or "" for part in parts))
    assert signs(message.text or "") in written
    buttons = [*message.buttons, *message.quick_replies, *(b for shown in message.cards for b in shown.buttons)]
    sent = [payload for part in parts for payload in part.payloads()]
    for button in buttons:
        if button.payload and not button.url:
            assert storable(button.payload) in ("", *sent)
    shown_urls = {b.url for part in parts for b in (*part.buttons, *(b for shown in part.cards for b in shown.buttons))}
    shown_urls |= {url for part in parts for shown in part.cards for url in (shown.url, shown.image_url)}
    shown_urls |= {part.media.url for part in parts if part.media}
    urls = [b.url for b in buttons] + [url for shown in message.cards for url in (shown.url, shown.image_url)]
    for url in [*urls, message.media.url if message.media else None]:
        assert not url or url in shown_urls or url in written


@settings(max_examples=100, deadline=None)
@given(_messages, _capabilities)
def test_the_same_message_gives_the_same_requests_and_requests_stay_as_they_are(
    message: Outgoing, capabilities: Capabilities
) -> None:
    parts = fit(message, capabilities)
    assert fit(message, capabilities) == parts
    for part in parts:
        assert fit(part, capabilities) == [part]
        assert Outgoing.from_json(part.to_json()) == part


@settings(max_examples=120, deadline=None)
@given(_texts, st.integers(20, 200), st.sampled_from(["characters", "bytes"]))
def test_parts_hold_whole_graphemes(text: str, limit: int, unit: str) -> None:
    text = storable(text).strip()
    parts = split(text, limit, unit)  # type: ignore[arg-type]
    assert all(0 < measure(part, unit) <= limit for part in parts)  # type: ignore[arg-type]
    assert signs("".join(parts)) == signs(text)
    whole = set(regex.findall(r"\X", text))
    if all(measure(grapheme, unit) <= limit for grapheme in whole):  # type: ignore[arg-type]
        for part in parts:
            first = regex.match(r"\X", part).group()
            assert category(first[0])[0] != "M" or first in whole


@given(_words, st.integers(2, 30))
def test_a_cut_title_is_within_the_limit(text: str, limit: int) -> None:
    assert measure(cut(text, limit)) <= limit


MAIL = Capabilities(text_limit=50_000, one_message=True)


def test_a_channel_that_wants_one_message_gets_one_with_all_that_can_be_chosen_at_its_end() -> None:
    said = [
        Outgoing(text="Hola", buttons=(Button(title="Precios", payload="/precios"), Button(title="Tienda", url="https://x.mx"))),
        Outgoing(media=Media(kind="image", url="https://x.mx/a.png")),
        Outgoing(cards=(Card(title="Árnica", subtitle="30 ml", buttons=(Button(title="Pedir", payload="/pedir"),)),)),
        Outgoing(text="¿Algo más?", quick_replies=(Button(title="No", payload="/negar"),)),
    ]
    (mail,) = fit_turn(said, MAIL)
    assert [choice.payload for choice in mail.choices] == ["/pedir", "/precios", "/negar"]
    text = mail.text or ""
    order = ("Hola", "https://x.mx/a.png", "¿Algo más?", "Árnica", "1. Pedir", "2. Precios", "3. No")
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "Tienda: https://x.mx" in text


def test_nothing_to_say_is_no_mail() -> None:
    assert fit_turn([], MAIL) == []
    assert fit_turn([Outgoing(text="  ")], MAIL) == []


def test_elsewhere_each_message_goes_its_own_way() -> None:
    said = [Outgoing(text="uno"), Outgoing(text="dos")]
    assert fit_turn(said, Capabilities(text_limit=100)) == said


def test_what_a_turn_offers_goes_with_its_last_message() -> None:
    told = Outgoing(text="¿Cuál va primero?", quick_replies=(replies("Árnica", "Tila")))
    asked = Outgoing(text="¿Qué producto quieres?", quick_replies=(replies("Tila", "Ninguno")))
    capabilities = Capabilities(text_limit=100, quick_replies=13)
    parts = fit_turn([told, Outgoing(text="Sin prisa."), asked], capabilities)
    assert [part.text for part in parts] == ["¿Cuál va primero?", "Sin prisa.", "¿Qué producto quieres?"]
    assert [[button.title for button in part.quick_replies] for part in parts] == [[], [], ["Árnica", "Tila", "Ninguno"]]


def replies(*titles: str) -> tuple[Button, ...]:
    """Buttons of these titles."""
    return tuple(Button(title=title, payload=f"/{title}") for title in titles)
