"""What customers do becomes the webhooks that Meta documents."""

from __future__ import annotations

import pytest

from simulator.client import SimulatorClient, SimulatorError
from simulator.events import PAGE_INBOX

from .conftest import GraphCaller, Recorder

pytestmark = pytest.mark.asyncio(loop_scope="module")

IG, PAGE = "17841470026191358", "104098558513421"
BUTTONS = {
    "attachment": {
        "type": "template",
        "payload": {
            "template_type": "button",
            "text": "¿Qué sigue?",
            "buttons": [
                {"type": "postback", "title": "Hacer pedido", "payload": "/hacer_pedido"},
                {"type": "web_url", "title": "Tienda", "url": "https://shop.example/"},
            ],
        },
    }
}
QUICK = {
    "text": "¿Cuál?",
    "quick_replies": [{"content_type": "text", "title": title, "payload": f"/p{title}"} for title in ("Árnica", "Caléndula")],
}


@pytest.mark.parametrize(("channel", "kind", "account"), [("instagram", "instagram", IG), ("messenger", "page", PAGE)])
async def test_a_text_comes_in_the_channels_own_envelope(sim: SimulatorClient, bot: Recorder, channel, kind, account):
    said = await sim.say(channel, "1001", "hola", name="Ana Ruiz")
    document = bot.calls[0].document
    (entry,) = document["entry"]
    (item,) = entry["messaging"]
    assert (document["object"], entry["id"], item["sender"], item["recipient"]) == (
        kind,
        account,
        {"id": "1001"},
        {"id": account},
    )
    assert item["message"] == {"mid": said.mid, "text": "hola"}
    assert abs(entry["time"] - item["timestamp"]) < 5000
    assert item["timestamp"] > 10**12  # milliseconds
    phone = await sim.phone(channel, "1001")
    assert (phone.name, [m.text for m in phone.messages]) == ("Ana Ruiz", ["hola"])


@pytest.mark.parametrize(
    ("channel", "given", "delivered"),
    [
        ("instagram", "image", "image"),
        ("messenger", "image", "image"),
        ("messenger", "audio", "audio"),
        ("instagram", "video", "video"),
        ("messenger", "file", "file"),
        ("messenger", "sticker", "sticker"),
        ("instagram", "sticker", "like_heart"),
        ("messenger", "share", "fallback"),
        ("instagram", "share", "ig_post"),
        ("messenger", "location", "location"),
        ("instagram", "reel", "ig_reel"),
        ("messenger", "reel", "reel"),
        ("messenger", "product", "template"),
        ("messenger", "post", "post"),
        ("messenger", "appointment", "appointment_booking"),
        ("instagram", "story_mention", "story_mention"),
        ("instagram", "ephemeral", "ephemeral"),
        ("instagram", "ig_story", "ig_story"),
        ("instagram", "unsupported", "unsupported_type"),
    ],
)
async def test_an_attachment_comes_as_its_channel_delivers_it(sim: SimulatorClient, bot: Recorder, channel, given, delivered):
    await sim.send_attachment(channel, "1001", given)
    assert [a["type"] for a in bot.items[0]["message"]["attachments"]] == [delivered]
    assert "text" not in bot.items[0]["message"]


async def test_an_attachment_with_a_payload_goes_out_verbatim(sim: SimulatorClient, bot: Recorder):
    strange = {"type": "share", "payload": None, "title": "x"}
    await sim.send_attachment("messenger", "1001", strange)
    assert bot.items[0]["message"]["attachments"] == [strange]


async def test_instagram_splits_a_caption_off(sim: SimulatorClient, bot: Recorder):
    said = await sim.send_attachment("instagram", "1001", "image", text="¿tienen esta?")
    first, second = (item["message"] for item in bot.items)
    assert "text" not in first
    assert (second["text"], [first["mid"], second["mid"]]) == ("¿tienen esta?", list(said.mids))


async def test_messenger_keeps_text_and_attachment_together(sim: SimulatorClient, bot: Recorder):
    await sim.send_attachment("messenger", "1001", ["image", "image"], text="¿tienen estas?")
    (item,) = bot.items
    assert (item["message"]["text"], len(item["message"]["attachments"])) == ("¿tienen estas?", 2)


async def test_stories_are_instagrams_alone(sim: SimulatorClient, bot: Recorder):
    await sim.story_reply("1001", "¡qué bonito!")
    await sim.story_mention("1001")
    reply, mention = (item["message"] for item in bot.items)
    assert reply["reply_to"]["story"]["url"].startswith("https://lookaside.fbsbx.com/")
    assert mention["attachments"][0]["type"] == "story_mention"
    with pytest.raises(SimulatorError, match="instagram only"):
        await sim.act("messenger", "1002", story_reply="x")


async def test_a_button_stays_and_comes_back_as_a_postback(sim: SimulatorClient, bot: Recorder, graph: GraphCaller):
    await sim.settings(echoes="off")
    await sim.say("messenger", "1001", "hola")
    await graph.send("1001", BUTTONS)
    await graph.text("1001", "otra cosa")
    said = await sim.tap("messenger", "1001", "Hacer pedido")
    assert bot.items[-1]["postback"] == {"mid": said.mid, "title": "Hacer pedido", "payload": "/hacer_pedido"}
    assert "message" not in bot.items[-1]


async def test_a_quick_reply_comes_back_as_a_message_and_only_right_after(
    sim: SimulatorClient, bot: Recorder, graph: GraphCaller
):
    await sim.settings(echoes="off")
    await sim.say("instagram", "1001", "hola")
    await graph.send("1001", QUICK)
    assert (await sim.phone("instagram", "1001")).messages[-1].quick_replies == ("Árnica", "Caléndula")
    said = await sim.tap("instagram", "1001", "Árnica")
    assert bot.items[-1]["message"] == {"mid": said.mid, "text": "Árnica", "quick_reply": {"payload": "/pÁrnica"}}
    with pytest.raises(SimulatorError, match="nothing called 'Caléndula'"):
        await sim.tap("instagram", "1001", "Caléndula")


async def test_a_tapped_link_opens_and_tells_nobody(sim: SimulatorClient, bot: Recorder, graph: GraphCaller):
    await sim.settings(echoes="off")
    await sim.say("messenger", "1001", "hola")
    await graph.send("1001", BUTTONS)
    said = await sim.tap("messenger", "1001", "Tienda")
    assert (said.opened, said.status, len(bot.calls)) == ("https://shop.example/", None, 1)


async def test_a_button_of_a_later_card_is_tapped_by_its_number(sim: SimulatorClient, bot: Recorder, graph: GraphCaller):
    await sim.settings(echoes="off")
    await sim.say("messenger", "1001", "hola")
    elements = [
        {"title": name, "subtitle": "60 ml", "buttons": [{"type": "postback", "title": "Pedir", "payload": f"/{name}"}]}
        for name in ("arnica", "tila")
    ]
    payload = {"template_type": "generic", "elements": elements}
    assert (await graph.send("1001", {"attachment": {"type": "template", "payload": payload}})).status_code == 200
    await sim.tap("messenger", "1001", "Pedir", card=2)
    await sim.tap("messenger", "1001", "Pedir")
    assert [item["postback"]["payload"] for item in bot.items[1:]] == ["/tila", "/arnica"]
    assert [card["title"] for card in (await sim.phone("messenger", "1001")).replies[0].cards] == ["arnica", "tila"]


async def test_forged_taps_are_delivered_too(sim: SimulatorClient, bot: Recorder):
    await sim.act("messenger", "1001", postback={"title": "x", "payload": "/restart", "referral": {"ref": "r"}})
    await sim.act("messenger", "1001", quick_reply={"title": "x", "payload": "/restart"})
    await sim.act("messenger", "1001", get_started=True)
    assert bot.items[0]["postback"]["referral"] == {"ref": "r"}
    assert bot.items[1]["message"]["quick_reply"] == {"payload": "/restart"}
    assert bot.items[2]["postback"]["payload"] == "/get_started"


async def test_edits_unsends_and_reactions_name_their_message(sim: SimulatorClient, bot: Recorder, graph: GraphCaller):
    await sim.settings(echoes="off")
    said = await sim.say("messenger", "1001", "hla")
    sent = (await graph.text("1001", "¿sí?")).json()["message_id"]
    await sim.act("messenger", "1001", edit="hola")
    await sim.act("messenger", "1001", react="❤️")
    await sim.act("messenger", "1001", unreact=True)
    await sim.act("messenger", "1001", unsend=True)
    edit, react, unreact, unsend = bot.items[1:]
    assert edit["message_edit"] == {"mid": said.mid, "text": "hola", "num_edit": "1"}
    assert react["reaction"] == {"mid": sent, "action": "react", "reaction": "love", "emoji": r"\u{2764}\u{FE0F}"}
    assert unreact["reaction"] == {"mid": sent, "action": "unreact"}
    assert unsend["message"] == {"mid": said.mid, "is_deleted": True}
    phone = await sim.phone("messenger", "1001")
    assert (phone.messages[0].unsent, phone.messages[0].text) == (True, None)


async def test_receipts_have_the_channels_shape(sim: SimulatorClient, bot: Recorder, graph: GraphCaller):
    await sim.settings(echoes="off")
    for channel, user in (("messenger", "1"), ("instagram", "2")):
        await sim.say(channel, user, "hola")
        sent = (await graph.text(user)).json()["message_id"]
        await sim.act(channel, user, read=True)
        read = bot.items[-1]["read"]
        assert read == {"mid": sent} if channel == "instagram" else list(read) == ["watermark"]
    await sim.act("messenger", "1", delivered=True)
    assert set(bot.items[-1]["delivery"]) == {"mids", "watermark"}
    with pytest.raises(SimulatorError, match="messenger only"):
        await sim.act("instagram", "2", delivered=True)


async def test_other_facts_keep_their_form(sim: SimulatorClient, bot: Recorder):
    await sim.act("messenger", "1", referral="verano")
    await sim.act("messenger", "1", optin={"ref": "box", "user_ref": "u-1"})
    await sim.act("messenger", "1", unsupported=True)
    await sim.call("POST", "event", {"channel": "messenger", "user": "1", "item": {"policy_enforcement": {"action": "block"}}})
    assert bot.items[0]["referral"] == {"ref": "verano", "source": "SHORTLINK", "type": "OPEN_THREAD"}
    assert bot.items[1]["optin"]["user_ref"] == "u-1"
    assert bot.items[2]["message"]["is_unsupported"] is True
    assert bot.items[3]["policy_enforcement"] == {"action": "block"}


async def test_extra_details_are_merged_into_the_message(sim: SimulatorClient, bot: Recorder):
    await sim.say("messenger", "1", "sí", reply_to="m_0", extra={"nlp": {"x": 1}}, timestamp=1760000000123)
    assert bot.items[0]["message"]["reply_to"] == {"mid": "m_0", "is_self_reply": False}
    assert (bot.items[0]["message"]["nlp"], bot.items[0]["timestamp"]) == ({"x": 1}, 1760000000123)


async def test_a_person_in_the_inbox_reaches_the_bot_as_an_echo(sim: SimulatorClient, bot: Recorder):
    await sim.say("messenger", "1", "hola")
    await sim.say("instagram", "2", "hola")
    page = await sim.agent_writes("messenger", "1", "Soy Ana")
    instagram = await sim.agent_writes("instagram", "2", "Soy Ana")
    first, second = bot.echoes
    assert (first["sender"]["id"], first["recipient"]["id"]) == (PAGE, "1")
    assert first["message"] == {"mid": page.mid, "text": "Soy Ana", "is_echo": True, "app_id": PAGE_INBOX}
    assert second["message"] == {"mid": instagram.mid, "text": "Soy Ana", "is_echo": True}
    assert [(m.sender, m.author) for m in (await sim.phone("messenger", "1")).replies] == [("shop", "agent")]


async def test_a_comment_comes_as_a_change_and_allows_one_private_reply(
    sim: SimulatorClient, bot: Recorder, graph: GraphCaller
):
    comment = await sim.call("POST", "comment", {"channel": "instagram", "user": "7", "text": "¿precio?"})
    change = bot.calls[0].document["entry"][0]["changes"][0]
    assert (change["field"], change["value"]["id"]) == ("comments", comment["comment_id"])
    body = {"recipient": {"comment_id": comment["comment_id"]}, "message": {"text": "Te escribo por aquí"}}
    assert (await graph.post(body)).status_code == 200
    again = await graph.post(body)
    assert again.json()["error"]["error_subcode"] == 2534025
    assert (await sim.phone("instagram", "7")).texts == ["Te escribo por aquí"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"channel": "fax", "user": "1", "text": "x"}, "channel must be one of"),
        ({"channel": "messenger", "text": "x"}, "user must be an id"),
        ({"channel": "messenger", "user": "1", "text": "x", "copys": 2}, "unknown keys"),
        ({"channel": "messenger", "user": "1", "text": "x", "seed": "x"}, "seed must be"),
        ({"channel": "messenger", "user": "1"}, "say exactly one of"),
        ({"channel": "messenger", "user": "1", "text": "x", "tap": "y"}, "say exactly one of"),
        ({"channel": "messenger", "user": "1", "text": ""}, "non-empty"),
        ({"channel": "messenger", "user": "1", "tap": "Nada"}, "nothing called 'Nada'"),
        ({"channel": "messenger", "user": "1", "attachment": "hologram"}, "no attachment type 'hologram'"),
        ({"channel": "messenger", "user": "1", "attachment": "story_mention"}, "messenger has no story_mention"),
        ({"channel": "messenger", "user": "1", "text": "x", "copies": 0}, "copies must be"),
        ({"channel": "messenger", "user": "1", "text": "x", "shape": "round"}, "shape must be one of"),
        ({"channel": "messenger", "user": "1", "text": "x", "timestamp": "now"}, "timestamp must be"),
        ({"channel": "messenger", "user": PAGE, "text": "x"}, "shop's own id"),
        ({"channel": "messenger", "user": "1", "edit": "x"}, "no such message"),
    ],
)
async def test_a_senseless_act_is_refused_with_words(sim: SimulatorClient, bot: Recorder, body, words):
    with pytest.raises(SimulatorError, match=words):
        await sim.call("POST", "say", body)
    assert bot.calls == []


async def test_an_id_is_never_shared_by_both_channels(sim: SimulatorClient):
    await sim.say("instagram", "1", "hola")
    with pytest.raises(SimulatorError, match="never equal across channels"):
        await sim.say("messenger", "1", "hola")


async def test_what_is_no_json_or_no_path_is_told(sim: SimulatorClient):
    answer = await sim._http.post("/sim/say", content=b"{")
    assert (answer.status_code, "not JSON" in answer.json()["error"]) == (400, True)
    assert (await sim._http.get("/sim/nothing")).status_code == 404
    assert (await sim._http.get("/sim/say")).status_code == 404
