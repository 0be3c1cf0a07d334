"""Who is who: what makes two addresses one client, what only proposes it, and the columns that other software sees."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import phonenumbers
import psycopg
import pytest
from psycopg.types.json import Jsonb

from connectors.message import Address, Contact, event_to_json
from crm.port import Crm
from tests.support.events import ACCOUNTS, CUSTOMER, WHATSAPP, claim, commit, inbound, receive
from tests.support.postgres import Database

PHONE = "+525512345678"
MAIL = Address(channel="EMAIL", account="hola@eum.mx", user="ana@correo.example")
PAGE = Address(channel="FB", account="104098558513421", user="7700")
HIDDEN = replace(WHATSAPP, user="lid:69385314111689")


async def say(crm: Crm, address: Address, text: str = "hola", contact: Contact | None = None, **effect: str) -> None:
    """A customer writes; the turn is done and, with ``effect``, keeps what they said of themselves."""
    await receive(crm, inbound(text, address=address, contact=contact))
    (work,) = await claim(crm)
    effects = [{"effect": "contact", **effect}] if effect else []
    await commit(crm, work, effects=effects)
    await crm.call("omnicrm_release", p_thread=work["thread"], p_token=work["token"])


def client_of(database: Database, address: Address) -> Any:
    """The id of the client whose thread this is."""
    return database.run("select client_id from omnicrm.threads where key = %s", address.key)[0][0]


def clients(database: Database) -> int:
    """How many clients there are that were not joined to another."""
    return int(database.run("select count(*) from omnicrm.people where merged_into is null")[0][0])


def proposals(database: Database) -> list[tuple[str, float, list[dict[str, Any]]]]:
    """Status, score and evidence of each."""
    return [(s, float(n), e) for s, n, e in database.run("select status, score, evidence from omnicrm.proposals order by id")]


def identities(database: Database, client: Any) -> set[tuple[str, str, str]]:
    """Kind, value and account of each identity of a client."""
    rows = database.run("select kind, value, account from omnicrm.client_identities where client_id = %s", client)
    return {(k, v, a) for k, v, a in rows}


def existing(database: Database, **columns: str | None) -> Any:
    """A client that the shop's other software wrote."""
    names, values = ", ".join(columns), ", ".join(["%s"] * len(columns))
    return database.run(f"insert into public.clients ({names}) values ({values}) returning id", *columns.values())[0][0]


# --- exact keys join by themselves ---------------------------------------------------------------------------------------


async def test_a_whatsapp_number_finds_the_client_that_the_shop_wrote_down_in_its_own_way(crm: Crm, database: Database) -> None:
    ana = existing(database, name="Ana", phone="044 (55) 1234-5678")
    await say(crm, WHATSAPP, contact=Contact(phone=PHONE))
    assert client_of(database, WHATSAPP) == ana
    assert identities(database, ana) == {("whatsapp", PHONE, WHATSAPP.account), ("phone", PHONE, "")}


async def test_a_verified_mail_address_finds_its_client_whatever_its_capitals(crm: Crm, database: Database) -> None:
    ana = existing(database, name="Ana", email="Ana@Correo.example")
    await say(crm, MAIL, contact=Contact(email=MAIL.user))
    assert client_of(database, MAIL) == ana


async def test_a_mail_address_that_nobody_verified_finds_nobody(crm: Crm, database: Database) -> None:
    ana = existing(database, name="Ana", email=MAIL.user)
    await say(crm, replace(MAIL, user="unverified:ana@correo.example:1"))
    assert (clients(database), client_of(database, replace(MAIL, user="unverified:ana@correo.example:1")) == ana) == (2, False)


async def test_names_and_usernames_never_join(crm: Crm, database: Database) -> None:
    existing(database, name="Ana Ruiz", instagram_username="ana.ruiz")
    await say(crm, CUSTOMER, contact=Contact(name="Ana Ruiz"))
    thread = database.run("select id from omnicrm.threads")[0][0]
    await crm.call("omnicrm_set_profile", p_thread=thread, p_name="Ana Ruiz", p_username="ana.ruiz", p_picture_url=None)
    assert (clients(database), proposals(database)) == (2, [])


async def test_fifty_first_messages_of_one_phone_on_two_numbers_and_fifty_of_one_mail_make_two_clients(
    crm: Crm, database: Database
) -> None:
    numbers = [replace(WHATSAPP, account=f"CHANNEL-{i % 2}") for i in range(50)]
    boxes = [replace(MAIL, account=f"box{i % 5}@eum.mx") for i in range(50)]
    await asyncio.gather(
        *(receive(crm, inbound(f"hola {i}", address=a, contact=Contact(phone=PHONE))) for i, a in enumerate(numbers)),
        *(receive(crm, inbound(f"hola {i}", address=a, contact=Contact(email=MAIL.user))) for i, a in enumerate(boxes)),
    )
    assert clients(database) == 2
    assert database.run("select count(*) from omnicrm.messages") == [(100,)]
    assert database.run("select count(*) from omnicrm.threads") == [(7,)]


async def test_two_first_messages_of_one_phone_wait_for_each_other(crm: Crm, database: Database) -> None:
    first, second = (inbound(address=replace(WHATSAPP, account=a), contact=Contact(phone=PHONE)) for a in ("ONE", "TWO"))
    async with await psycopg.AsyncConnection.connect(database.url) as slow:
        await slow.execute("select public.omnicrm_receive(p_events => %s)", [Jsonb([event_to_json(first)])])
        late = asyncio.create_task(receive(crm, second))
        done, _ = await asyncio.wait({late}, timeout=0.3)
        assert not done
        await slow.commit()
    await late
    assert (clients(database), database.run("select count(*) from omnicrm.merges")) == (1, [(0,)])


async def test_a_hidden_number_joins_its_client_when_whatsapp_tells_the_phone(crm: Crm, database: Database) -> None:
    await say(crm, WHATSAPP, contact=Contact(phone=PHONE))
    await say(crm, HIDDEN)
    assert clients(database) == 2
    await say(crm, HIDDEN, contact=Contact(phone=PHONE))
    assert client_of(database, HIDDEN) == client_of(database, WHATSAPP)
    assert ("lid", "69385314111689", WHATSAPP.account) in identities(database, client_of(database, WHATSAPP))
    assert database.run("select reason, actor from omnicrm.merges") == [("same_phone", "bot")]


# --- what is only said ---------------------------------------------------------------------------------------------------


async def test_a_phone_given_on_instagram_makes_the_later_whatsapp_the_same_client(
    crm: Crm, database: Database
) -> None:
    await say(crm, CUSTOMER, "mi cel es 55 1234 5678", phone=PHONE)
    ana = client_of(database, CUSTOMER)
    await say(crm, WHATSAPP, contact=Contact(phone=PHONE, name="Ana"))
    assert client_of(database, WHATSAPP) == ana
    assert database.run("select kept, reason, actor, evidence ->> 'value' from omnicrm.merges") == [
        (ana, "said_then_proven_phone", "bot", PHONE)
    ]
    assert database.run("select name, phone from public.clients where id = %s", ana) == [("Ana", PHONE)]


async def test_a_phone_typed_by_a_stranger_does_not_open_the_client_it_belongs_to(crm: Crm, database: Database) -> None:
    await say(crm, WHATSAPP, contact=Contact(phone=PHONE, name="Ana"))
    await say(crm, CUSTOMER, phone=PHONE)
    assert client_of(database, CUSTOMER) != client_of(database, WHATSAPP)
    assert proposals(database) == [("open", 0.8, [{"kind": "phone", "value": PHONE, "how": "said"}])]
    assert database.run("select phone from public.clients where id = %s", client_of(database, CUSTOMER)) == [(None,)]
    assert database.run("select kind, value from omnicrm.statements") == [("phone", PHONE)]


async def test_the_same_claim_again_proposes_nothing_new_and_another_adds_its_evidence(crm: Crm, database: Database) -> None:
    ana = existing(database, name="Ana", phone=PHONE, email=MAIL.user)
    await say(crm, CUSTOMER, phone=PHONE)
    await say(crm, CUSTOMER, phone=PHONE)
    await say(crm, CUSTOMER, email=MAIL.user)
    (status, score, evidence), = proposals(database)
    assert (status, score, [e["kind"] for e in evidence]) == ("open", 0.8, ["phone", "email"])
    assert ana != client_of(database, CUSTOMER)


async def test_an_accepted_proposal_joins_and_a_refused_one_is_never_made_again(crm: Crm, database: Database) -> None:
    existing(database, name="Ana", phone=PHONE)
    await say(crm, CUSTOMER, phone=PHONE)
    ((first,),) = database.run("select id from omnicrm.proposals")
    await crm.call("omnicrm_refuse_proposal", p_proposal=first, p_by="Mónica")
    await say(crm, CUSTOMER, phone=PHONE)
    assert [p[0] for p in proposals(database)] == ["refused"]
    beto = existing(database, name="Beto", email=MAIL.user)
    await say(crm, CUSTOMER, email=MAIL.user)
    ((second,),) = database.run("select id from omnicrm.proposals where status = 'open'")
    answer = await crm.call("omnicrm_accept_proposal", p_proposal=second, p_by="Mónica")
    assert (answer["client"], client_of(database, CUSTOMER)) == (str(beto), beto) or answer["client"] == beto
    assert database.run("select actor from omnicrm.merges") == [("Mónica",)]


async def test_who_was_parted_by_a_person_stays_parted_and_the_proof_beats_the_claim(crm: Crm, database: Database) -> None:
    await say(crm, CUSTOMER, phone=PHONE)
    await say(crm, WHATSAPP, contact=Contact(phone=PHONE))
    ((merge,),) = database.run("select id from omnicrm.merges")
    await crm.call("omnicrm_unmerge", p_merge=merge, p_by="Mónica")
    await say(crm, WHATSAPP, contact=Contact(phone=PHONE))
    instagram, whatsapp = client_of(database, CUSTOMER), client_of(database, WHATSAPP)
    assert instagram != whatsapp
    assert ("phone", PHONE, "") in identities(database, whatsapp)
    look = "select phone from public.clients where id in (%s, %s) order by phone"
    assert database.run(look, instagram, whatsapp) == [(PHONE,), (None,)]


async def test_an_imported_instagram_contact_who_writes_is_the_same_client_by_the_username_of_that_account(
    crm: Crm, database: Database
) -> None:
    ana = existing(database, name="Ana", instagram_username="Ana.Ruiz")
    database.run(
        "insert into omnicrm.client_identities (kind, value, account, client_id, source) "
        "values ('instagram_username', 'ana.ruiz', %s, %s, 'import')", CUSTOMER.account, ana,
    )  # fmt: skip
    await say(crm, CUSTOMER)
    thread = database.run("select id from omnicrm.threads")[0][0]
    profile = {"p_name": "Anita", "p_username": "ana.ruiz", "p_picture_url": None}
    answer = await crm.call("omnicrm_set_profile", p_thread=thread, **profile)
    assert (client_of(database, CUSTOMER), "merge" in answer) == (ana, True)
    assert database.run("select reason, evidence ->> 'value' from omnicrm.merges") == [("imported_username", "ana.ruiz")]
    assert database.run("select name, instagram_id from public.clients where id = %s", ana) == [("Ana", CUSTOMER.user)]
    # Somebody else who takes that username later is somebody else.
    other = replace(CUSTOMER, user="999")
    await say(crm, other)
    thread = database.run("select id from omnicrm.threads where key = %s", other.key)[0][0]
    assert "merge" not in await crm.call("omnicrm_set_profile", p_thread=thread, **profile)
    assert client_of(database, other) != ana


async def test_a_username_imported_for_another_account_of_ours_is_another_persons(crm: Crm, database: Database) -> None:
    ana = existing(database, name="Ana")
    database.run(
        "insert into omnicrm.client_identities (kind, value, account, client_id, source) "
        "values ('instagram_username', 'ana.ruiz', 'another-account', %s, 'import')", ana,
    )  # fmt: skip
    await say(crm, CUSTOMER)
    thread = database.run("select id from omnicrm.threads")[0][0]
    await crm.call("omnicrm_set_profile", p_thread=thread, p_name=None, p_username="ana.ruiz", p_picture_url=None)
    assert client_of(database, CUSTOMER) != ana


# --- the plan's columns, in step ------------------------------------------------------------------------------------------


async def test_a_new_customer_has_the_columns_of_their_platform(crm: Crm, database: Database) -> None:
    await say(crm, CUSTOMER)
    await say(crm, PAGE)
    await say(crm, WHATSAPP, contact=Contact(phone=PHONE))
    await say(crm, MAIL, contact=Contact(email=MAIL.user))
    columns = "instagram_id, messenger_id, phone, email"
    assert database.run(f"select {columns} from public.clients order by {columns}") == [
        (CUSTOMER.user, None, None, None), (None, PAGE.user, None, None), (None, None, PHONE, None),
        (None, None, None, MAIL.user),
    ]


COLUMNS = {
    "phone": ("phone", "5512345678", PHONE), "email": ("email", " Ana@X.mx ", "ana@x.mx"),
    "instagram_id": ("instagram", "17", "17"), "messenger_id": ("messenger", "18", "18"),
    "facebook_id": ("facebook", "19", "19"), "tiktok_id": ("tiktok", "20", "20"),
    "vambe_contact_id": ("vambe", "v-1", "v-1"),
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_other_software_writes_is_an_identity_at_once(column: str, database: Database) -> None:
    kind, written, value = COLUMNS[column]
    client = existing(database, name="Ana")
    database.run(f"update public.clients set {column} = %s where id = %s", written, client)
    assert identities(database, client) == {(kind, value, "")}
    database.run(f"update public.clients set {column} = null where id = %s", client)
    assert identities(database, client) == set()


@pytest.mark.parametrize("column", COLUMNS)
def test_an_identity_fills_its_empty_column_and_takes_it_along(column: str, database: Database) -> None:
    kind, _, value = COLUMNS[column]
    client = existing(database, name="Ana")
    insert = "insert into omnicrm.client_identities (kind, value, client_id, source) values (%s, %s, %s, 'staff')"
    database.run(insert, kind, value, client)
    look = f"select {column} from public.clients where id = %s"
    assert database.run(look, client) == [(value,)]
    database.run("delete from omnicrm.client_identities where kind = %s", kind)
    assert database.run(look, client) == [(None,)]


async def test_an_id_that_a_conversation_hangs_on_comes_back(crm: Crm, database: Database) -> None:
    await say(crm, CUSTOMER)
    database.run("update public.clients set instagram_id = null")
    assert database.run("select instagram_id from public.clients") == [(CUSTOMER.user,)]


def test_a_changed_column_gives_up_the_old_value_and_a_proven_one_stays_known(database: Database) -> None:
    client = existing(database, name="Ana", phone="5512345678")
    database.run("update public.clients set phone = '5587654321' where id = %s", client)
    assert identities(database, client) == {("phone", "+525587654321", "")}
    database.run("update omnicrm.client_identities set source = 'vouched'")
    database.run("update public.clients set phone = '5512345678' where id = %s", client)
    assert identities(database, client) == {("phone", "+525587654321", ""), ("phone", PHONE, "")}


def test_a_key_that_another_client_holds_is_proposed_and_not_taken(database: Database) -> None:
    ana = existing(database, name="Ana", phone="5512345678")
    beto = existing(database, name="Beto", phone="+52 1 55 1234 5678")
    assert (identities(database, ana), identities(database, beto)) == ({("phone", PHONE, "")}, set())
    assert proposals(database) == [("open", 0.9, [{"kind": "phone", "value": PHONE, "how": "column"}])]


def test_software_that_may_only_write_clients_keeps_the_identities_in_step(database: Database) -> None:
    database.run("create role front login")
    database.run("grant select, insert, update on public.clients to front")
    database.run("create policy front on public.clients to front using (true) with check (true)")
    database.run("insert into public.clients (name, phone) values ('Ana', '5512345678')", role="front")
    assert database.run("select kind, value from omnicrm.client_identities") == [("phone", PHONE)]
    database.run("update public.clients set phone = '5587654321'", role="front")
    assert database.run("select kind, value from omnicrm.client_identities") == [("phone", "+525587654321")]
    database.run("drop owned by front; drop role front")


# --- phones ---------------------------------------------------------------------------------------------------------------

WRITTEN = {
    "5512345678": PHONE, "55 1234 5678": PHONE, "(55) 1234-5678": PHONE, "+52 55 1234 5678": PHONE, "+52 1 55 1234 5678": PHONE,
    "5215512345678": PHONE, "525512345678": PHONE, "0445512345678": PHONE, "0455512345678": PHONE, "015512345678": PHONE,
    "0052 55 1234 5678": PHONE, "Tel. 55 1234 5678": PHONE, "whatsapp:+5215512345678": PHONE, "+1 415 555 2671": "+14155552671",
    "+34 612 34 56 78": "+34612345678", "": None, "12345": None, "1234567890": None, "5555555555": None, "5.51235E+11": None,
    "55 1234 5678 ext 9": None, "sin teléfono": None, "+52 123": None, "551234567": None,
}  # fmt: skip


@pytest.mark.parametrize("text", WRITTEN)
def test_a_phone_as_people_write_it_is_one_number(text: str, database: Database) -> None:
    assert database.run("select omnicrm.canonical_phone(%s)", text) == [(WRITTEN[text],)]


def test_every_example_of_every_mexican_area_is_what_the_phone_library_says(database: Database) -> None:
    areas = ("55", "33", "81", "222", "442", "656", "664", "744", "938", "999")
    numbers = [f"{area}{rest}"[:10] for area in areas for rest in ("12345678", "76543210")]
    form = phonenumbers.PhoneNumberFormat.E164
    expected = [(phonenumbers.format_number(phonenumbers.parse(n, "MX"), form),) for n in numbers]
    look = "select omnicrm.canonical_phone(x) from unnest(%s::text[]) with ordinality u (x, n) order by n"
    assert database.run(look, numbers) == expected


async def test_the_bots_accounts_are_those_of_these_tests() -> None:
    assert {f"{a.channel}:{a.account}" for a in (CUSTOMER, WHATSAPP, MAIL, PAGE)} == set(ACCOUNTS)
