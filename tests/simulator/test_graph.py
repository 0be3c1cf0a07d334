"""Graph answers, refuses and shows on the phone what Meta documents."""

from __future__ import annotations

import httpx
import pytest
import pytest_asyncio

from simulator.client import SimulatorClient
from simulator.wire import app_secret_proof

from .conftest import SECRET, TOKEN, GraphCaller, Recorder, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def customers(sim: SimulatorClient) -> None:
    await sim.settings(echoes="off")
    await sim.say("messenger", "fb1", "hola", name="Ana Ruiz")
    await sim.say("instagram", "ig1", "hola", name="Ana Ruiz")


def template(kind: str, **payload) -> dict:
    return {"attachment": {"type": "template", "payload": {"template_type": kind, **payload}}}


def medium(kind: str, url: str) -> dict:
    return {"attachment": {"type": kind, "payload": {"url": url}}}


def postback(title: str = "Sí", payload: str = "/x") -> dict:
    return {"type": "postback", "title": title, "payload": payload}


def quick(title: str = "Sí", payload: str = "/x", kind: str = "text") -> dict:
    return {"content_type": kind, "title": title, "payload": payload}


# --- sending ------------------------------------------------------------


@pytest.mark.parametrize("user", ["fb1", "ig1"])
async def test_a_text_arrives_and_is_answered_with_its_id(sim: SimulatorClient, graph: GraphCaller, user: str):
    answer = await graph.text(user, "Hola, Ana", metadata=None)
    channel = "messenger" if user == "fb1" else "instagram"
    (message,) = (await sim.phone(channel, user)).replies
    assert answer.json() == {"recipient_id": user, "message_id": message.mid}
    assert (message.text, message.author, message.mid[:2]) == ("Hola, Ana", "bot", "m_" if user == "fb1" else "aW")


async def test_every_way_to_write_the_call_is_taken(simulator, graph: GraphCaller):
    body = {"recipient": {"id": "ig1"}, "message": {"text": "x"}}
    for path in ("/v25.0/me/messages", "/v24.0/17841470026191358/messages", "/v18.0/me/messages", "/me/messages"):
        assert (await graph.post(body, path)).status_code == 200
    async with httpx.AsyncClient(base_url=simulator.url, trust_env=False) as bare:
        form = {"recipient": '{"id":"ig1"}', "message": '{"text":"x"}', "access_token": TOKEN}
        assert (await bare.post("/v25.0/me/messages", data=form)).status_code == 200
        assert (await bare.post(f"/v25.0/me/messages?access_token={TOKEN}", json=body)).status_code == 200


async def test_an_unknown_version_is_no_path_and_an_expired_one_is_served_by_the_oldest(graph: GraphCaller):
    assert error_of(await graph.post({}, "/v99.0/me/messages")) == (2500, None)
    old = await graph.post({"recipient": {"id": "ig1"}, "message": {"text": "x"}}, "/v18.0/me/messages")
    assert old.headers["facebook-api-version"] == "v21.0"


@pytest.mark.parametrize(
    ("user", "message", "expected"),
    [
        ("fb1", {"text": "á" * 1999}, None),
        ("fb1", {"text": "a" * 2000}, (100, None)),
        ("ig1", {"text": "a" * 1000}, None),
        ("ig1", {"text": "á" * 501}, (100, None)),
        ("fb1", {"text": "  "}, (100, None)),
        ("fb1", {}, (100, None)),
        ("fb1", {"text": "x", "attachment": {"type": "image"}}, (100, None)),
        ("fb1", {"text": "x", "quick_repies": []}, (100, None)),
        ("fb1", {"text": "x", "metadata": "m" * 999}, None),
        ("fb1", {"text": "x", "metadata": "m" * 1000}, (100, None)),
        ("fb1", {"text": "x", "quick_replies": [quick(str(n)) for n in range(13)]}, None),
        ("fb1", {"text": "x", "quick_replies": [quick(str(n)) for n in range(14)]}, (100, None)),
        ("ig1", {"text": "x", "quick_replies": [quick(kind="user_email")]}, (100, None)),
        ("fb1", {"text": "x", "quick_replies": [{"content_type": "user_email"}]}, None),
        ("fb1", {"text": "x", "quick_replies": [quick(payload="p" * 1001)]}, (100, None)),
        ("fb1", {"text": "x", "quick_replies": [quick(title="")]}, (100, None)),
        ("fb1", {"quick_replies": [quick()]}, (100, None)),
        ("fb1", template("button", text="x", buttons=[postback(str(n)) for n in range(3)]), None),
        ("fb1", template("button", text="x", buttons=[postback(str(n)) for n in range(4)]), (100, None)),
        ("fb1", template("button", text="x" * 641, buttons=[postback()]), (100, None)),
        ("fb1", template("button", text="x", buttons=[]), (100, None)),
        ("fb1", template("button", text="x", buttons=[postback(payload="p" * 1001)]), (100, None)),
        ("fb1", template("button", text="x", buttons=[{"type": "web_url", "title": "x", "url": "shop"}]), (100, None)),
        ("fb1", template("button", text="x", buttons=[{"type": "phone_number", "title": "x", "payload": "+52"}]), None),
        ("ig1", template("button", text="x", buttons=[{"type": "phone_number", "title": "x", "payload": "+52"}]), (100, None)),
        ("ig1", template("generic", elements=[{"title": "x", "subtitle": "y"}] * 10), None),
        ("ig1", template("generic", elements=[{"title": "x", "subtitle": "y"}] * 11), (100, None)),
        ("fb1", template("generic", elements=[{"title": "x"}]), (100, None)),
        ("fb1", template("generic", elements=[{"title": "x" * 81, "subtitle": "y"}]), (100, None)),
        ("fb1", template("generic", elements=[{"title": "x", "subtitle": "y" * 81}]), (100, None)),
        ("fb1", template("generic", elements=[{"title": "x", "buttons": [postback()] * 4}]), (100, None)),
        ("fb1", template("generic", elements=[{"title": "x", "image_url": "http://x.example/a.png"}]), (100, 2018008)),
        ("fb1", template("media", elements=[{"media_type": "image"}]), None),
        ("ig1", template("media", elements=[{"media_type": "image"}]), (100, None)),
        ("fb1", template("list"), (100, None)),
        ("fb1", {"attachment": {"type": "image", "payload": {"url": "https://x.example/a.png"}}}, None),
        ("fb1", medium("image", "https://127.0.0.1/a.png"), (100, 2018008)),
        ("fb1", medium("image", "http://x.example/a.png"), (100, 2018008)),
        ("ig1", medium("image", "http://x.example/a.png"), (100, 2018008)),
        ("ig1", medium("image", "https://x.example/a.JPG?v=2.webp"), None),
        ("ig1", medium("image", "https://x.example/v1.2/a"), None),
        ("ig1", medium("image", "https://x.example/a.webp"), (100, None)),
        ("ig1", medium("image", "https://x.example/.svg"), (100, None)),
        ("ig1", medium("video", "https://x.example/a.webm"), None),
        ("ig1", medium("audio", "https://x.example/a.mp4"), None),
        ("ig1", medium("audio", "https://x.example/a.mp3"), (100, None)),
        ("ig1", medium("file", "https://x.example/a.pdf"), None),
        ("ig1", medium("file", "https://x.example/a.docx"), (100, None)),
        ("fb1", medium("image", "https://x.example/a.webp"), None),
        ("ig1", template("generic", elements=[{"title": "x", "image_url": "https://x.example/a.webp"}]), (100, None)),
        ("fb1", {"attachment": {"type": "image", "payload": {"url": "https://[::1/a.png"}}}, (100, None)),
        ("fb1", {"attachment": {"type": "hologram", "payload": {}}}, (100, None)),
        ("fb1", {"attachment": {"type": "image", "payload": {"attachment_id": "1"}}}, (100, 2018074)),
        ("fb1", {"sticker_id": 369239263222822}, None),
        ("ig1", {"attachment": {"type": "like_heart"}}, None),
        ("fb1", {"attachment": {"type": "like_heart"}}, (100, None)),
        (
            "ig1",
            {"attachments": [{"type": "image", "payload": {"url": f"https://x.example/{n}.png"}} for n in range(10)]},
            None,
        ),
        ("ig1", {"attachments": [{"type": "image", "payload": {"url": "https://x.example/a.png"}}] * 11}, (100, 2534015)),
    ],
)
async def test_limits_are_kept_per_platform(graph: GraphCaller, user: str, message: dict, expected):
    answer = await graph.send(user, message)
    assert (None if answer.status_code == 200 else error_of(answer)) == expected


async def test_long_titles_are_cut_without_a_word(sim: SimulatorClient, graph: GraphCaller):
    await graph.send("fb1", {"text": "x", "quick_replies": [quick("Extracto de caléndula grande")]})
    await graph.send("fb1", template("button", text="x", buttons=[postback("Extracto de caléndula grande")]))
    assert [m.buttons for m in (await sim.phone("messenger", "fb1")).replies] == [("Extracto de caléndul",)] * 2


async def test_emoji_can_be_counted_as_utf16(sim: SimulatorClient, graph: GraphCaller):
    assert (await graph.text("fb1", "👍" * 1999)).status_code == 200
    await sim.settings(messenger_text_unit="utf16")
    assert (await graph.text("fb1", "👍" * 999)).status_code == 200
    assert error_of(await graph.text("fb1", "👍" * 1000)) == (100, None)


async def test_a_refused_message_changes_nothing(sim: SimulatorClient, graph: GraphCaller):
    await graph.text("fb1", "a" * 3000)
    assert (await sim.phone("messenger", "fb1")).replies == ()
    assert (await sim.stats())["accepted_by_user"]["messenger"] == {}


# --- who and when ------------------------------------------------------------


@pytest.mark.parametrize(("user", "closed"), [("fb1", (10, 2018278)), ("ig1", (10, 2534022))], ids=["messenger", "instagram"])
async def test_the_window_closes_after_a_day_and_a_reaction_opens_it(sim: SimulatorClient, graph: GraphCaller, user, closed):
    channel = "messenger" if user == "fb1" else "instagram"
    await graph.text(user)
    await sim.advance(24 * 3600 - 60)
    assert (await graph.text(user)).status_code == 200
    await sim.advance(120)
    assert error_of(await graph.text(user)) == closed
    tagged = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    assert (await graph.text(user, **tagged)).status_code == 200
    await sim.act(channel, user, edit="no abre")
    assert error_of(await graph.text(user)) == closed
    await sim.act(channel, user, react="👍")
    assert (await graph.text(user)).status_code == 200
    await sim.advance(8 * 24 * 3600)
    assert error_of(await graph.text(user, **tagged)) == closed


async def test_retired_and_missing_tags_are_refused(graph: GraphCaller):
    assert error_of(await graph.text("fb1", messaging_type="MESSAGE_TAG", tag="ACCOUNT_UPDATE")) == (100, None)
    assert error_of(await graph.text("fb1", messaging_type="MESSAGE_TAG")) == (100, None)
    assert error_of(await graph.text("fb1", messaging_type="REPLY")) == (100, None)


async def test_strangers_blocked_gone_and_foreign_threads_have_their_codes(sim: SimulatorClient, graph: GraphCaller):
    assert error_of(await graph.text("nobody")) == (100, 2018001)
    by_instagram = await graph.post({"recipient": {"id": "fb1"}, "message": {"text": "x"}}, "/v25.0/17841470026191358/messages")
    assert error_of(by_instagram) == (100, 2534014)
    assert error_of(await graph.post({"recipient": {"id": "fb1"}, "message": {"text": "x"}}, "/v25.0/1234/messages")) == (
        100,
        33,
    )
    for facts, on_page, on_instagram in (
        ({"blocked": True}, (551, 1545041), (551, 1545041)),
        ({"blocked": False, "gone": True}, (100, 2018001), (100, 2534014)),
        ({"gone": False, "owner_app": "999"}, (10, 2018300), (100, 2534037)),
    ):
        await sim.user("messenger", "fb1", **facts)
        await sim.user("instagram", "ig1", **facts)
        assert (error_of(await graph.text("fb1")), error_of(await graph.text("ig1"))) == (on_page, on_instagram)


async def test_a_customer_only_looked_at_is_still_a_stranger(sim: SimulatorClient, graph: GraphCaller):
    assert (await sim.phone("messenger", "later")).messages == ()
    assert error_of(await graph.text("later")) == (100, 2018001)
    assert "later" not in [phone["user"] for phone in await sim.phones()]


async def test_while_another_app_holds_the_thread_everything_comes_in_standby(
    sim: SimulatorClient, bot: Recorder, graph: GraphCaller
):
    await graph.send("fb1", template("button", text="x", buttons=[postback()]))
    passed = await graph.post({"recipient": {"id": "fb1"}, "target_app_id": "999"}, "/v25.0/me/pass_thread_control")
    assert passed.json() == {"success": True}
    await sim.tap("messenger", "fb1", "Sí")
    (entry,) = bot.calls[-1].document["entry"]
    assert (entry["standby"][0]["postback"], "messaging" in entry) == ({"title": "Sí"}, False)
    await graph.post({"recipient": {"id": "fb1"}}, "/v25.0/me/take_thread_control")
    assert (await graph.text("fb1")).status_code == 200


# --- sender actions ------------------------------------------------------------


async def test_typing_and_seen_show_on_the_phone(sim: SimulatorClient, graph: GraphCaller):
    seen = await graph.action("fb1", "mark_seen")
    assert seen.json() == {"recipient_id": "fb1"}
    await graph.action("fb1", "typing_on")
    phone = await sim.phone("messenger", "fb1")
    assert (phone.typing, phone.seen) == (True, True)
    await sim.advance(21)  # it goes out by itself
    assert not (await sim.phone("messenger", "fb1")).typing
    await graph.action("fb1", "typing_on")
    await graph.text("fb1")
    await sim.say("messenger", "fb1", "gracias")
    phone = await sim.phone("messenger", "fb1")
    assert (phone.typing, phone.seen) == (False, False)


async def test_the_shop_can_react(sim: SimulatorClient, graph: GraphCaller):
    mid = (await sim.phone("messenger", "fb1")).messages[0].mid
    await graph.action("fb1", "react", payload={"message_id": mid, "reaction": "😊"})
    assert (await sim.phone("messenger", "fb1")).messages[0].reactions == {"shop": "😊"}
    assert error_of(await graph.action("fb1", "react", payload={"message_id": "m_0", "reaction": "😊"})) == (100, None)


async def test_an_action_is_a_call_of_its_own(graph: GraphCaller):
    assert error_of(await graph.text("fb1", sender_action="typing_on")) == (100, 2018014)
    assert error_of(await graph.action("fb1", "dance")) == (100, None)


# --- token and proof ------------------------------------------------------------


async def test_tokens_are_checked(simulator, sim: SimulatorClient, graph: GraphCaller):
    body = {"recipient": {"id": "fb1"}, "message": {"text": "x"}}
    wrong = await graph.post(body, headers={"Authorization": "Bearer nope"})
    assert (error_of(wrong), wrong.status_code) == ((190, None), 401)
    async with httpx.AsyncClient(base_url=simulator.url, trust_env=False) as bare:
        assert error_of(await bare.get("/v25.0/me")) == (2500, None)
    await sim.token(expires_at=1)
    assert error_of(await graph.post(body)) == (190, 463)
    await sim.token(expires_at=0, valid=False, subcode=460)
    assert error_of(await graph.post(body)) == (190, 460)


async def test_a_proof_is_checked_when_it_is_there_and_can_be_required(sim: SimulatorClient, graph: GraphCaller):
    body = {"recipient": {"id": "fb1"}, "message": {"text": "x"}}
    right = {"appsecret_proof": app_secret_proof(SECRET, TOKEN)}
    assert (await graph.post(body, params=right)).status_code == 200
    assert error_of(await graph.post(body, params={"appsecret_proof": "00"})) == (100, None)
    await sim.settings(require_proof=True)
    assert error_of(await graph.post(body)) == (100, None)
    assert (await graph.post(body, params=right)).status_code == 200


async def test_debug_token_tells_what_a_token_is_worth(sim: SimulatorClient, graph: GraphCaller):
    asked = {"input_token": TOKEN, "access_token": f"555|{SECRET}"}
    await sim.token(expires_at=2000000000, scopes=["pages_messaging"])
    data = (await graph.http.get("/v25.0/debug_token", params=asked)).json()["data"]
    assert (data["is_valid"], data["expires_at"], data["scopes"]) == (True, 2000000000, ["pages_messaging"])
    assert data["granular_scopes"] == [{"scope": "pages_messaging", "target_ids": [graph.page_id]}]
    other = (await graph.http.get("/v25.0/debug_token", params={**asked, "input_token": "x"})).json()["data"]
    assert (other["is_valid"], other["error"]["code"]) == (False, 190)


# --- profiles and the rest ------------------------------------------------------------


async def test_profiles_have_their_platforms_fields(graph: GraphCaller):
    page = (await graph.profile("fb1", "first_name,last_name,profile_pic")).json()
    assert (page["first_name"], page["last_name"], page["id"]) == ("Ana", "Ruiz", "fb1")
    instagram = (await graph.profile("ig1", "name,username,is_user_follow_business")).json()
    assert instagram == {"name": "Ana Ruiz", "username": "usuario_ig1", "is_user_follow_business": False, "id": "ig1"}


async def test_an_instagram_name_may_be_null(sim: SimulatorClient, graph: GraphCaller):
    await sim.say("instagram", "ig2", "hola")
    profile = (await graph.profile("ig2", "name,username,profile_pic")).json()
    assert (profile["name"], profile["profile_pic"]) == (None, None)


@pytest.mark.parametrize(
    ("user", "fields", "expected"),
    [
        ("ig1", "biography", (100, None)),
        ("ig1", "first_name", (100, None)),
        ("fb1", "locale", (100, 2018247)),
        ("nobody", None, (100, 33)),
    ],
)
async def test_wrong_profile_fields_fail_the_whole_call(graph: GraphCaller, user, fields, expected):
    assert error_of(await graph.profile(user, fields)) == expected


async def test_profile_errors_on_request(sim: SimulatorClient, graph: GraphCaller):
    for name, code in (("consent", (230, None)), ("no_profile", (100, 2018218)), ("no_instagram_user", (9010, None))):
        await sim.user("instagram", "ig1", profile_error=name)
        assert error_of(await graph.profile("ig1")) == code
    await sim.user("instagram", "ig1", profile_error="empty")
    assert (await graph.profile("ig1", "name")).json() == {"id": "ig1"}


async def test_who_never_wrote_has_no_readable_profile(sim: SimulatorClient, graph: GraphCaller):
    await sim.agent_writes("instagram", "ig3", "Hola")
    assert error_of(await graph.profile("ig3")) == (230, None)
    assert error_of(await graph.text("ig3")) == (10, 2534022)


async def test_the_page_and_the_account_tell_about_themselves(graph: GraphCaller):
    me = (await graph.http.get("/v25.0/me", params={"fields": "id,name,instagram_business_account{id}"})).json()
    assert (me["id"], me["instagram_business_account"]) == (graph.page_id, {"id": "17841470026191358"})
    assert (await graph.http.get("/v25.0/17841470026191358", params={"fields": "username"})).json()[
        "username"
    ] == "extractoseum"


async def test_without_a_subscription_nothing_is_delivered(sim: SimulatorClient, bot: Recorder, graph: GraphCaller):
    path = f"/v25.0/{graph.page_id}/subscribed_apps"
    assert (await graph.http.get(path)).json()["data"][0]["id"] == "555"
    await graph.http.delete(path)
    assert (await sim.say("messenger", "fb1", "¿hay alguien?")).status is None
    assert (await graph.http.get(path)).json() == {"data": []}
    assert error_of(await graph.post({"subscribed_fields": ["messages", "nonsense"]}, path)) == (100, None)
    assert (await graph.post({"subscribed_fields": "messages"}, path)).json() == {"success": True}
    before = len(bot.calls)
    assert (await sim.say("messenger", "fb1", "¿y ahora?")).status == 200
    assert (await sim.act("messenger", "fb1", get_started=True)).status is None
    assert len(bot.calls) == before + 1


async def test_an_upload_can_be_sent_by_its_id(sim: SimulatorClient, graph: GraphCaller):
    image = {"type": "image", "payload": {"url": "https://x.example/a.png", "is_reusable": True}}
    uploaded = (await graph.post({"message": {"attachment": image}}, "/v25.0/me/message_attachments")).json()["attachment_id"]
    assert (
        await graph.send("fb1", {"attachment": {"type": "image", "payload": {"attachment_id": uploaded}}})
    ).status_code == 200
    mismatch = await graph.send("fb1", {"attachment": {"type": "video", "payload": {"attachment_id": uploaded}}})
    assert error_of(mismatch) == (100, 2018047)
    assert "attachment_id" in (await graph.send("fb1", {"attachment": image})).json()


async def test_an_upload_is_of_a_format_of_its_platform(graph: GraphCaller):
    for platform, expected in (({}, 200), ({"platform": "instagram"}, 400)):
        body = {"message": medium("audio", "https://x.example/a.mp3"), **platform}
        assert (await graph.post(body, "/v25.0/me/message_attachments")).status_code == expected


async def test_the_messenger_profile_is_kept_per_platform(graph: GraphCaller):
    path = "/v25.0/me/messenger_profile"
    menu = {"persistent_menu": [{"locale": "default", "call_to_actions": []}]}
    assert error_of(await graph.post(menu, path))[0] == 100
    assert (await graph.post({"get_started": {"payload": "/get_started"}, **menu}, path)).json() == {"result": "success"}
    shown = (await graph.http.get(path, params={"fields": "get_started,greeting"})).json()
    assert shown == {"data": [{"get_started": {"payload": "/get_started"}}]}
    assert (await graph.http.get(path, params={"fields": "get_started", "platform": "instagram"})).json() == {"data": []}


# --- rates ------------------------------------------------------------


@pytest.mark.parametrize(("user", "channel", "code"), [("fb1", "messenger", 613), ("ig1", "instagram", 80002)])
async def test_an_account_that_sends_too_fast_is_told_so(sim: SimulatorClient, graph: GraphCaller, user, channel, code):
    await sim.settings(**{f"send_rate_{channel}": 3})
    answers = [await graph.text(user) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400]
    assert error_of(answers[-1]) == (code, None)
    assert '"call_count": 100' in answers[-1].headers["x-business-use-case-usage"]
    assert (await sim.stats())["rates"][channel] == {"taken": 3, "refused": 1, "peak_per_second": 3}


async def test_audio_and_video_have_a_lower_limit(sim: SimulatorClient, graph: GraphCaller):
    await sim.settings(media_rate=1)
    audio = {"attachment": {"type": "audio", "payload": {"url": "https://x.example/a.mp3"}}}
    assert (await graph.send("fb1", audio)).status_code == 200
    assert error_of(await graph.send("fb1", audio)) == (613, None)
    assert (await graph.text("fb1")).status_code == 200


# --- what is told about it ------------------------------------------------------------


async def test_requests_are_told_without_secrets(sim: SimulatorClient, graph: GraphCaller):
    proof = app_secret_proof(SECRET, TOKEN)
    await graph.post(
        {"recipient": {"id": "fb1"}, "message": {"text": "x"}, "access_token": TOKEN}, params={"appsecret_proof": proof}
    )
    await graph.text("nobody")
    sent, refused = await sim.requests(where="send")
    assert (sent["user"], sent["channel"], sent["status"], sent["proof"], sent["token_from"]) == (
        "fb1",
        "messenger",
        200,
        True,
        "header",
    )
    assert sent["body"]["message"] == {"text": "x"}
    assert (refused["status"], refused["answer"]["error"]["code"]) == (400, 100)
    assert TOKEN not in str(sent)
    assert proof not in str(sent)


async def test_stats_count_messages_answers_and_errors(sim: SimulatorClient, graph: GraphCaller):
    await graph.text("fb1")
    await graph.text("nobody")
    stats = await sim.stats(wait=5)
    assert stats["messages"] == {"customer": 2, "bot": 1, "agent": 0}
    assert stats["accepted_by_user"] == {"instagram": {}, "messenger": {"fb1": 1}}
    assert (stats["graph"]["by_status"], stats["graph"]["by_error"]) == ({"200": 1, "400": 1}, {"100/2018001": 1})
    assert (stats["webhooks"]["sent"], stats["webhooks"]["by_status"], stats["webhooks"]["pending"]) == (2, {"200": 2}, 0)


async def test_an_unknown_path_answers_as_graph(graph: GraphCaller):
    assert error_of(await graph.http.get("/v25.0/me/nonsense")) == (2500, None)
    assert error_of(await graph.http.get("/v25.0/me/messages")) == (100, 33)
    assert error_of(await graph.http.post("/v25.0/me/messages", content=b"{")) == (100, None)
    assert error_of(await graph.post({}, "/v25.0/me/messages")) == (100, None)
