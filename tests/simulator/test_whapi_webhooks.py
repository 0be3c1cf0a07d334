"""What happens on WhatsApp reaches the bot as Whapi tells it: secret header, event, objects, echoes, statuses."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any

import pytest

from simulator.client import SimulatorClient, SimulatorError

from .conftest import WHAPI_SECRET, Recorder, Webhook, WhapiCaller

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANA = "525512345678"
CHAT = f"{ANA}@s.whatsapp.net"
MESSAGE_ID = re.compile(r"^[A-Za-z0-9._]{4,30}-[A-Za-z0-9._]{4,14}(-...)?(-...)?$")


async def quiet(sim: SimulatorClient) -> None:
    """No echoes and statuses."""
    await sim.settings(echoes="off", statuses="off")


# --- what customers say ----------------------------------------------------------------------------------------------------


async def test_a_text_comes_with_the_secret_and_in_the_documented_shape(sim: SimulatorClient, bot: Recorder):
    said = await sim.say("whatsapp", ANA, "¿tienen citas?", name="Ana", timestamp=1763800000999)
    call = bot.calls[0]
    assert (said.status, call.method, call.path) == (200, "POST", "/api/webhooks/whapi")
    assert (call.headers["x-webhook-secret"], call.headers["content-type"]) == (WHAPI_SECRET, "application/json")
    assert call.document["event"] == {"type": "messages", "event": "post"}
    assert call.document["channel_id"] == "MANTIS-M72HC"
    assert call.document["messages"] == [
        {
            "id": said.mid,
            "from_me": False,
            "type": "text",
            "chat_id": CHAT,
            "timestamp": 1763800000,
            "source": "mobile",
            "text": {"body": "¿tienen citas?"},
            "from": ANA,
            "from_name": "Ana",
        }
    ]
    assert MESSAGE_ID.match(said.mid or "")


async def test_a_text_with_an_address_is_a_link_preview(sim: SimulatorClient, bot: Recorder):
    await sim.say("whatsapp", ANA, "vi esto https://acme.mx/p/1")
    message = bot.objects("messages")[0]
    assert (message["type"], message["link_preview"]["body"]) == ("link_preview", "vi esto https://acme.mx/p/1")
    assert (message["link_preview"]["url"], "text" in message) == ("https://acme.mx/p/1", False)


async def test_an_id_of_the_chat_can_be_the_old_mexican_form_or_hidden(sim: SimulatorClient, bot: Recorder):
    for chat in ("5215512345678@s.whatsapp.net", "69385314111689@lid"):
        await sim.user("whatsapp", ANA, chat_id=chat)
        await sim.say("whatsapp", ANA, "hola")
    assert [(m["chat_id"], m["from"]) for m in bot.objects("messages")] == [
        ("5215512345678@s.whatsapp.net", "5215512345678"),
        ("69385314111689@lid", "69385314111689"),
    ]
    with pytest.raises(SimulatorError, match="phone number"):
        await sim.say("whatsapp", "Ana", "hola")


async def test_an_answer_quotes_what_it_answers(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await quiet(sim)
    await sim.say("whatsapp", ANA, "hola")
    asked = (await whapi.text(ANA, "¿En qué puedo ayudar?")).json()["message"]["id"]
    await sim.say("whatsapp", ANA, "precios", reply_to=asked)
    context = bot.objects("messages")[-1]["context"]
    assert context == {
        "quoted_id": asked,
        "quoted_author": "5215599990000",
        "quoted_type": "text",
        "quoted_content": {"body": "¿En qué puedo ayudar?"},
    }


async def test_details_of_a_message_can_be_anything(sim: SimulatorClient, bot: Recorder):
    ad = {"title": "Árnica", "source": {"id": "1", "type": "ad"}}
    await sim.say("whatsapp", ANA, "hola", ad=ad, extra={"chat_id": "status@broadcast", "view_once": True})
    message = bot.objects("messages")[0]
    assert (message["context"]["ad"], message["chat_id"], message["view_once"]) == (ad, "status@broadcast", True)


@pytest.mark.parametrize("kind", ["image", "video", "gif", "short", "audio", "voice", "document", "sticker"])
async def test_media_come_with_a_link_and_can_be_fetched_by_their_id(
    sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller, kind: str
):
    content = base64.b64encode(b"bytes").decode()
    await sim.send_attachment("whatsapp", ANA, {"type": kind, "content": content}, text="mira")
    message = bot.objects("messages")[0]
    shown = message[kind]
    assert (message["type"], shown["caption"], shown["file_size"]) == (kind, "mira", 5)
    assert shown["link"].startswith("https://")
    fetched = await whapi.http.get(f"media/{shown['id']}")
    assert (fetched.content, fetched.headers["content-type"]) == (b"bytes", shown["mime_type"])


async def test_without_auto_download_there_is_no_link(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await whapi.http.patch("settings", json={"media": {"auto_download": ["image"]}})
    await sim.send_attachment("whatsapp", ANA, ["image", "voice", {"type": "image", "link": False}])
    image, voice, without = bot.objects("messages")
    assert ["link" in part for part in (image["image"], voice["voice"], without["image"])] == [True, False, False]


async def test_a_document_names_its_file_twice(sim: SimulatorClient, bot: Recorder):
    await sim.send_attachment("whatsapp", ANA, {"type": "file", "name": "factura.pdf"})
    document = bot.objects("messages")[0]["document"]
    assert document["file_name"] == document["filename"] == "factura.pdf"
    await sim.send_attachment("whatsapp", ANA, {"type": "documentWithCaption", "payload": {"document": {"id": "x"}}})
    assert bot.objects("messages")[1]["documentWithCaption"] == {"document": {"id": "x"}}
    with pytest.raises(SimulatorError, match="no attachment type"):
        await sim.send_attachment("whatsapp", ANA, "hologram")


async def test_places_and_cards(sim: SimulatorClient, bot: Recorder):
    await sim.send_attachment("whatsapp", ANA, ["location", "live_location", "contact", "contact_list"])
    place, live, contact, contacts = bot.objects("messages")
    assert (place["location"]["latitude"], place["location"]["name"]) == (19.4326, "Zócalo")
    assert live["live_location"]["sequence_number"]
    assert "TEL;waid=5215511112222" in contact["contact"]["vcard"]
    assert len(contacts["contact_list"]["list"]) == 2


async def test_a_group_message_names_its_author(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await quiet(sim)
    group = "120363041234567890@g.us"
    await sim.say("whatsapp", ANA, "@bot hola", name="Ana", group=group, group_name="Familia", mentions=["5215599990000"])
    message = bot.objects("messages")[0]
    assert (message["chat_id"], message["from"], message["chat_name"]) == (group, ANA, "Familia")
    assert message["context"] == {"mentions": ["5215599990000"]}
    assert (await whapi.text(group, "hola a todos")).status_code == 200
    assert (await sim.phone("whatsapp", group)).texts == ["hola a todos"]
    assert (await sim.phone("whatsapp", ANA)).messages == ()


@pytest.mark.parametrize(("kind", "source"), [("unknown", "unknown"), ("system", "system"), ("call", "unknown")])
async def test_noise_is_nobodys_message(sim: SimulatorClient, bot: Recorder, kind: str, source: str):
    await sim.act("whatsapp", ANA, noise=kind)
    message = bot.objects("messages")[0]
    assert (message["type"], message["source"], message["from_me"]) == (kind, source, False)
    assert (await sim.phone("whatsapp", ANA)).messages == ()


async def test_what_the_bot_cannot_read_is_still_a_message(sim: SimulatorClient, bot: Recorder):
    await sim.act("whatsapp", ANA, unsupported="event")
    await sim.act("whatsapp", ANA, cart={"item_count": 3})
    event, order = bot.objects("messages")
    assert (event["type"], order["order"]["item_count"], order["order"]["status"]) == ("event", 3, "new")


async def test_calls_and_typing_come_only_to_those_who_asked(sim: SimulatorClient, bot: Recorder):
    await sim.act("whatsapp", ANA, call="missed")
    said = await sim.act("whatsapp", ANA, typing=True)
    assert [call.event for call in bot.calls] == ["calls.post"]
    assert (said.status, (await sim.stats())["webhooks"]["unsubscribed"]) == (None, 1)


@pytest.mark.parametrize("act", [{"get_started": True}, {"story_mention": True}, {"text": "x", "subject": "y"}])
async def test_what_whatsapp_does_not_have_is_refused(sim: SimulatorClient, act: dict[str, Any]):
    with pytest.raises(SimulatorError, match="on whatsapp there are"):
        await sim.act("whatsapp", ANA, **act)


# --- taps ------------------------------------------------------------------------------------------------------------------


async def test_a_tapped_button_comes_back_with_its_prefix_and_quote(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await quiet(sim)
    await sim.say("whatsapp", ANA, "hola")
    asked = (await whapi.buttons(ANA, "Precios", "Pedido")).json()["message"]["id"]
    await sim.tap("whatsapp", ANA, "Pedido")
    message = bot.objects("messages")[-1]
    assert message["type"] == "reply"
    assert message["reply"] == {"type": "buttons_reply", "buttons_reply": {"id": "ButtonsV3:/pedido", "title": "Pedido"}}
    assert (message["context"]["quoted_id"], message["context"]["quoted_type"]) == (asked, "hsm")
    assert (await sim.phone("whatsapp", ANA)).messages[-1].text == "Pedido"


async def test_each_button_works_once_and_a_row_always(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await quiet(sim)
    await sim.say("whatsapp", ANA, "hola")
    await whapi.buttons(ANA, "Sí", "No")
    await sim.tap("whatsapp", ANA, "Sí")
    with pytest.raises(SimulatorError, match=r"nothing called 'Sí'.*\['No'\]"):
        await sim.tap("whatsapp", ANA, "Sí")
    await whapi.list(ANA, "Uno", "Dos")
    for _ in range(2):
        await sim.tap("whatsapp", ANA, "Dos")
    reply = bot.objects("messages")[-1]["reply"]
    assert reply == {"type": "list_reply", "list_reply": {"id": "ListV3:/dos", "title": "Dos"}}


async def test_a_reply_can_carry_any_prefix_and_need_no_button(sim: SimulatorClient, bot: Recorder):
    await sim.act("whatsapp", ANA, postback={"title": "Sí", "payload": "y"}, prefix="ButtonsV4:")
    await sim.act("whatsapp", ANA, postback={"title": "Sí", "payload": "y", "list": True})
    first, second = (message["reply"] for message in bot.objects("messages"))
    assert first["buttons_reply"]["id"] == "ButtonsV4:y"
    assert second["list_reply"]["id"] == "ListV3:y"


async def test_links_calls_and_codes_tell_nobody(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await quiet(sim)
    await sim.say("whatsapp", ANA, "hola")
    buttons = [
        {"type": "url", "title": "Ver", "id": "u", "url": "https://acme.mx"},
        {"type": "call", "title": "Llamar", "id": "c", "phone_number": "+525512345678"},
        {"type": "copy", "title": "Copiar", "id": "p", "copy_code": "ABC123"},
    ]
    await whapi.send("interactive", ANA, type="button", body={"text": "Más"}, action={"buttons": buttons})
    opened = [(await sim.tap("whatsapp", ANA, title)).opened for title in ("Ver", "Llamar", "Copiar")]
    assert opened == ["https://acme.mx", "tel:+525512345678", "ABC123"]
    assert len(bot.calls) == 1


async def test_a_vote_is_an_action_and_the_whole_tally(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await quiet(sim)
    await sim.say("whatsapp", ANA, "hola")
    poll = (await whapi.send("poll", ANA, title="¿Horario?", options=["9-12", "12-15"])).json()["message"]
    await sim.tap("whatsapp", ANA, "9-12")
    await sim.act("whatsapp", ANA, vote="12-15")
    votes = [m["action"] for m in bot.objects("messages") if m["type"] == "action"]
    ids = {result["name"]: result["id"] for result in poll["poll"]["results"]}
    assert votes == [{"target": poll["id"], "type": "vote", "votes": [ids[name]]} for name in ("9-12", "12-15")]
    update = bot.objects("messages_updates")[-1]
    counted = {r["name"]: (r["count"], r["voters"]) for r in update["after_update"]["poll"]["results"]}
    assert (counted, update["changes"]) == ({"9-12": (0, []), "12-15": (1, [ANA])}, ["poll"])
    assert bot.calls[-1].event == "messages.patch"
    with pytest.raises(SimulatorError, match="no such option"):
        await sim.act("whatsapp", ANA, vote="nunca")


# --- what happens to messages ------------------------------------------------------------------------------------------------


async def test_reactions_edits_and_deletions(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await quiet(sim)
    said = await sim.say("whatsapp", ANA, "Hola")
    asked = (await whapi.text(ANA)).json()["message"]["id"]
    await sim.act("whatsapp", ANA, react="👍")
    await sim.act("whatsapp", ANA, unreact=True)
    await sim.act("whatsapp", ANA, edit="Hola, corrijo")
    await sim.act("whatsapp", ANA, unsend=True)
    actions = [m["action"] for m in bot.objects("messages") if m["type"] == "action"]
    assert actions == [
        {"target": asked, "type": "reaction", "emoji": "👍"},
        {"target": asked, "type": "reaction", "emoji": ""},
        {"target": said.mid, "type": "edit", "edited_type": "text", "edited_content": {"body": "Hola, corrijo"}},
        {"target": said.mid, "type": "delete"},
    ]
    update = bot.objects("messages_updates")[0]
    assert (update["before_update"]["text"], update["after_update"]["text"]) == ({"body": "Hola"}, {"body": "Hola, corrijo"})
    assert bot.objects("messages_removed") == [said.mid]
    assert (await sim.phone("whatsapp", ANA)).messages[0].unsent


async def test_receipts_by_the_customer(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await quiet(sim)
    await sim.say("whatsapp", ANA, "hola")
    asked = (await whapi.text(ANA)).json()["message"]["id"]
    await sim.act("whatsapp", ANA, read=True)
    await sim.act("whatsapp", ANA, delivered=True)
    read, delivered = bot.objects("statuses")
    assert (read["id"], read["status"], read["code"], read["recipient_id"]) == (asked, "read", 4, CHAT)
    assert isinstance(read["timestamp"], str)
    assert (delivered["status"], delivered["code"]) == ("delivered", 3)
    assert (await sim.phone("whatsapp", ANA)).replies[0].status == "read"  # never backwards
    await sim.status(ANA, asked, "failed")
    assert bot.objects("statuses")[-1]["status"] == "failed"
    with pytest.raises(SimulatorError, match="mid must be"):
        await sim.status(ANA, "AAAA-AAAA", "read")


# --- echoes and statuses of what the shop sends ----------------------------------------------------------------------------


async def test_a_send_is_followed_by_its_echo_and_statuses(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await sim.say("whatsapp", ANA, "hola")
    mid = (await whapi.text(ANA, "¡hola!")).json()["message"]["id"]
    calls = await bot.wait_for(4)
    assert [call.event for call in calls[1:]] == ["messages.post", "statuses.post", "statuses.post"]
    echo = bot.objects("messages")[1]
    assert (echo["id"], echo["from_me"], echo["source"], echo["text"]) == (mid, True, "api", {"body": "¡hola!"})
    assert [(s["id"], s["status"]) for s in bot.objects("statuses")] == [(mid, "sent"), (mid, "delivered")]
    assert (await sim.phone("whatsapp", ANA)).replies[0].status == "delivered"
    assert (await whapi.http.get(f"messages/{mid}")).json()["status"] == "delivered"


async def test_statuses_can_come_in_the_wrong_order_and_before_the_echo(
    sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller
):
    await sim.settings(statuses="reversed")
    await sim.say("whatsapp", ANA, "hola")
    await whapi.text(ANA)
    calls = await bot.wait_for(4)
    assert [call.event for call in calls[1:]] == ["statuses.post", "statuses.post", "messages.post"]
    assert [status["status"] for status in bot.objects("statuses")] == ["delivered", "sent"]


async def test_an_echo_can_come_before_the_answer(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await sim.settings(echoes="before", statuses="off")
    await sim.say("whatsapp", ANA, "hola")
    echoed, release = asyncio.Event(), asyncio.Event()

    async def hold(call: Webhook) -> None:
        echoed.set()
        await release.wait()

    bot.on_call = hold
    sending = asyncio.create_task(whapi.text(ANA))
    await asyncio.wait_for(echoed.wait(), 5)
    assert not sending.done()
    release.set()
    assert (await sending).json()["message"]["id"] == bot.objects("messages")[-1]["id"]


async def test_who_has_blocked_the_shop_sees_nothing_and_nothing_is_delivered(
    sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller
):
    await sim.say("whatsapp", ANA, "hola")
    await sim.user("whatsapp", ANA, blocked=True)
    assert (await whapi.text(ANA)).status_code == 200
    await sim.stats(wait=5)
    assert [status["status"] for status in bot.objects("statuses")] == ["sent"]
    assert (await sim.phone("whatsapp", ANA)).replies == ()


async def test_reading_a_message_is_told_as_its_status(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    said = await sim.say("whatsapp", ANA, "hola")
    await whapi.http.put(f"messages/{said.mid}")
    await bot.wait_for(2)
    assert [(status["id"], status["status"]) for status in bot.objects("statuses")] == [(said.mid, "read")]


@pytest.mark.parametrize("source", ["mobile", "web"])
async def test_a_person_who_answers_on_the_phone_is_seen_as_one(sim: SimulatorClient, bot: Recorder, source: str):
    await sim.say("whatsapp", ANA, "hola")
    written = await sim.agent_writes("whatsapp", ANA, "Soy Eva", source=source)
    echo = bot.objects("messages")[-1]
    assert (echo["id"], echo["from_me"], echo["source"]) == (written.mid, True, source)
    assert ("device_id" in echo) == (source == "web")
    shown = (await sim.phone("whatsapp", ANA)).replies[0]
    assert (shown.author, shown.text) == ("agent", "Soy Eva")
    await sim.call("POST", "agent", {"channel": "whatsapp", "user": ANA, "attachment": "image"})
    assert bot.objects("messages")[-1]["image"]["mime_type"] == "image/jpeg"


# --- how it travels --------------------------------------------------------------------------------------------------------


SAYS = [{"channel": "whatsapp", "user": ANA, "text": str(n)} for n in range(3)]


async def test_a_batch_is_one_call_with_many_objects(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await quiet(sim)
    await sim.batch(SAYS, layout="items")
    assert [len(call.document["messages"]) for call in bot.calls] == [3]
    await whapi.text(ANA)
    bot.forget()
    await sim.batch([*SAYS, {"channel": "whatsapp", "user": ANA, "read": True}], layout="entries", order="reversed")
    document = bot.calls[0].document
    assert ([m["text"]["body"] for m in document["messages"]], len(document["statuses"])) == (["2", "1", "0"], 1)
    assert document["event"] == {"type": "statuses", "event": "post"}


async def test_a_batch_over_all_platforms_is_one_call_each(sim: SimulatorClient, bot: Recorder):
    await sim.batch([*SAYS, {"channel": "messenger", "user": "1", "text": "hola"}])
    assert sorted(call.path for call in bot.calls) == ["/api/webhooks/meta", "/api/webhooks/whapi"]


@pytest.mark.parametrize("first", [500, 201, 204, "cut"])
async def test_everything_but_200_is_repeated(sim: SimulatorClient, bot: Recorder, first: int | str):
    await sim.settings(retries=[0.01] * 5)
    bot.answers.append(first)
    said = await sim.say("whatsapp", ANA, "hola")
    assert said.status == (0 if first == "cut" else first)
    calls = await bot.wait_for(2)
    assert len({call.body for call in calls}) == 1
    assert (await sim.stats(wait=5))["webhooks"]["given_up"] == 0


async def test_the_same_delivery_can_come_again_late_and_doubled(sim: SimulatorClient, bot: Recorder):
    held = await sim.say("whatsapp", ANA, "primero", hold=True)
    await sim.say("whatsapp", ANA, "segundo", copies=2)
    assert await sim.redeliver(mid=held.mid, copies=2) == [200, 200]
    assert [m["text"]["body"] for m in bot.objects("messages")] == ["segundo", "segundo", "primero", "primero"]


@pytest.mark.parametrize(
    ("mode", "said", "deleted"),
    [
        ("body", ("POST", "/hook"), ("POST", "/hook")),
        ("path", ("POST", "/hook/messages/post"), ("POST", "/hook/messages/delete")),
        ("method", ("POST", "/hook/messages"), ("DELETE", "/hook/messages")),
    ],
)
async def test_the_mode_decides_over_address_and_verb(
    sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller, mode: str, said: tuple[str, str], deleted: tuple[str, str]
):
    events = [{"type": "messages", "method": method} for method in ("post", "delete")]
    url = bot.base.replace("/api/webhooks", "/hook")
    headers = {"X-One": "1", "X-Two": "2"}
    await whapi.http.patch("settings", json={"webhooks": [{"url": url, "mode": mode, "headers": headers, "events": events}]})
    await sim.say("whatsapp", ANA, "hola")
    await sim.act("whatsapp", ANA, unsend=True)
    assert [(call.method, call.path) for call in (bot.calls[0], bot.calls[-1])] == [said, deleted]
    assert (bot.calls[0].headers["x-one"], bot.calls[0].headers["x-two"]) == ("1", "2")


async def test_each_webhook_gets_what_it_asked_for(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await quiet(sim)
    webhooks = [
        {"url": f"{bot.base}/one", "events": [{"type": "messages", "method": "post"}]},
        {"url": f"{bot.base}/two", "events": [{"type": "messages", "method": "post"}, {"type": "messages", "method": "patch"}]},
        {"url": f"{bot.base}/three", "events": []},
    ]
    await whapi.http.patch("settings", json={"webhooks": webhooks})
    await sim.say("whatsapp", ANA, "hola")
    await sim.act("whatsapp", ANA, edit="adiós")
    assert [call.path.rpartition("/")[2] for call in bot.calls] == ["one", "two", "one", "two", "two"]


async def test_events_that_are_too_old_are_not_sent(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    settings = (await whapi.http.get("settings")).json()
    old = 1_600_000_000_000
    await sim.say("whatsapp", ANA, "de ayer", timestamp=old)
    await whapi.http.patch("settings", json={"webhooks": [{**settings["webhooks"][0], "webhook_max_age_seconds": 60}]})
    await sim.say("whatsapp", ANA, "de ayer", timestamp=old)
    await sim.say("whatsapp", ANA, "de hoy")
    assert [m["text"]["body"] for m in bot.objects("messages")] == ["de ayer", "de hoy"]


async def test_the_state_of_the_channel_is_told(sim: SimulatorClient, bot: Recorder):
    await sim.whapi(status="QR")
    await sim.whapi(status="AUTH", tell=False)
    await sim.whapi(unlink=True)
    assert [call.event for call in bot.calls] == ["channel.post", "users.delete", "channel.post"]
    assert bot.calls[0].document["health"]["status"] == {"code": 3, "text": "QR"}
    assert bot.calls[1].document["user"]["id"] == "5215599990000"
    with pytest.raises(SimulatorError, match="status must be one of"):
        await sim.whapi(status="SLEEPING")


async def test_any_other_event_can_be_told(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    webhook = (await whapi.http.get("settings")).json()["webhooks"][0]
    webhook["events"].append({"type": "chats", "method": "post"})
    await whapi.http.patch("settings", json={"webhooks": [webhook]})
    chat = {"id": CHAT, "unread": 1}
    body = {"channel": "whatsapp", "user": ANA, "item": {"chats": chat}, "event": {"type": "chats"}}
    await sim.call("POST", "event", body)
    assert (bot.calls[0].document["chats"], bot.calls[0].event) == ([chat], "chats.post")


@pytest.mark.parametrize(("kind", "header"), [("valid", WHAPI_SECRET), ("wrong", WHAPI_SECRET + "x"), ("missing", None)])
async def test_raw_bytes_can_be_posted_with_a_right_wrong_or_no_secret(
    sim: SimulatorClient, bot: Recorder, kind: str, header: str | None
):
    delivered = await sim.deliver(b"{", signature=kind, channel="whatsapp")
    assert (delivered["status"], bot.calls[0].path, bot.calls[0].body) == (200, "/api/webhooks/whapi", b"{")
    assert bot.calls[0].headers.get("x-webhook-secret") == header


async def test_a_reset_brings_settings_and_state_back(sim: SimulatorClient, bot: Recorder, whapi: WhapiCaller):
    await whapi.http.delete("settings")
    await sim.whapi(status="QR", tell=False)
    await sim.reset()
    await sim.say("whatsapp", ANA, "hola")
    assert len(bot.calls) == 1
    assert (await whapi.text(ANA)).status_code == 200
