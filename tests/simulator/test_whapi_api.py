"""Whapi's API takes what its documentation allows, refuses the rest in its own words, and the phone shows the result."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
import pytest_asyncio

from simulator.client import SimulatorClient, SimulatorError

from .conftest import WHAPI_TOKEN, Recorder, WhapiCaller

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANA = "525512345678"
PIXEL = base64.b64encode(b"\xff\xd8\xff\xe0").decode()


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def ana(sim: SimulatorClient) -> None:
    await sim.settings(echoes="off", statuses="off")
    await sim.say("whatsapp", ANA, "hola", name="Ana")


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and words; the body has the documented shape."""
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert error["support"]
    return answer.status_code, error["message"] + " " + error.get("details", "")


# --- who may call ----------------------------------------------------------------------------------------------------------


async def test_a_wrong_token_is_a_channel_that_does_not_exist(whapi: WhapiCaller):
    answer = await whapi.http.get("health", headers={"Authorization": "Bearer other"})
    assert refusal(answer) == (404, "Channel not found Check the token")


async def test_a_missing_token_is_refused_and_one_in_the_address_is_taken(whapi: WhapiCaller):
    assert (await whapi.http.get("health", headers={"Authorization": ""})).status_code == 401
    assert (await whapi.http.get("health", headers={"Authorization": ""}, params={"token": WHAPI_TOKEN})).status_code == 200


async def test_an_unlinked_number_sends_nothing(sim: SimulatorClient, whapi: WhapiCaller):
    await sim.whapi(status="QR")
    assert (await whapi.text(ANA)).status_code == 401
    assert (await whapi.http.get("health", params={"wakeup": "false"})).json()["status"] == {"code": 3, "text": "QR"}
    await sim.whapi(status="AUTH")
    assert (await whapi.text(ANA)).status_code == 200


async def test_a_health_check_wakes_a_stopped_channel_unless_told_not_to(sim: SimulatorClient, whapi: WhapiCaller):
    await sim.whapi(status="STOP")
    asleep = (await whapi.http.get("health", params={"wakeup": "false"})).json()
    awake = (await whapi.http.get("health")).json()
    assert (asleep["status"]["text"], awake["status"]["text"]) == ("STOP", "AUTH")
    assert awake["channel_id"] == "MANTIS-M72HC"
    assert (await sim.stats())["whapi"]["wakeups"] == 1


async def test_limits_are_204_where_the_plan_has_none(sim: SimulatorClient, whapi: WhapiCaller):
    assert (await whapi.http.get("limits")).status_code == 204
    limits = {"messages": 150, "chats": [], "checks": 30, "requests": 1000}
    await sim.whapi(limits=limits)
    assert (await whapi.http.get("limits")).json() == limits


# --- text ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [ANA, f"{ANA}@s.whatsapp.net"])
async def test_a_text_is_answered_as_pending_and_shown(sim: SimulatorClient, whapi: WhapiCaller, to: str):
    answer = (await whapi.text(to, "¡Hola, Ana!", typing_time=2)).json()
    message = answer["message"]
    assert answer["sent"] is True
    assert (message["chat_id"], message["from_me"], message["source"]) == (f"{ANA}@s.whatsapp.net", True, "api")
    assert (message["status"], message["text"]) == ("pending", {"body": "¡Hola, Ana!"})
    shown = (await sim.phone("whatsapp", ANA)).replies[0]
    assert (shown.text, shown.mid, shown.author) == ("¡Hola, Ana!", message["id"], "bot")


@pytest.mark.parametrize("to", [None, "", [ANA], "Ana", "+525512345678", "52 55 1234 5678", 525512345678])
async def test_to_has_to_be_digits_or_a_chat_id(whapi: WhapiCaller, to: Any):
    answer = await whapi.http.post("messages/text", json={"to": to, "body": "hola"})
    assert refusal(answer)[0] == 400


async def test_who_is_not_on_whatsapp_is_not_found(sim: SimulatorClient, whapi: WhapiCaller):
    assert refusal(await whapi.text("5299999999999"))[0] == 404
    await sim.user("whatsapp", ANA, gone=True)
    assert refusal(await whapi.text(ANA))[0] == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"body": ""}, {"body": 5}, {"body": "x" * 65_537}, {"body": "x", "typing_time": 61}, {"body": "x", "mentions": "y"}],
)
async def test_a_text_that_cannot_be_is_refused_and_not_shown(sim: SimulatorClient, whapi: WhapiCaller, body: dict[str, Any]):
    assert refusal(await whapi.send("text", ANA, **body))[0] == 400
    assert (await sim.phone("whatsapp", ANA)).replies == ()


async def test_half_a_character_is_no_text(whapi: WhapiCaller):
    raw = b'{"to": "525512345678", "body": "x\\ud83d"}'
    answer = await whapi.http.post("messages/text", content=raw, headers={"Content-Type": "application/json"})
    assert refusal(answer)[0] == 400


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"x"'])
async def test_a_body_that_is_no_object_is_refused(whapi: WhapiCaller, raw: bytes):
    answer = await whapi.http.post("messages/text", content=raw, headers={"Content-Type": "application/json"})
    assert refusal(answer)[0] == 400


async def test_an_answer_quotes_a_message_that_exists(sim: SimulatorClient, whapi: WhapiCaller):
    asked = await sim.say("whatsapp", ANA, "¿tienen?")
    answered = (await whapi.text(ANA, "sí", quoted=asked.mid)).json()["message"]
    assert answered["context"]["quoted_id"] == asked.mid
    assert answered["context"]["quoted_content"] == {"body": "¿tienen?"}
    assert refusal(await whapi.text(ANA, quoted="AAAAAAAA-AAAAAAA"))[0] == 404
    assert refusal(await whapi.text(ANA, quoted="no id"))[0] == 400


async def test_our_own_text_can_be_edited_and_deleted(sim: SimulatorClient, whapi: WhapiCaller):
    mid = (await whapi.text(ANA, "hla")).json()["message"]["id"]
    await whapi.text(ANA, "hola", edit=mid)
    assert (await sim.phone("whatsapp", ANA)).texts == ["hola"]
    assert (await whapi.http.get(f"messages/{mid}")).json()["text"] == {"body": "hola"}
    assert (await whapi.http.delete(f"messages/{mid}")).json() == {"success": True}
    assert (await sim.phone("whatsapp", ANA)).replies[0].unsent
    assert (await whapi.http.get(f"messages/{mid}")).status_code == 404


# --- media and other kinds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("image", {"media": "https://acme.example/a.jpg", "caption": "Arnica"}),
        ("image", {"media": PIXEL, "mime_type": "image/jpeg"}),
        ("video", {"media": f"data:video/mp4;base64,{PIXEL}"}),
        ("document", {"media": PIXEL, "mime_type": "application/pdf", "filename": "precios.pdf", "caption": "lista"}),
        ("voice", {"media": PIXEL, "mime_type": "audio/ogg; codecs=opus", "seconds": 3}),
        ("audio", {"media": PIXEL, "mime_type": "audio/mpeg"}),
        ("gif", {"media": PIXEL, "mime_type": "video/mp4"}),
        ("short", {"media": PIXEL, "mime_type": "video/mp4"}),
        ("sticker", {"media": PIXEL, "mime_type": "image/webp"}),
    ],
)
async def test_every_kind_of_media_is_shown(sim: SimulatorClient, whapi: WhapiCaller, kind: str, body: dict[str, Any]):
    message = (await whapi.send(kind, ANA, **body)).json()["message"]
    shown = (await sim.phone("whatsapp", ANA)).replies[0]
    assert (message["type"], shown.attachments[0]["type"], shown.text) == (kind, kind, body.get("caption"))
    assert message[kind]["id"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("image", {}, 400),
        ("image", {"media": PIXEL}, 400),  # base64 without its type
        ("image", {"media": "not base64!", "mime_type": "image/png"}, 400),
        ("image", {"media": "http://127.0.0.1/a.jpg"}, 400),
        ("image", {"media": "jpeg-aaaa-bbbb"}, 404),
        ("image", {"media": PIXEL, "mime_type": "application/pdf"}, 415),
        ("voice", {"media": PIXEL, "mime_type": "audio/mpeg"}, 415),
        ("sticker", {"media": PIXEL, "mime_type": "image/png"}, 415),
        ("voice", {"media": PIXEL, "mime_type": "audio/ogg", "caption": "x"}, 400),
        ("location", {"latitude": 19.4}, 400),
        ("location", {"latitude": 91, "longitude": 0}, 400),
        ("contact", {"name": "Luis", "vcard": "Luis"}, 400),
        ("poll", {"title": "¿?", "options": ["una"]}, 400),
        ("poll", {"title": "¿?", "options": ["una", "una"]}, 400),
        ("poll", {"title": "¿?", "options": [str(n) for n in range(13)]}, 400),
        ("link_preview", {"body": "https://acme.example"}, 400),
    ],
)
async def test_what_cannot_be_sent_is_refused_by_its_status(whapi: WhapiCaller, kind: str, body: dict[str, Any], status: int):
    assert refusal(await whapi.send(kind, ANA, **body))[0] == status


async def test_too_large_a_picture_is_413(whapi: WhapiCaller):
    large = base64.b64encode(bytes(16 * 1024 * 1024 + 1)).decode()
    assert refusal(await whapi.send("image", ANA, media=large, mime_type="image/jpeg"))[0] == 413


async def test_a_file_is_uploaded_once_and_sent_by_its_id(sim: SimulatorClient, whapi: WhapiCaller):
    uploaded = await whapi.http.post("media", content=b"\xff\xd8", headers={"Content-Type": "image/jpeg"})
    media_id = uploaded.json()["media"][0]["id"]
    assert (await whapi.send("image", ANA, media=media_id)).status_code == 200
    fetched = await whapi.http.get(f"media/{media_id}")
    assert (fetched.content, fetched.headers["content-type"]) == (b"\xff\xd8", "image/jpeg")
    assert (await whapi.http.get("media/jpeg-00-00")).status_code == 404


async def test_a_file_can_come_as_a_form(sim: SimulatorClient, whapi: WhapiCaller):
    answer = await whapi.http.post(
        "messages/document",
        data={"to": ANA, "caption": "lista", "filename": "l.pdf"},
        files={"media": ("l.pdf", b"%PDF-1.4", "application/pdf")},
    )
    shown = (await sim.phone("whatsapp", ANA)).replies[0]
    assert (answer.status_code, shown.text, shown.attachments[0]["name"]) == (200, "lista", "l.pdf")
    assert (await sim.requests(where="send"))[0]["body"]["media"] == "(8 bytes)"


async def test_locations_contacts_and_previews_are_shown(sim: SimulatorClient, whapi: WhapiCaller):
    card = {"name": "Luis", "vcard": "BEGIN:VCARD\nFN:Luis\nEND:VCARD"}
    await whapi.send("location", ANA, latitude=19.43, longitude=-99.13, name="Zócalo")
    await whapi.send("contact", ANA, **card)
    await whapi.send("contact_list", ANA, list=[card, card])
    await whapi.send("link_preview", ANA, body="https://acme.example/p", title="Producto")
    shown = (await sim.phone("whatsapp", ANA)).replies
    assert [message.text for message in shown] == ["Zócalo", "Luis", None, "https://acme.example/p"]
    assert [len(message.attachments) for message in shown] == [1, 1, 2, 0]


# --- buttons and lists -----------------------------------------------------------------------------------------------------


def button(title: str = "Sí", **more: Any) -> dict[str, Any]:
    return {"type": "quick_reply", "title": title, "id": title, **more}


async def test_buttons_are_shown_with_header_and_footer(sim: SimulatorClient, whapi: WhapiCaller):
    parts = {"header": {"text": "Cita"}, "body": {"text": "¿Confirmas?"}, "footer": {"text": "ACME"}}
    await whapi.send("interactive", ANA, type="button", **parts, action={"buttons": [button("Sí"), button("No")]})
    shown = (await sim.phone("whatsapp", ANA)).replies[0]
    assert (shown.text, shown.buttons) == ("Cita\n¿Confirmas?\nACME", ("Sí", "No"))


@pytest.mark.parametrize(
    "buttons",
    [
        [],
        [button(str(n)) for n in range(4)],
        [button("x" * 26)],
        [button("Sí"), button("No", id="Sí")],
        [{"type": "reply", "reply": {"id": "y", "title": "Sí"}}],  # the Cloud API's shape
        [{"title": "Sí", "id": "y"}],
        [{"type": "quick_reply", "title": "Sí"}],
        [button(id="x" * 201)],
        [button(), {"type": "url", "title": "Ver", "id": "u", "url": "https://acme.example"}],
        [{"type": "url", "title": "Ver", "id": "u"}],
    ],
)
async def test_buttons_have_to_be_flat_few_short_and_different(whapi: WhapiCaller, buttons: list[Any]):
    answer = await whapi.send("interactive", ANA, type="button", body={"text": "¿?"}, action={"buttons": buttons})
    assert refusal(answer)[0] == 400


def row(title: str = "Soporte", **more: Any) -> dict[str, Any]:
    return {"id": title, "title": title, **more}


async def test_a_list_is_shown_with_all_its_rows(sim: SimulatorClient, whapi: WhapiCaller):
    sections = [{"title": "A", "rows": [row("uno"), row("dos")]}, {"title": "B", "rows": [row("tres", description="3")]}]
    body = {"text": "Elige"}
    await whapi.send("interactive", ANA, type="list", body=body, action={"list": {"label": "Ver", "sections": sections}})
    assert (await sim.phone("whatsapp", ANA)).replies[0].buttons == ("uno", "dos", "tres")


@pytest.mark.parametrize(
    "action",
    [
        {"button": "Ver", "sections": [{"title": "A", "rows": [row()]}]},  # the Cloud API's shape
        {"list": {"sections": [{"title": "A", "rows": [row()]}]}},
        {"list": {"label": "x" * 21, "sections": [{"title": "A", "rows": [row()]}]}},
        {"list": {"label": "Ver", "sections": []}},
        {"list": {"label": "Ver", "sections": [{"title": "A", "rows": [row(str(n)) for n in range(11)]}]}},
        {"list": {"label": "Ver", "sections": [{"title": s, "rows": [row(s + str(n)) for n in range(6)]} for s in "AB"]}},
        {"list": {"label": "Ver", "sections": [{"rows": [row()]}, {"rows": [row("x")]}]}},
        {"list": {"label": "Ver", "sections": [{"title": "A", "rows": [row("x" * 25)]}]}},
        {"list": {"label": "Ver", "sections": [{"title": "A", "rows": [row(description="x" * 73)]}]}},
        {"list": {"label": "Ver", "sections": [{"title": "A", "rows": [row(), row()]}]}},
        {"list": {"label": "Ver", "sections": [{"title": "A", "rows": [row(id=["x"])]}]}},
    ],
)
async def test_a_list_lives_in_its_place_and_within_the_limits(whapi: WhapiCaller, action: dict[str, Any]):
    answer = await whapi.send("interactive", ANA, type="list", body={"text": "Elige"}, action=action)
    assert refusal(answer)[0] == 400


async def test_a_carousel_shows_cards_with_their_buttons(sim: SimulatorClient, whapi: WhapiCaller):
    cards = [
        {"id": f"c{n}", "text": f"Producto {n}", "media": "https://acme.example/a.jpg", "buttons": [button("Ver", id=f"v{n}")]}
        for n in (1, 2)
    ]
    assert (await whapi.send("carousel", ANA, body={"text": "Mira"}, cards=cards)).status_code == 200
    shown = (await sim.phone("whatsapp", ANA)).replies[0]
    assert ([card["title"] for card in shown.cards], shown.buttons) == (["Producto 1", "Producto 2"], ("Ver", "Ver"))
    cards[0]["media"] = "http://localhost/a.jpg"
    assert refusal(await whapi.send("carousel", ANA, body={"text": "Mira"}, cards=cards))[0] == 400


# --- what is done to chats -------------------------------------------------------------------------------------------------


async def test_typing_shows_until_it_stops_or_its_delay_is_over(sim: SimulatorClient, whapi: WhapiCaller):
    await whapi.http.put(f"presences/{ANA}", json={"presence": "typing", "delay": 5})
    assert (await sim.phone("whatsapp", ANA)).typing
    await sim.advance(6)
    assert not (await sim.phone("whatsapp", ANA)).typing
    await whapi.http.put(f"presences/{ANA}@s.whatsapp.net", json={"presence": "recording"})
    assert (await sim.phone("whatsapp", ANA)).typing
    await whapi.http.put(f"presences/{ANA}", json={"presence": "pause"})
    assert not (await sim.phone("whatsapp", ANA)).typing
    assert refusal(await whapi.http.put(f"presences/{ANA}", json={"presence": "typing_on"}))[0] == 400
    assert (await whapi.http.put("presences/me", json={"presence": "online"})).json() == {"success": True}


async def test_reading_and_reacting_are_seen(sim: SimulatorClient, whapi: WhapiCaller):
    said = await sim.say("whatsapp", ANA, "gracias")
    assert not (await sim.phone("whatsapp", ANA)).seen
    assert (await whapi.http.put(f"messages/{said.mid}")).json() == {"success": True}
    assert (await sim.phone("whatsapp", ANA)).seen
    await whapi.http.put(f"messages/{said.mid}/reaction", json={"emoji": "👍"})
    assert (await sim.phone("whatsapp", ANA)).messages[-1].reactions == {"shop": "👍"}
    await whapi.http.request("DELETE", f"messages/{said.mid}/reaction")
    assert (await sim.phone("whatsapp", ANA)).messages[-1].reactions == {}
    assert refusal(await whapi.http.put("messages/AAAAAAAA-AAAAAAA"))[0] == 404


# --- contacts --------------------------------------------------------------------------------------------------------------


async def test_numbers_are_checked_in_any_form(sim: SimulatorClient, whapi: WhapiCaller):
    await sim.user("whatsapp", ANA, chat_id="5215512345678@s.whatsapp.net")
    numbers = ["+52 55 1234 5678", "5215512345678", "+1 555 000 0000"]
    checked = (await whapi.http.post("contacts", json={"contacts": numbers, "blocking": "wait"})).json()["contacts"]
    assert [one.get("wa_id") for one in checked] == ["5215512345678", "5215512345678", None]
    assert [one["status"] for one in checked] == ["valid", "valid", "invalid"]
    assert refusal(await whapi.http.post("contacts", json={"contacts": ANA}))[0] == 400


async def test_a_contact_has_a_name_and_a_profile(sim: SimulatorClient, whapi: WhapiCaller):
    await sim.user("whatsapp", ANA, username="Anita", profile={"about": "En el trabajo"})
    contact = (await whapi.http.get(f"contacts/{ANA}")).json()
    profile = (await whapi.http.get(f"contacts/{ANA}@s.whatsapp.net/profile")).json()
    assert (contact["id"], contact["name"], contact["pushname"]) == (ANA, "Ana", "Anita")
    assert (profile["push_name"], profile["about"]) == ("Anita", "En el trabajo")
    assert (await whapi.http.head(f"contacts/{ANA}")).status_code == 200
    assert (await whapi.http.head("contacts/5299999999999")).status_code == 404
    assert refusal(await whapi.http.get("contacts/Ana"))[0] == 400
    assert [one["id"] for one in (await whapi.http.get("contacts")).json()["contacts"]] == [ANA]


async def test_a_hidden_number_is_reached_by_its_hidden_id(sim: SimulatorClient, whapi: WhapiCaller):
    await sim.user("whatsapp", ANA, chat_id="69385314111689@lid")
    assert (await whapi.text("69385314111689@lid")).json()["message"]["chat_id"] == "69385314111689@lid"
    assert refusal(await whapi.text("69385314111689"))[0] == 404  # its digits are no number
    assert (await whapi.http.get(f"contacts/lids/{ANA}")).json() == {"lid": "69385314111689@lid"}
    assert (await whapi.http.get("contacts/69385314111689@lid")).json()["id"] == ANA


async def test_a_number_is_reached_in_the_form_of_its_chat_alone(sim: SimulatorClient, whapi: WhapiCaller):
    await sim.user("whatsapp", ANA, chat_id="5215512345678@s.whatsapp.net")
    assert (await whapi.text("5215512345678@s.whatsapp.net")).status_code == 200
    assert (await whapi.text("5215512345678")).status_code == 200
    assert refusal(await whapi.text(ANA))[0] == 404
    with pytest.raises(SimulatorError, match="chat_id"):
        await sim.user("whatsapp", ANA, chat_id="Ana")


# --- settings --------------------------------------------------------------------------------------------------------------


async def test_settings_change_by_field_and_webhooks_as_a_whole(whapi: WhapiCaller, bot: Recorder):
    before = (await whapi.http.get("settings")).json()
    assert before["webhooks"][0]["headers"] == {"X-Webhook-Secret": "whapi_webhook_secret"}
    webhooks = [{"url": "https://acme.example/x", "mode": "method", "events": [{"type": "messages", "method": "post"}]}]
    changed = (await whapi.http.patch("settings", json={"webhooks": webhooks, "offline_mode": True})).json()
    assert (changed["changes"], changed["before_update"]["webhooks"]) == (["webhooks", "offline_mode"], before["webhooks"])
    after = (await whapi.http.get("settings")).json()
    assert after == {**before, "webhooks": webhooks, "offline_mode": True} == changed["after_update"]


async def test_settings_are_reset_once(whapi: WhapiCaller):
    assert (await whapi.http.delete("settings")).json() == {"success": True}
    assert (await whapi.http.get("settings")).json()["webhooks"] == []
    assert refusal(await whapi.http.delete("settings"))[0] == 409


@pytest.mark.parametrize(
    "change",
    [
        {"webhooks": {}},
        {"webhooks": [{"url": "acme.example"}]},
        {"webhooks": [{"url": "https://acme.example", "mode": "query"}]},
        {"webhooks": [{"url": "https://acme.example", "headers": {str(n): "x" for n in range(6)}}]},
        {"webhooks": [{"url": "https://acme.example", "headers": {"X": 1}}]},
        {"webhooks": [{"url": "https://acme.example", "events": [{"type": "message"}]}]},
        {"webhooks": [{"url": "https://acme.example", "events": ["messages"]}]},
        {"webhooks": [{"url": "https://acme.example", "webhook_max_age_seconds": 14}]},
        {"callback_backoff_delay_ms": 100},
        {"max_callback_backoff_delay_ms": 1},
        {"callback_persist": "yes"},
        {"media": []},
    ],
)
async def test_wrong_settings_change_nothing(whapi: WhapiCaller, change: dict[str, Any]):
    before = (await whapi.http.get("settings")).json()
    answer = await whapi.http.patch("settings", json=change)
    assert refusal(answer)[1].startswith("Wrong settings format")
    assert (await whapi.http.get("settings")).json() == before


async def test_a_webhook_can_be_tried(whapi: WhapiCaller, bot: Recorder):
    bot.forget()
    test = {"url": f"{bot.base}/whapi", "mode": "body", "type": "messages", "headers": {"X-Webhook-Secret": "s"}}
    assert (await whapi.http.post("settings/webhook_test", json=test)).json() == {"success": True}
    assert (bot.calls[0].headers["x-webhook-secret"], bot.calls[0].document["event"]["type"]) == ("s", "messages")
    assert {"type": "messages", "method": "post"} in (await whapi.http.get("settings/events")).json()


# --- history and faults ----------------------------------------------------------------------------------------------------


async def test_history_is_newest_first_and_can_be_narrowed(sim: SimulatorClient, whapi: WhapiCaller):
    await whapi.text(ANA, "uno")
    await whapi.text(ANA, "dos")
    chat = f"messages/list/{ANA}@s.whatsapp.net"
    everything = (await whapi.http.get(chat)).json()
    assert ([m["text"]["body"] for m in everything["messages"]], everything["total"]) == (["dos", "uno", "hola"], 3)
    ours = (await whapi.http.get(chat, params={"from_me": "true", "count": 1, "offset": 1})).json()
    assert [m["text"]["body"] for m in ours["messages"]] == ["uno"]
    later = (await whapi.http.get(chat, params={"time_from": 2**33})).json()
    assert later["messages"] == []
    assert (await whapi.http.get("messages/list/525500000000@s.whatsapp.net")).json()["messages"] == []
    assert refusal(await whapi.http.get(chat, params={"count": "x"}))[0] == 400


async def test_what_does_not_exist_is_said_so(whapi: WhapiCaller):
    assert refusal(await whapi.http.get("nothing"))[0] == 404
    assert refusal(await whapi.send("template", ANA))[0] == 404


@pytest.mark.parametrize(
    ("fault", "status"),
    [("429", 429), ("rate", 429), ("500", 500), ("503", 503), ("token", 404), ("blocked", 403), ("unknown_recipient", 404)],
)
async def test_faults_refuse_in_whapis_words(sim: SimulatorClient, whapi: WhapiCaller, fault: str, status: int):
    await sim.fault(fault, channel="whatsapp", user=ANA)
    assert refusal(await whapi.text(ANA, "uno"))[0] == status
    assert (await whapi.text(ANA, "dos")).status_code == 200
    assert (await sim.phone("whatsapp", ANA)).texts == ["dos"]


async def test_a_fault_can_be_any_error_with_a_time_to_wait(sim: SimulatorClient, whapi: WhapiCaller):
    await sim.fault("error", channel="whatsapp", code=402, message="Trial version limit exceeded")
    assert refusal(await whapi.text(ANA)) == (402, "Trial version limit exceeded ")
    await sim.fault("429", channel="whatsapp", retry_after=7)
    assert (await whapi.text(ANA)).headers["retry-after"] == "7"
    assert "retry-after" not in (await whapi.text(ANA)).headers


async def test_a_fault_for_whatsapp_leaves_the_rest_alone(sim: SimulatorClient, whapi: WhapiCaller):
    with pytest.raises(SimulatorError, match="does not exist on whatsapp"):
        await sim.fault("window", channel="whatsapp")
    await sim.fault("window")  # strikes the first platform that knows it
    assert (await whapi.text(ANA)).status_code == 200


@pytest.mark.parametrize(("fault", "arrives"), [("reset_before_accept", False), ("reset", True)])
async def test_a_cut_connection_leaves_the_caller_in_doubt(sim: SimulatorClient, whapi: WhapiCaller, fault: str, arrives: bool):
    await sim.fault(fault, channel="whatsapp")
    with pytest.raises(httpx.ReadError):
        await whapi.text(ANA)
    assert len((await sim.phone("whatsapp", ANA)).replies) == arrives


async def test_an_answer_can_be_garbage_or_without_its_id(sim: SimulatorClient, whapi: WhapiCaller):
    await sim.fault("garbage", channel="whatsapp")
    assert (await whapi.text(ANA)).text.startswith("<!DOCTYPE html>")
    await sim.fault("no_message_id", channel="whatsapp")
    assert (await whapi.text(ANA)).json() == {"sent": True}
    await sim.fault("502", channel="whatsapp")
    assert (await whapi.text(ANA)).status_code == 502
    assert len((await sim.phone("whatsapp", ANA)).replies) == 2


@pytest.mark.parametrize(
    ("where", "method", "path"),
    [("sender_action", "PUT", f"presences/{ANA}"), ("profile", "GET", f"contacts/{ANA}"), ("health", "GET", "health"),
     ("settings", "GET", "settings"), ("attachment", "POST", "media")],
)  # fmt: skip
async def test_faults_strike_where_they_are_wanted(
    sim: SimulatorClient, whapi: WhapiCaller, where: str, method: str, path: str
):
    await sim.fault("500", channel="whatsapp", where=where)
    assert (await whapi.text(ANA)).status_code == 200
    assert (await whapi.http.request(method, path, json={"presence": "typing"})).status_code == 500


async def test_a_rate_can_be_set(sim: SimulatorClient, whapi: WhapiCaller):
    await sim.settings(send_rate_whatsapp=1)
    statuses = [(await whapi.text(ANA)).status_code for _ in range(2)]
    assert statuses == [200, 429]
    assert (await sim.stats())["rates"]["whatsapp"]["refused"] == 1


async def test_calls_are_recorded_without_the_token(sim: SimulatorClient, whapi: WhapiCaller):
    await whapi.text(ANA, "hola")
    await whapi.http.get("health", params={"wakeup": "false"})
    sent, asked = await sim.requests(api="whapi")
    assert (sent["where"], sent["user"], sent["channel"], sent["status"]) == ("send", ANA, "whatsapp", 200)
    assert (sent["body"]["body"], sent["token_from"], asked["query"]) == ("hola", "header", {"wakeup": "false"})
    assert WHAPI_TOKEN not in str(await sim.requests())
    stats = await sim.stats()
    assert (stats["whapi"]["by_status"], stats["graph"]["requests"]) == ({"200": 2}, 0)
    assert stats["accepted_by_user"]["whatsapp"] == {ANA: 1}
