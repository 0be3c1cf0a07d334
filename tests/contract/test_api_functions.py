"""What the API asks of the database, the same over every way to it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from dateutil.parser import isoparse

from connectors.message import Address, Json
from crm.port import Crm, CrmRejected
from router.keys import new_key
from tests.support.events import CUSTOMER, WHATSAPP, claim, commit, conversation, echo, inbound, next_send, receive


def somebody(address: Address = CUSTOMER) -> Address:
    number = str(10**7 + secrets.randbelow(9 * 10**7))
    return replace(address, user=f"+5255{number}" if address.channel == "WA" else f"api-{number}")


async def wrote(crm: Crm, address: Address | None = None, **fields: Any) -> tuple[Address, Json]:
    """A customer who wrote, and their conversation."""
    made = address or somebody()
    await receive(crm, inbound(address=made, key=secrets.token_hex(8), platform_id=secrets.token_hex(8), **fields))
    return made, await conversation(crm, made.key)


async def send(crm: Crm, held: Json, text: str = "hola", author: str = "agent", *more: str, **arguments: Any) -> Json:
    target = await crm.call("omnicrm_api_target", p_conversation=str(held["conversation"]))
    parts = [{"message": {"text": part}, "payloads": []} for part in (text, *more)]
    return await crm.call(
        "omnicrm_send_message", **{"p_target": target, "p_author": author, "p_person": "Ana", "p_parts": parts, **arguments}
    )


# --- keys ----------------------------------------------------------------------------------------------------------------


async def test_a_key_is_made_found_noted_and_revoked(crm: Crm) -> None:
    made, name = new_key(), f"tienda {secrets.token_hex(4)}"
    expires = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
    told = await crm.call(
        "omnicrm_api_key_create", p_id=made.id, p_name=name, p_hash=made.digest, p_scopes=["read", "send"], p_expires_at=expires
    )
    assert "hash" not in told
    found = await crm.call("omnicrm_api_key_find", p_id=made.id)
    assert (found["hash"], found["scopes"], found["stale"], found["revoked_at"]) == (made.digest, ["read", "send"], True, None)
    assert isoparse(found["expires_at"]) == isoparse(expires)
    assert [await crm.call("omnicrm_api_key_touch", p_id=made.id) for _ in range(2)] == [True, False], "once a minute"
    assert (await crm.call("omnicrm_api_key_find", p_id=made.id))["stale"] is False
    listed = [key for key in await crm.call("omnicrm_api_key_list") if key["id"] == made.id]
    assert [(key["name"], key["state"], key["last_used_at"] is not None) for key in listed] == [(name, "good", True)]
    assert "hash" not in listed[0]
    assert (await crm.call("omnicrm_api_key_revoke", p_key=name))["revoked_at"]
    assert (await crm.call("omnicrm_api_key_find", p_id=made.id))["revoked_at"]


async def test_no_two_good_keys_have_one_name_and_nobody_is_nobody(crm: Crm) -> None:
    name = f"tienda {secrets.token_hex(4)}"

    async def create() -> None:
        made = new_key()
        await crm.call("omnicrm_api_key_create", p_id=made.id, p_name=name, p_hash=made.digest, p_scopes=["read"])

    await create()
    with pytest.raises(CrmRejected, match="already") as told:
        await create()
    assert told.value.sqlstate == "OC409"
    await crm.call("omnicrm_api_key_revoke", p_key=name)
    await create()
    assert await crm.call("omnicrm_api_key_find", p_id="000000000000") is None
    with pytest.raises(CrmRejected) as told:
        await crm.call("omnicrm_api_key_revoke", p_key="nobody's")
    assert told.value.sqlstate == "OC404"


# --- sending -------------------------------------------------------------------------------------------------------------


async def test_a_persons_message_takes_over_withdraws_the_bots_and_goes_out_in_order(crm: Crm) -> None:
    person, held = await wrote(crm)
    (work,) = [w for w in await claim(crm, limit=100) if w["key"] == person.key]
    await commit(crm, work, "soy el bot", dialogue={"events": [1]})
    sent = await send(crm, held, "soy Ana", "agent", "¿qué tal?")
    assert (len(sent["messages"]), sent["replayed"], sent["conversation"]) == (2, False, str(held["conversation"]))
    first = (await next_send(crm, work))["send"]
    assert (str(first["id"]), first["message"]) == (sent["messages"][0], {"text": "soy Ana"})
    settled = {"message": first["id"], "outcome": "sent", "platform_id": f"p-{person.user}"}
    second = (await next_send(crm, work, settled))["send"]
    assert str(second["id"]) == sent["messages"][1]
    await receive(crm, echo("¿qué tal?", f"q-{person.user}", address=person))
    await next_send(crm, work, {"message": second["id"], "outcome": "sent", "platform_id": f"q-{person.user}"})
    after = await conversation(crm, person.key)
    assert [(m["text"], m["author"], m["status"]) for m in after["messages"] if m["direction"] == "out"] == [
        ("soy el bot", "bot", "withdrawn"), ("soy Ana", "agent", "sent"), ("¿qué tal?", "agent", "sent"),
    ]  # fmt: skip
    assert (after["state"], after["person"]) == ("with_person", "Ana")


async def test_softwares_message_leaves_the_word_to_whoever_has_it(crm: Crm) -> None:
    person, held = await wrote(crm)
    await send(crm, held, "tu pedido salió", "system")
    after = await conversation(crm, person.key)
    assert (after["state"], after["owner"]) == ("open", "bot")
    (work,) = [w for w in await claim(crm, limit=100) if w["key"] == person.key]
    assert len(work["inbound"]) == 1, "the customer's own message waits for its turn all the same"
    assert (await next_send(crm, work))["send"]["message"]["text"] == "tu pedido salió"


async def test_a_message_that_comes_while_a_worker_holds_the_conversation_is_found_at_release(crm: Crm) -> None:
    person, held = await wrote(crm)
    (work,) = [w for w in await claim(crm, limit=100) if w["key"] == person.key]
    await commit(crm, work)
    await send(crm, held, "aviso", "system")
    assert [w for w in await claim(crm, limit=100) if w["key"] == person.key] == []
    assert (await next_send(crm, work))["send"]["message"]["text"] == "aviso"


async def test_the_same_key_sends_once_and_another_body_under_it_is_refused(crm: Crm) -> None:
    person, held = await wrote(crm)
    once = {"p_request_key": f"k:{person.user}", "p_digest": "one"}
    answers = await asyncio.gather(*(send(crm, held, "hola", "agent", **once) for _ in range(8)))
    assert len({tuple(answer["messages"]) for answer in answers}) == 1
    assert sorted(answer["replayed"] for answer in answers) == [False] + [True] * 7
    assert await send(crm, held, "otra", "agent", **{**once, "p_digest": "two"}) == {"refused": "reused"}
    assert [m["text"] for m in (await conversation(crm, person.key))["messages"] if m["direction"] == "out"] == ["hola"]


async def test_a_closed_window_is_told_and_nobody_takes_over(crm: Crm) -> None:
    person, held = await wrote(crm, opens_window=-60)
    refused = await send(crm, held)
    assert refused["refused"] == "window"
    assert isoparse(refused["window_until"]) < datetime.now(timezone.utc)
    assert (await conversation(crm, person.key))["state"] == "open"


async def test_who_opted_out_hears_from_people_alone(crm: Crm) -> None:
    person, held = await wrote(crm)
    (work,) = [w for w in await claim(crm, limit=100) if w["key"] == person.key]
    await commit(crm, work, "listo", effects=[{"effect": "opt_out"}])
    assert await send(crm, held, "promoción", "system") == {"refused": "opted-out"}
    assert len((await send(crm, held, "tu paquete volvió", "agent"))["messages"]) == 1


@pytest.mark.parametrize("conversation_id", ["nobody", "00000000-0000-0000-0000-000000000000", "", "7", "9" * 40])
async def test_what_is_no_conversation_is_not_found(crm: Crm, conversation_id: str) -> None:
    for function in ("omnicrm_api_target", "omnicrm_api_conversation", "omnicrm_api_messages"):
        with pytest.raises(CrmRejected) as told:
            await crm.call(function, p_conversation=conversation_id)
        assert told.value.sqlstate == "OC404"


# --- a client on a channel -----------------------------------------------------------------------------------------------


async def target(crm: Crm, client: str, channel: str, *accounts: str) -> Json:
    return await crm.call("omnicrm_api_client_target", p_client=client, p_channel=channel, p_accounts=list(accounts))


async def test_a_client_is_written_to_where_they_wrote_last(crm: Crm) -> None:
    old, new = somebody(WHATSAPP), replace(somebody(WHATSAPP), account="OTHER")
    _, first = await wrote(crm, old)
    _, second = await wrote(crm, new)
    await crm.call("omnicrm_merge", p_keep=first["client"]["id"], p_gone=second["client"]["id"], p_reason=None, p_by="Ana")
    ours = [f"WA:{old.account}", "WA:OTHER"]
    assert (await target(crm, first["client"]["id"], "WA", *ours))["conversation"] == str(second["conversation"])
    assert (await target(crm, second["client"]["id"], "WA", *ours))["conversation"] == str(second["conversation"]), "joined"
    assert (await target(crm, first["client"]["id"], "WA", ours[0]))["conversation"] == str(first["conversation"])


async def test_a_client_with_a_known_phone_may_be_written_to_first_and_their_answer_is_theirs(crm: Crm) -> None:
    _, held = await wrote(crm)
    phone = somebody(WHATSAPP)
    await crm.call("omnicrm_edit_client", p_client=held["client"]["id"], p_changes={"phone": phone.user}, p_by="Ana")
    found = await target(crm, held["client"]["id"], "WA", f"WA:{phone.account}")
    assert (found["user"], found["key"]) == (phone.user, phone.key)
    sent = await crm.call(
        "omnicrm_send_message", p_target=found, p_author="agent", p_person="Ana",
        p_parts=[{"message": {"text": "hola"}, "payloads": []}],
    )
    _, answered = await wrote(crm, phone)
    assert str(answered["conversation"]) == sent["conversation"]
    assert answered["client"]["id"] == held["client"]["id"]


async def test_a_client_of_whom_nothing_is_known_there_is_refused(crm: Crm) -> None:
    _, held = await wrote(crm)
    for channel in ("WA", "EMAIL", "FB", "TT"):
        assert await target(crm, held["client"]["id"], channel, f"{channel}:x") == {"refused": True}
    with pytest.raises(CrmRejected) as told:
        await target(crm, "nobody", "WA", "WA:x")
    assert told.value.sqlstate == "OC404"


# --- reading -------------------------------------------------------------------------------------------------------------


async def pages(crm: Crm, function: str, limit: int, **filters: Any) -> list[Json]:
    """All items of a list, page by page."""
    items: list[Json] = []
    after = None
    while True:
        page = await crm.call(function, p_limit=limit, p_after=after, **filters)
        items += page["items"]
        assert len(page["items"]) <= limit
        if page["next"] is None:
            return items
        assert len(page["items"]) == limit
        after = page["next"]


async def tagged(crm: Crm, count: int) -> tuple[str, list[Json]]:
    """So many clients with a tag of their own, each with a conversation, in the order in which they wrote."""
    tag, made = f"t{secrets.token_hex(4)}", []
    for _ in range(count):
        _, held = await wrote(crm)
        await crm.call("omnicrm_tag", p_client=held["client"]["id"], p_add=[tag], p_remove=[])
        made.append(held)
    return tag, made


async def test_pages_show_everything_once_and_the_newest_first(crm: Crm) -> None:
    tag, made = await tagged(crm, 7)
    newest_first = [str(held["conversation"]) for held in reversed(made)]
    for limit in (1, 3, 7, 8):
        assert [item["id"] for item in await pages(crm, "omnicrm_api_conversations", limit, p_tag=tag)] == newest_first
        clients = [item["id"] for item in await pages(crm, "omnicrm_api_clients", limit, p_tag=tag)]
        assert sorted(clients) == sorted(str(held["client"]["id"]) for held in made)
        assert clients == sorted(clients, reverse=True)


async def test_what_is_added_between_two_pages_moves_nothing(crm: Crm) -> None:
    tag, made = await tagged(crm, 4)
    first = await crm.call("omnicrm_api_conversations", p_tag=tag, p_limit=2)
    _, late = await wrote(crm)
    await crm.call("omnicrm_tag", p_client=late["client"]["id"], p_add=[tag], p_remove=[])
    second = await crm.call("omnicrm_api_conversations", p_tag=tag, p_limit=2, p_after=first["next"])
    seen = [item["id"] for item in first["items"] + second["items"]]
    assert seen == [str(held["conversation"]) for held in reversed(made)]


async def test_conversations_are_found_by_state_channel_client_and_attention(crm: Crm) -> None:
    tag, (one, two, three, four) = await tagged(crm, 4)
    await send(crm, two)
    await crm.call("omnicrm_close", p_conversation=str(three["conversation"]), p_by="Ana")
    (work,) = [w for w in await claim(crm, limit=100) if w["key"] == four["key"]]
    await commit(crm, work, effects=[{"effect": "handover", "reason": "lo pidió", "seconds": 3600}])

    async def found(**filters: Any) -> list[str]:
        return [item["id"] for item in await pages(crm, "omnicrm_api_conversations", 10, p_tag=tag, **filters)]

    ids = [str(held["conversation"]) for held in (one, two, three, four)]
    for state, expected in zip(("open", "with_person", "closed", "waiting"), ids, strict=True):
        assert await found(p_state=state) == [expected]
    assert await found(p_attention=True) == [ids[3]]
    assert len(await found(p_attention=False)) == 3
    assert (len(await found(p_channel="IG")), await found(p_channel="FB")) == (4, [])
    assert await found(p_client=two["client"]["id"]) == [ids[1]]
    assert await found(p_client="nobody") == []


async def test_clients_are_found_by_phone_email_stage_and_the_start_of_their_name(crm: Crm) -> None:
    _, held = await wrote(crm)
    client, word = str(held["client"]["id"]), secrets.token_hex(4)
    phone = "33" + str(10**7 + secrets.randbelow(9 * 10**7))
    changes = {"name": f"Ínés {word}% Peña", "phone": phone, "email": f"{word}@Example.com"}
    await crm.call("omnicrm_edit_client", p_client=client, p_changes=changes, p_by="Ana")
    await crm.call("omnicrm_set_stage", p_client=client, p_stage="customer", p_reason=None, p_by="Ana")

    async def found(**filters: Any) -> bool:
        return client in [item["id"] for item in await pages(crm, "omnicrm_api_clients", 100, **filters)]

    for filters in (
        {"p_phone": f"+52 {phone}"}, {"p_phone": phone}, {"p_email": f" {word.upper()}@example.com"}, {"p_stage": "customer"},
        {"p_q": f"ines {word}"}, {"p_q": f"ÍNÉS {word}%"},
    ):  # fmt: skip
        assert await found(**filters), filters
    nobodys = [{"p_phone": "not one"}, {"p_email": "no"}, {"p_stage": "lead"}]
    for filters in (*nobodys, {"p_q": f"_nés {word}"}, {"p_q": word}, {"p_q": "%"}):
        assert not await found(**filters), filters
    shown = await crm.call("omnicrm_api_client", p_client=client)
    assert {(i["kind"], i["source"]) for i in shown["identities"]} >= {("phone", "staff"), ("email", "staff")}
    assert (shown["phone"], shown["email"], len(shown["conversations"])) == (f"+52{phone}", f"{word}@example.com", 1)


async def test_a_fact_that_another_client_holds_is_a_proposal_and_not_taken(crm: Crm) -> None:
    (_, one), (_, two) = await wrote(crm), await wrote(crm)
    email = f"{secrets.token_hex(5)}@example.com"
    await crm.call("omnicrm_edit_client", p_client=one["client"]["id"], p_changes={"email": email}, p_by="Ana")
    changes = {"email": email, "name": "X"}
    refused = await crm.call("omnicrm_edit_client", p_client=two["client"]["id"], p_changes=changes, p_by="Ana")
    assert (refused["refused"], refused["kind"], refused["client"]) == ("held", "email", one["client"]["id"])
    shown = await crm.call("omnicrm_api_proposal", p_proposal=refused["proposal"])
    assert sorted(shown["clients"]) == sorted([one["client"]["id"], two["client"]["id"]])
    assert (await crm.call("omnicrm_api_client", p_client=two["client"]["id"]))["name"] is None, "all or nothing"


async def test_what_the_staff_corrects_is_forgotten_and_null_takes_away(crm: Crm) -> None:
    _, held = await wrote(crm)
    client = held["client"]["id"]
    old, new = (f"{secrets.token_hex(5)}@example.com" for _ in range(2))
    for changes in ({"email": old}, {"email": new}):
        await crm.call("omnicrm_edit_client", p_client=client, p_changes=changes, p_by="Ana")
    shown = await crm.call("omnicrm_api_client", p_client=client)
    assert [i["value"] for i in shown["identities"] if i["kind"] == "email"] == [new]
    await crm.call("omnicrm_edit_client", p_client=client, p_changes={"email": None, "name": None}, p_by="Ana")
    shown = await crm.call("omnicrm_api_client", p_client=client)
    assert (shown["email"], shown["name"], [i for i in shown["identities"] if i["kind"] == "email"]) == (None, None, [])
    with pytest.raises(CrmRejected) as told:
        await crm.call("omnicrm_edit_client", p_client=client, p_changes={"phone": "12"}, p_by="Ana")
    assert told.value.sqlstate == "OC422"


async def test_merges_proposals_and_orders_are_listed_and_shown(crm: Crm) -> None:
    (person, one), (_, two) = await wrote(crm), await wrote(crm)
    (work,) = [w for w in await claim(crm, limit=100) if w["key"] == person.key]
    await commit(crm, work, effects=[{"effect": "order", "product": "Árnica", "quantity": 2.5}])
    client = one["client"]["id"]
    (order,) = await pages(crm, "omnicrm_api_orders", 5, p_client=client)
    assert (order["product"], order["quantity"], order["status"], order["conversation"]) == (
        "Árnica", 2.5, "requested", str(one["conversation"]),
    )  # fmt: skip
    assert await crm.call("omnicrm_api_order", p_order=order["id"]) == order
    assert await pages(crm, "omnicrm_api_orders", 5, p_conversation=str(one["conversation"])) == [order]
    assert await pages(crm, "omnicrm_api_orders", 5, p_conversation="nobody's") == []
    assert await pages(crm, "omnicrm_api_orders", 5, p_client=client, p_status="confirmed") == []
    made = await crm.call("omnicrm_merge", p_keep=client, p_gone=two["client"]["id"], p_reason="a mano", p_by="Ana")
    (merge,) = await pages(crm, "omnicrm_api_merges", 5, p_client=two["client"]["id"])
    assert (merge["id"], merge["kept"], merge["actor"]) == (str(made["merge"]), client, "Ana")
    assert await crm.call("omnicrm_api_merge", p_merge=made["merge"]) == merge
    assert (await crm.call("omnicrm_api_client", p_client=two["client"]["id"]))["merged_into"] == client
    await crm.call("omnicrm_unmerge", p_merge=made["merge"], p_by="Ana")
    refused = await pages(crm, "omnicrm_api_proposals", 100, p_status="refused")
    assert sorted([client, two["client"]["id"]]) in [sorted(item["clients"]) for item in refused]


async def test_what_is_no_message_order_merge_proposal_or_client_is_not_found(crm: Crm) -> None:
    for name in ("message", "order", "merge", "proposal", "client"):
        with pytest.raises(CrmRejected) as told:
            await crm.call(f"omnicrm_api_{name}", **{f"p_{name}": "999999999999999999"})
        assert told.value.sqlstate == "OC404"
