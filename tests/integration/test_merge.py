"""Joining two clients is one step forward, and taking it back is exactly that step back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.port import Crm, CrmRejected
from tests.support.postgres import Database

Connection = psycopg.Connection[tuple[Any, ...]]

_words = st.text("abcñ 😊'\"{}", max_size=6)
_maybe = st.none() | _words
_people = st.fixed_dictionaries(
    {
        "name": _words, "phone": st.sampled_from([None, "5512345678", "+14155552671", "no tiene"]),
        "email": st.sampled_from([None, "Ana@X.mx", "roto@"]), "instagram_username": _maybe,
        "vambe_contact_id": st.sampled_from([None, "v1", "v2"]),
        "metadata": st.dictionaries(st.sampled_from(["name_from", "contact", "ig_picture_url"]), _words, max_size=3),
        "tags": st.lists(st.sampled_from(["mayoreo", "vip", "queja"]), unique=True),
        "attribution": st.dictionaries(st.sampled_from(["source", "campaign"]), _words, max_size=2),
        "consent": st.dictionaries(st.sampled_from(["IG", "WA"]), st.just({"state": "out"}), max_size=2),
        "stage": st.sampled_from(["lead", "customer"]),
        "channels": st.lists(st.sampled_from(["IG", "FB", "WA", "EMAIL"]), max_size=3),
        "orders": st.integers(0, 2),
    }
)  # fmt: skip


def _make(connection: Connection, person: dict[str, Any], number: int) -> Any:
    """A client with all that hangs on one."""
    row = connection.execute(
        "insert into public.clients (name, phone, email, instagram_username, vambe_contact_id, platform_metadata) "
        "values (%s, %s, %s, %s, %s, %s) returning id",
        [person["name"], person["phone"], person["email"], person["instagram_username"], person["vambe_contact_id"],
         json.dumps(person["metadata"])],
    ).fetchone()  # fmt: skip
    assert row is not None
    client = row[0]
    connection.execute(
        "update omnicrm.people set tags = %s, attribution = %s, consent = %s, stage = %s where client_id = %s",
        [person["tags"], json.dumps(person["attribution"]), json.dumps(person["consent"]), person["stage"], client],
    )
    for index, channel in enumerate(person["channels"]):
        user = f"{number}-{index}"
        (thread,) = connection.execute(  # type: ignore[misc]
            "select (omnicrm.resolve_thread(%s, 'us', %s, %s)).id", [channel, user, f"{channel.lower()}:us:{user}"]
        ).fetchone()
        own = "(select client_id from omnicrm.threads where id = %s)"
        connection.execute(f"update omnicrm.client_identities set client_id = %s where client_id = {own}", [client, thread])
        connection.execute("update omnicrm.threads set client_id = %s where id = %s", [client, thread])
        connection.execute(
            "update public.conversations set client_id = %s "
            "where id = (select conversation_id from omnicrm.threads where id = %s)", [client, thread],
        )
        for sequence in range(person["orders"]):
            connection.execute(
                "with m as (insert into omnicrm.messages (thread_id, direction, author, status, text) "
                "values (%s, 'in', 'customer', 'handled', 'hola') returning id, thread_id) "
                "insert into omnicrm.orders (thread_id, message_id, sequence, product, quantity) "
                "select thread_id, id, %s, 'Árnica', 1 from m", [thread, sequence],
            )  # fmt: skip
    return client


# Everything that belongs to somebody, with whose it is.
LOOK = """
select 'client ' || to_jsonb(c)::text from public.clients c union all
select 'person ' || to_jsonb(p)::text from omnicrm.people p union all
select 'identity ' || to_jsonb(i)::text from omnicrm.client_identities i union all
select 'thread ' || (to_jsonb(t))::text from omnicrm.threads t union all
select 'conversation ' || to_jsonb(c)::text from public.conversations c union all
select 'message ' || to_jsonb(m)::text from omnicrm.messages m union all
select 'order ' || to_jsonb(o)::text from omnicrm.orders o union all
select 'stage ' || to_jsonb(s)::text from omnicrm.stage_changes s
"""


def _everything(connection: Connection) -> list[str]:
    return sorted(row[0] for row in connection.execute(LOOK))


def _one(connection: Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]


@given(keep=_people, gone=_people)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_joined_and_parted_is_as_it_was(database: Database, keep: dict[str, Any], gone: dict[str, Any]) -> None:
    with psycopg.connect(database.admin_dsn) as connection, connection.transaction(force_rollback=True):
        kept, left = _make(connection, keep, 1), _make(connection, gone, 2)
        before = _everything(connection)
        merge = _one(connection, "select public.omnicrm_merge(%s, %s, 'prueba', 'Mónica') -> 'merge'", str(kept), str(left))
        assert _one(connection, "select count(*) from omnicrm.threads where client_id = %s", left) == 0
        assert _one(connection, "select count(*) from omnicrm.client_identities where client_id = %s", left) == 0
        assert _one(connection, "select count(*) from public.conversations where client_id = %s", left) == 0
        assert _one(connection, "select count(*) from omnicrm.threads where client_id = %s", kept) == len(
            keep["channels"] + gone["channels"]
        )
        tags = _one(connection, "select tags from omnicrm.people where client_id = %s", kept)
        assert (set(tags), len(tags)) == ({*keep["tags"], *gone["tags"]}, len({*keep["tags"], *gone["tags"]}))
        assert _everything(connection) != before
        connection.execute("select public.omnicrm_unmerge(%s, 'Mónica')", [merge])
        assert _everything(connection) == before


@pytest.fixture
def pair(database: Database) -> tuple[str, str]:
    """Ana, who has a phone, and Anita, who has a mail address."""
    rows = database.run(
        "insert into public.clients (name, phone, email) "
        "values ('Ana', '5512345678', null), ('', null, 'ana@x.mx') returning id"
    )
    return str(rows[0][0]), str(rows[1][0])


@pytest.fixture
def client(database: Database) -> Callable[[str], dict[str, Any]]:
    """Look a client up."""

    def look(client: str) -> dict[str, Any]:
        row = database.run(
            "select to_jsonb(c) || to_jsonb(p) from public.clients c join omnicrm.people p on p.client_id = c.id "
            "where c.id::text = %s", client,
        )  # fmt: skip
        found: dict[str, Any] = row[0][0]
        return found

    return look


async def _merge(crm: Crm, keep: str, gone: str) -> int:
    answer = await crm.call("omnicrm_merge", p_keep=keep, p_gone=gone, p_reason=None, p_by="Mónica")
    return int(answer["merge"])


async def test_what_changed_since_the_merge_survives_its_undoing(
    crm: Crm, database: Database, pair: tuple[str, str], client: Callable[[str], dict[str, Any]]
) -> None:
    keep, gone = pair
    merge = await _merge(crm, keep, gone)
    await crm.call("omnicrm_tag", p_client=keep, p_add=["vip"], p_remove=[])
    database.run("update public.clients set name = 'Ana María' where id::text = %s", keep)
    await crm.call("omnicrm_set_stage", p_client=keep, p_stage="customer", p_reason="compró", p_by="Mónica")
    await crm.call("omnicrm_unmerge", p_merge=merge, p_by="Mónica")
    after, parted = client(keep), client(gone)
    assert (after["name"], after["email"], after["tags"], after["stage"]) == ("Ana María", None, ["vip"], "customer")
    assert (parted["email"], parted["tags"], parted["stage"], parted["merged_into"]) == ("ana@x.mx", [], "lead", None)


async def test_merges_of_the_same_clients_are_undone_last_first(crm: Crm, database: Database, pair: tuple[str, str]) -> None:
    third = str(database.run("insert into public.clients (name) values ('Otra') returning id")[0][0])
    first = await _merge(crm, pair[0], pair[1])
    second = await _merge(crm, third, pair[0])
    with pytest.raises(CrmRejected, match=f"undo merge {second} first") as refused:
        await crm.call("omnicrm_unmerge", p_merge=first, p_by="Mónica")
    assert refused.value.sqlstate == "OC409"
    for merge in (second, first):
        await crm.call("omnicrm_unmerge", p_merge=merge, p_by="Mónica")
    assert database.run("select count(*) from omnicrm.people where merged_into is null") == [(3,)]


@pytest.mark.parametrize(("keep", "gone", "code"), [(0, 0, "OC422"), (0, None, "OC404"), (None, 1, "OC404")])
async def test_what_cannot_be_joined_is_refused_by_name(
    crm: Crm, pair: tuple[str, str], keep: int | None, gone: int | None, code: str
) -> None:
    ids = ["9f0e6f0e-0000-4000-8000-000000000000" if n is None else pair[n] for n in (keep, gone)]
    with pytest.raises(CrmRejected) as refused:
        await _merge(crm, *ids)
    assert refused.value.sqlstate == code


async def test_a_joined_client_is_joined_once_and_an_undone_merge_is_undone_once(crm: Crm, pair: tuple[str, str]) -> None:
    merge = await _merge(crm, *pair)
    with pytest.raises(CrmRejected, match="was joined to another one before"):
        await _merge(crm, *pair)
    await crm.call("omnicrm_unmerge", p_merge=merge, p_by="Mónica")
    with pytest.raises(CrmRejected, match="was undone on"):
        await crm.call("omnicrm_unmerge", p_merge=merge, p_by="Mónica")
    with pytest.raises(CrmRejected, match="no merge 999"):
        await crm.call("omnicrm_unmerge", p_merge=999, p_by="Mónica")


@pytest.mark.parametrize("bad", ["", "'; drop table clients; --", "99999999999999999999", "Ana"])
async def test_an_id_that_could_not_be_one_is_nobody(crm: Crm, bad: str) -> None:
    with pytest.raises(CrmRejected) as refused:
        await crm.call("omnicrm_tag", p_client=bad, p_add=["x"], p_remove=[])
    assert refused.value.sqlstate == "OC404"


async def test_a_proposal_follows_its_clients_into_a_merge(crm: Crm, database: Database, pair: tuple[str, str]) -> None:
    third = str(database.run("insert into public.clients (name) values ('Otra') returning id")[0][0])
    proposal = database.run("select omnicrm.propose(%s, %s, 0.5, '{\"kind\": \"name\"}')", pair[1], third)[0][0]
    await _merge(crm, *pair)
    await crm.call("omnicrm_accept_proposal", p_proposal=proposal, p_by="Mónica")
    assert database.run("select count(*) from omnicrm.people where merged_into is null") == [(1,)]
    with pytest.raises(CrmRejected, match="was accepted already"):
        await crm.call("omnicrm_refuse_proposal", p_proposal=proposal, p_by="Mónica")


async def test_of_two_clients_the_one_who_buys_is_kept(crm: Crm, database: Database, pair: tuple[str, str]) -> None:
    await crm.call("omnicrm_set_stage", p_client=pair[1], p_stage="customer", p_reason=None, p_by="Mónica")
    proposal = database.run("select omnicrm.propose(%s, %s, 0.5, '{}')", *pair)[0][0]
    answer = await crm.call("omnicrm_accept_proposal", p_proposal=proposal, p_by="Mónica")
    assert str(answer["client"]) == pair[1]


def test_merging_works_where_the_owners_ids_are_numbers(empty_database: Database) -> None:
    from omnicrm.migrate import migrate

    empty_database.run("create table public.clients (id bigint generated always as identity primary key, name text)")
    empty_database.run("alter table public.clients owner to shop_owner")
    migrate(empty_database.url)
    empty_database.run("insert into public.clients (name, phone) values ('Ana', '5512345678'), ('Anita', null)")
    merge = empty_database.run("select public.omnicrm_merge('1', '2', null, 'Mónica') -> 'merge'")[0][0]
    assert empty_database.run("select merged_into from omnicrm.people order by client_id") == [(None,), (1,)]
    empty_database.run("select public.omnicrm_unmerge(%s, 'Mónica')", merge)
    assert empty_database.run("select merged_into from omnicrm.people order by client_id") == [(None,), (None,)]
