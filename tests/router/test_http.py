"""The API as other software meets it: over HTTP, to a real server on a real database."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
from dateutil.parser import isoparse

from connectors.message import Json
from crm.port import Crm
from router import openapi
from router.cursor import write
from router.keys import new_key
from router.problem import TYPE_PREFIX
from router.routes import PREFIX
from tests.support.api import INSTAGRAM, Api, new_api_key, someone_on, write_in
from tests.support.events import commit
from tests.support.eventually import eventually
from tests.support.postgres import Database
from tests.support.stack import KEYS


def kind(problem: Json) -> str:
    assert problem["type"].startswith(TYPE_PREFIX)
    assert problem["title"]
    assert problem["detail"]
    return str(problem["type"].removeprefix(TYPE_PREFIX))


def place(held: Json) -> str:
    return f"/conversations/{held['conversation']}"


def person_of(held: Json) -> str:
    return f"/clients/{held['client']['id']}"


HELLO = {"author": "agent", "text": "hola"}


# --- who may ask -----------------------------------------------------------------------------------------------------------


async def test_the_document_is_open_to_all_and_the_one_in_the_code(api: Api) -> None:
    async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as anybody:
        answer = await anybody.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == json.loads(json.dumps(openapi.document()))


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic dXNlcjpwYXNz", "Bearer x", "unknown", "wrong secret"])
async def test_who_has_no_key_is_told_how_to_show_one(api: Api, crm: Crm, authorization: str | None) -> None:
    if authorization == "unknown":
        authorization = f"Bearer {new_key().text}"
    elif authorization == "wrong secret":
        text = await new_api_key(crm)
        authorization = f"Bearer {text[:-1]}{'0' if text[-1] != '0' else '1'}"
    async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as anybody:
        answer = await anybody.get("/clients", headers={} if authorization is None else {"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="omnicrm"')
    assert kind(answer.json()) == "unauthorized"


async def test_a_revoked_or_expired_key_is_refused_at_once(api: Api, crm: Crm) -> None:
    past = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    key = await new_api_key(crm, name="por revocar")
    headers = {"Authorization": f"Bearer {key}"}
    await api.ask("GET", "/clients", headers=headers)
    await crm.call("omnicrm_api_key_revoke", p_key="por revocar")
    await api.ask("GET", "/clients", 401, headers=headers)
    await api.ask("GET", "/clients", 401, headers={"Authorization": f"Bearer {await new_api_key(crm, expires_at=past)}"})


@pytest.mark.parametrize(
    ("scope", "statuses"), [("read", [200, 403, 403]), ("send", [403, 202, 403]), ("manage", [403, 403, 200])]
)
async def test_a_key_does_what_its_scope_opens_and_nothing_else(api: Api, crm: Crm, scope: str, statuses: list[int]) -> None:
    held = await write_in(crm)
    headers = {"Authorization": f"Bearer {await new_api_key(crm, scope)}"}
    asked: list[tuple[str, str, Json]] = [
        ("GET", place(held), None), ("POST", place(held) + "/messages", HELLO), ("POST", place(held) + "/close", {}),
    ]  # fmt: skip
    for (method, path, body), status in zip(asked, statuses, strict=True):
        answer = await api.ask(method, path, status, headers=headers, json=body)
        assert status != 403 or (kind(answer), answer["scope"] != scope) == ("forbidden", True)


async def test_the_last_use_of_a_key_is_noted(api: Api, crm: Crm) -> None:
    key = await new_api_key(crm, "read", name="se nota")
    await api.ask("GET", "/clients", headers={"Authorization": f"Bearer {key}"})
    (noted,) = [item for item in await crm.call("omnicrm_api_key_list") if item["name"] == "se nota"]
    assert noted["last_used_at"] is not None


# --- what is no request ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["", "/", "/nothing", "/clients/", "/clients/a%2Fb", "/messages/abc", "/clients/%00", "/clients//"]
)
async def test_nothing_is_a_problem_too(api: Api, path: str) -> None:
    problem = await api.get(path, 404)
    assert (kind(problem), problem["instance"]) == ("no-such-route", PREFIX + (path or "/"))


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("DELETE", "/clients", "GET, HEAD"), ("PUT", "/clients/x", "GET, HEAD, PATCH"), ("GET", "/merges/1/undo", "POST"),
     ("OPTIONS", "/clients", "GET, HEAD"), ("TRACE", "/clients", "GET, HEAD"), ("INVENTED", "/openapi.json", "GET, HEAD")],
)  # fmt: skip
async def test_a_method_that_an_address_does_not_take_is_405(api: Api, method: str, path: str, allow: str) -> None:
    answer = await api.http.request(method, path)
    assert (answer.status_code, answer.headers["allow"], kind(answer.json())) == (405, allow, "method-not-allowed")


async def test_head_is_get_without_a_body(api: Api) -> None:
    answer = await api.http.head("/clients")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", "application/json")


async def test_no_answer_is_kept_or_shared_with_another_site(api: Api) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for method, path in (("GET", "/clients"), ("GET", "/nothing"), ("OPTIONS", "/clients"), ("GET", "/openapi.json")):
        answer = await api.http.request(method, path, headers=headers)
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_a_body_that_is_too_large_is_413(api: Api) -> None:
    for content in (b"x" * 65_537, b'{"author": "agent", "text": "' + b"a" * 200_000 + b'"}'):
        answer = await api.http.post("/conversations/x/messages", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, kind(answer.json())) == (413, "too-large")


async def test_a_body_that_is_not_json_is_415_or_400(api: Api, crm: Crm) -> None:
    path = place(await write_in(crm)) + "/messages"
    told = await api.ask("POST", path, 415, content=b"text=hola", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert kind(told) == "unsupported-media-type"
    assert kind(await api.ask("POST", path, 400, content=b"{", headers={"Content-Type": "application/json"})) == "malformed"


async def test_a_wrong_body_or_query_names_each_place(api: Api, crm: Crm) -> None:
    told = await api.post(place(await write_in(crm)) + "/messages", {"author": "bot", "text": ""}, 422)
    assert {error["pointer"] for error in told["errors"]} == {"/author", "/text"}
    told = await api.get("/clients", 422, stage="gone", phome="1")
    assert {error["parameter"] for error in told["errors"]} == {"stage", "phome"}


@pytest.mark.parametrize("cursor", ["x", "bm8", "W10", "e30"])
async def test_a_cursor_that_nobody_gave_is_400(api: Api, cursor: str) -> None:
    assert kind(await api.get("/clients", 400, cursor=cursor)) == "invalid-cursor"


async def test_a_cursor_with_made_up_keys_is_400_and_no_fault_of_ours(api: Api) -> None:
    for name in ("conversations", "clients", "orders", "merges", "proposals"):
        for after in (["x", "y"], ["9" * 30, "9" * 30], ["99999-99-99", "1"]):
            assert kind(await api.get(f"/{name}", 400, cursor=write(name, {}, after))) == "invalid-cursor"


# --- reading ---------------------------------------------------------------------------------------------------------------


async def test_pages_lead_through_everything(api: Api, crm: Crm) -> None:
    held = [await write_in(crm, f"página {number}") for number in range(5)]
    for one in held:
        await api.post(person_of(one) + "/tags", {"add": ["páginas"]})
    for path in ("/conversations", "/clients"):
        seen: list[str] = []
        query: dict[str, Any] = {"tag": "páginas", "limit": 2}
        while True:
            page = await api.get(path, **query)
            seen += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        wanted = [str(one["conversation"] if path == "/conversations" else one["client"]["id"]) for one in held]
        assert (sorted(seen), len(seen)) == (sorted(wanted), 5)
    await api.get("/clients", 400, tag="otra", cursor=query["cursor"])


async def test_a_conversation_and_its_messages(api: Api, crm: Crm) -> None:
    held = await write_in(crm, "¿Tienen árnica? 🌿")
    shown = await api.get(place(held))
    assert (shown["id"], shown["state"], shown["channel"]) == (str(held["conversation"]), "open", "IG")
    (message,) = (await api.get(place(held) + "/messages"))["items"]
    assert (message["text"], message["direction"], message["author"]) == ("¿Tienen árnica? 🌿", "in", "customer")
    assert await api.get(f"/messages/{message['id']}") == message
    assert kind(await api.get("/messages/999999999", 404)) == "not-found"
    for path in ("/conversations/nobody", "/conversations/nobody/messages", "/clients/nobody"):
        assert kind(await api.get(path, 404)) == "not-found"


# --- sending ---------------------------------------------------------------------------------------------------------------


async def test_a_rich_message_is_fitted_to_its_channel_before_it_is_queued(api: Api, crm: Crm) -> None:
    buttons = [{"title": f"Opción {number}", "payload": f"/elige{{\"n\": {number}}}"} for number in range(5)]
    body = {"author": "system", "text": "árnica " * 300, "buttons": buttons, "media": {"kind": "image", "url": "https://a.mx/x.png"}}
    held = await write_in(crm)
    sent = await api.post(place(held) + "/messages", body, 202)
    contents = [await api.get(message["href"].removeprefix(PREFIX)) for message in sent["messages"]]
    assert contents[0]["content"] == {"media": {"kind": "image", "url": "https://a.mx/x.png"}}
    assert all(len((content["text"] or "").encode()) <= 1000 for content in contents), "Instagram's limit"
    assert [b["title"] for b in contents[-1]["content"]["quick_replies"]] == [b["title"] for b in buttons]
    assert {(content["status"], content["author"]) for content in contents} == {("queued", "system")}

    mail = await write_in(crm, address=someone_on("email"))
    (message,) = (await api.post(place(mail) + "/messages", body, 202))["messages"]
    content = await api.get(message["href"].removeprefix(PREFIX))
    assert "5. Opción 4" in content["text"]


async def test_a_message_that_would_be_a_flood_is_refused(api: Api, crm: Crm) -> None:
    held = await write_in(crm)
    assert kind(await api.post(place(held) + "/messages", {**HELLO, "text": "árnica " * 2800}, 422)) == "too-long"
    assert (await api.get(place(held)))["state"] == "open"


async def test_a_closed_window_says_until_when_it_was_open(api: Api, crm: Crm) -> None:
    problem = await api.post(place(await write_in(crm, opens_window=-3600)) + "/messages", HELLO, 409)
    assert kind(problem) == "window-closed"
    assert problem["window_until"] in problem["detail"]
    assert isoparse(problem["window_until"]) < datetime.now(timezone.utc)


async def test_who_opted_out_gets_nothing_from_software(api: Api, crm: Crm, api_database: Database) -> None:
    held = await write_in(crm, "baja")
    api_database.run("update omnicrm.threads set opted_out = true where key = %s", held["key"])
    assert kind(await api.post(place(held) + "/messages", {**HELLO, "author": "system"}, 409)) == "opted-out"
    await api.post(place(held) + "/messages", HELLO, 202)


async def test_a_channel_that_this_bot_does_not_run_is_told(api: Api, crm: Crm) -> None:
    held = await write_in(crm, address=someone_on("messenger"))
    problem = await api.post(place(held) + "/messages", HELLO, 409)
    assert (kind(problem), problem["running"]) == ("channel-not-running", ["EMAIL", "IG", "WA"])
    assert kind(await api.post(person_of(held) + "/messages", {**HELLO, "channel": "FB"}, 409)) == "channel-not-running"
    other_account = await write_in(crm, address=replace(INSTAGRAM, account="another", user="7"))
    assert kind(await api.post(place(other_account) + "/messages", HELLO, 409)) == "channel-not-running"


async def test_a_client_is_written_to_on_a_channel_where_they_are_known(api: Api, crm: Crm) -> None:
    held = await write_in(crm)
    to = person_of(held) + "/messages"
    assert (await api.post(to, {**HELLO, "channel": "IG"}, 202))["conversation"] == str(held["conversation"])
    assert kind(await api.post(to, {**HELLO, "channel": "EMAIL"}, 409)) == "no-conversation"
    await api.ask("PATCH", person_of(held), json={"email": f"a{held['client']['id']}@example.com"})
    assert kind(await api.post(to, {**HELLO, "author": "system", "channel": "EMAIL"}, 409)) == "no-conversation"
    opened = await api.post(to, {**HELLO, "channel": "EMAIL"}, 202)
    assert (await api.get(f"/conversations/{opened['conversation']}"))["client"]["id"] == held["client"]["id"]
    again = await api.post(to, {**HELLO, "author": "system", "channel": "EMAIL"}, 202)
    assert again["conversation"] == opened["conversation"]


async def test_twenty_equal_requests_at_once_are_one_message(api: Api, crm: Crm) -> None:
    held = await write_in(crm)
    body = {**HELLO, "person": "Ana"}
    answers = await asyncio.gather(
        *(api.http.post(place(held) + "/messages", json=body, headers={"Idempotency-Key": "una"}) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 19
    ours = [m for m in (await api.get(place(held) + "/messages"))["items"] if m["direction"] == "out"]
    assert [(m["text"], m["person"]) for m in ours] == [("hola", "Ana")]


async def test_a_key_that_was_used_for_something_else_is_refused(api: Api, crm: Crm) -> None:
    held, other = await write_in(crm), await write_in(crm)
    await api.post(place(held) + "/messages", HELLO, 202, Idempotency_Key="dos")
    for path, body in ((place(held), {**HELLO, "text": "otra"}), (place(other), HELLO)):
        assert kind(await api.post(path + "/messages", body, 422, Idempotency_Key="dos")) == "key-reused"
    key = await new_api_key(crm)
    other_caller = {"Authorization": f"Bearer {key}", "Idempotency-Key": "dos"}
    await api.ask("POST", place(other) + "/messages", 202, json=HELLO, headers=other_caller)
    assert kind(await api.post(place(held) + "/messages", HELLO, 422, Idempotency_Key="a b")) == "invalid"


async def test_a_refused_request_keeps_no_key(api: Api, crm: Crm) -> None:
    held = await write_in(crm, opens_window=-60)
    await api.post(place(held) + "/messages", HELLO, 409, Idempotency_Key="tres")
    await write_in(crm, "ya volví", address=replace(INSTAGRAM, user=held["key"].rpartition(":")[2]))
    await api.post(place(held) + "/messages", HELLO, 202, Idempotency_Key="tres")


# --- acting ----------------------------------------------------------------------------------------------------------------


async def test_a_conversation_is_taken_handed_back_and_closed(api: Api, crm: Crm) -> None:
    path = place(await write_in(crm))
    taken = await api.post(path + "/takeover", {"person": "Luis", "hours": 1})
    assert (taken["state"], taken["person"]) == ("with_person", "Luis")
    until = isoparse(taken["person_until"])
    assert abs(until - datetime.now(timezone.utc) - timedelta(hours=1)) < timedelta(minutes=1)
    assert (await api.post(path + "/handback"))["state"] == "open"
    assert (await api.ask("POST", path + "/close"))["state"] == "closed"
    assert kind(await api.post("/conversations/nobody/close", {}, 404)) == "not-found"


async def test_the_keys_name_stands_for_whoever_is_not_named(api: Api, crm: Crm) -> None:
    headers = {"Authorization": f"Bearer {await new_api_key(crm, name='Mostrador')}"}
    path = place(await write_in(crm))
    assert (await api.ask("POST", path + "/takeover", headers=headers))["person"] == "Mostrador"


async def test_clients_are_tagged_staged_and_edited(api: Api, crm: Crm) -> None:
    path = person_of(await write_in(crm))
    assert (await api.post(path + "/tags", {"add": ["mayoreo", "vip"]}))["tags"] == ["mayoreo", "vip"]
    assert (await api.post(path + "/tags", {"remove": ["vip"]}))["tags"] == ["mayoreo"]
    staged = await api.post(path + "/stage", {"stage": "customer", "reason": "compró en tienda"})
    assert (staged["stage"], staged["stage_reason"]) == ("customer", "compró en tienda")
    edited = await api.ask("PATCH", path, json={"name": " Inés ", "phone": "(55) 9876-5432"})
    assert (edited["name"], edited["phone"]) == ("Inés", "+525598765432")
    assert kind(await api.ask("PATCH", path, 422, json={"phone": "123"})) == "invalid"
    other = person_of(await write_in(crm))
    held = await api.ask("PATCH", other, 409, json={"phone": "+52 55 9876 5432"})
    assert (kind(held), "proposal" in held["detail"]) == ("conflict", True)


async def test_clients_are_joined_and_parted_again(api: Api, crm: Crm) -> None:
    one, two, three = [(await write_in(crm))["client"]["id"] for _ in range(3)]
    made = await api.post("/merges", {"keep": one, "gone": two}, 201)
    assert (await api.get("/clients/" + two))["merged_into"] == one
    assert kind(await api.post("/merges", {"keep": one, "gone": two}, 409)) == "conflict"
    assert kind(await api.post("/merges", {"keep": one, "gone": one}, 422)) == "invalid"
    assert kind(await api.post("/merges", {"keep": one, "gone": "nobody"}, 404)) == "not-found"
    assert (await api.post(f"/merges/{made['id']}/undo"))["undone_by"]
    assert (await api.get("/clients/" + two))["merged_into"] is None
    assert kind(await api.post(f"/merges/{made['id']}/undo", {}, 409)) == "conflict"
    proposed = await crm.call("omnicrm_edit_client", p_client=one, p_changes={"email": "x1@example.com"}, p_by="Ana")
    assert proposed == {"edited": True}
    proposed = await crm.call("omnicrm_edit_client", p_client=three, p_changes={"email": "x1@example.com"}, p_by="Ana")
    accepted = await api.post(f"/proposals/{proposed['proposal']}/accept", {"person": "Ana"})
    assert (accepted["status"], accepted["decided_by"], accepted["merge"] is not None) == ("accepted", "Ana", True)
    assert kind(await api.post(f"/proposals/{proposed['proposal']}/refuse", {}, 409)) == "conflict"


async def test_orders_are_confirmed_and_cancelled(api: Api, crm: Crm) -> None:
    held = await write_in(crm)
    answer = await crm.call("omnicrm_claim", p_worker="w", p_accounts=[f"IG:{KEYS.ig_id}"], p_limit=200, p_lease_seconds=30.0)
    (work,) = [item for item in answer["work"] if item["key"] == held["key"]]
    await commit(crm, work, effects=[{"effect": "order", "product": "Árnica", "quantity": 2}])
    (order,) = (await api.get("/orders", client=held["client"]["id"]))["items"]
    assert (await api.post(f"/orders/{order['id']}/confirm"))["status"] == "confirmed"
    assert (await api.get(person_of(held)))["stage"] == "customer"
    assert (await api.post(f"/orders/{order['id']}/cancel", {"person": "Ana"}))["decided_by"] == "Ana"
    assert kind(await api.post("/orders/999999999/confirm", {}, 404)) == "not-found"


# --- trouble ---------------------------------------------------------------------------------------------------------------


async def test_who_asks_too_often_is_told_when_to_come_back(strict_address: str, crm: Crm) -> None:
    key, other = await new_api_key(crm), await new_api_key(crm)
    async with httpx.AsyncClient(base_url=strict_address, trust_env=False) as http:
        asked = [await http.get("/clients", headers={"Authorization": f"Bearer {key}"}) for _ in range(4)]
        assert [answer.status_code for answer in asked] == [200, 200, 200, 429]
        assert 1 <= int(asked[-1].headers["retry-after"]) <= 20
        assert kind(asked[-1].json()) == "rate-limited"
        assert (await http.get("/clients", headers={"Authorization": f"Bearer {other}"})).status_code == 200


async def test_an_absent_database_is_503(lost_address: str) -> None:
    async with httpx.AsyncClient(base_url=lost_address, trust_env=False, timeout=30) as http:
        answer = await http.get("/clients", headers={"Authorization": f"Bearer {new_key().text}"})
    assert (answer.status_code, answer.headers["retry-after"], kind(answer.json())) == (503, "5", "unavailable")


async def test_the_log_tells_what_was_asked_and_nothing_of_whom(api: Api, crm: Crm, logs: Path) -> None:
    held = await write_in(crm, "secreto-del-cliente")
    key = api.http.headers["authorization"].removeprefix("Bearer ")
    await api.get("/clients", phone="+525500112233")
    await api.post(place(held) + "/messages", {**HELLO, "text": "secreto-de-la-tienda"}, 202)
    await api.post(place(held) + "/messages", {**HELLO, "text": "secreto-de-la-tienda", "x": 1}, 422)
    written = logs / "api.log"

    async def told() -> bool:
        return f"operation=send_to_conversation key={key.split('_')[1]} status=422" in written.read_text()

    await eventually(told)
    text = written.read_text()
    assert re.search(r"operation=clients key=\w+ status=200 ms=\d+", text)
    for secret in (key, key.split("_")[2], "secreto", "5500112233", str(held["client"]["id"])):
        assert secret not in text
