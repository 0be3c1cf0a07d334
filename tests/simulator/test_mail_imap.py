"""The IMAP server, driven by imap-tools and imaplib: login, folders, search, fetch, flags, IDLE, and what goes wrong."""

from __future__ import annotations

import asyncio
import base64
import datetime
import imaplib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import imap_tools
import pytest
from imap_tools import AND, BaseMailBox, MailBoxUnencrypted, MailMessageFlags

from simulator.app import Simulator
from simulator.client import SimulatorClient, SimulatorError

from .conftest import MAIL_ACCESS_TOKEN, MAIL_PASSWORD
from .mail_clients import SHOP, in_thread, with_mailbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANA = "ana@example.com"
Result = TypeVar("Result")


@contextmanager
def connected(simulator: Simulator) -> Iterator[imaplib.IMAP4]:
    """A connection before its login; imaplib blocks."""
    imap = imaplib.IMAP4("127.0.0.1", simulator.ports["imap"], timeout=10)
    try:
        yield imap
    finally:
        with suppress(OSError):  # after a logout
            imap.shutdown()


async def inside(simulator: Simulator, work: Callable[[imaplib.IMAP4], Result], folder: str | None = "INBOX") -> Result:
    """What ``work`` finds behind a login, with a folder open."""

    def run() -> Result:
        with connected(simulator) as imap:
            imap.login(SHOP, MAIL_PASSWORD)
            if folder is not None:
                imap.select(folder)
            return work(imap)

    return await in_thread(run)


@asynccontextmanager
async def staying(simulator: Simulator) -> AsyncIterator[imaplib.IMAP4]:
    """A connection that stays open while the test goes on."""

    def begin() -> imaplib.IMAP4:
        imap = imaplib.IMAP4("127.0.0.1", simulator.ports["imap"], timeout=10)
        imap.login(SHOP, MAIL_PASSWORD)
        imap.select("INBOX")
        return imap

    imap = await in_thread(begin)
    try:
        yield imap
    finally:
        imap.shutdown()


# --- login -----------------------------------------------------------------------------------------------------------------


async def test_user_and_password_are_checked(simulator: Simulator, sim: SimulatorClient):
    def run() -> None:
        with connected(simulator) as imap:
            with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
                imap.login(SHOP, "other")
            imap.state = "AUTH"  # imaplib itself would not ask
            with pytest.raises(imaplib.IMAP4.error, match="needs a login"):
                imap.select("INBOX")
            imap.state = "NONAUTH"
            imap.login(SHOP, MAIL_PASSWORD)

    await in_thread(run)
    assert (await sim.stats())["imap"]["logins"] == 1


async def test_mechanisms_come_with_and_without_an_initial_response(simulator: Simulator, sim: SimulatorClient):
    plain = f"\0{SHOP}\0{MAIL_PASSWORD}"
    token = f"user={SHOP}\x01auth=Bearer {MAIL_ACCESS_TOKEN}\x01\x01"

    def run() -> list[str]:
        with connected(simulator) as imap:
            assert imap.authenticate("PLAIN", lambda _: plain.encode())[0] == "OK"
        with MailBoxUnencrypted("127.0.0.1", simulator.ports["imap"]).xoauth2(SHOP, MAIL_ACCESS_TOKEN) as box:
            assert box.folder.get() == "INBOX"
        answers = []
        for mechanism, response in (("PLAIN", plain), ("XOAUTH2", token)):
            with connected(simulator) as imap:
                imap.send(f"a1 AUTHENTICATE {mechanism} ".encode() + base64.b64encode(response.encode()) + b"\r\n")
                answers.append(imap._get_line().decode().split()[1])
        return answers

    assert await in_thread(run) == ["OK", "OK"]


async def test_an_expired_token_is_refused_after_the_challenge_is_answered(simulator: Simulator, sim: SimulatorClient):
    def run() -> None:
        box = MailBoxUnencrypted("127.0.0.1", simulator.ports["imap"])
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            box.xoauth2(SHOP, "expired")
        box.client.shutdown()

    await in_thread(run)
    assert (await sim.stats())["imap"]["logins"] == 0


# --- folders ---------------------------------------------------------------------------------------------------------------


async def test_folders_and_their_use_are_listed(simulator: Simulator, sim: SimulatorClient):
    folders = await with_mailbox(simulator, lambda box: {info.name: info.flags for info in box.folder.list()})
    assert folders == {"INBOX": ("\\HasNoChildren",), "Sent": ("\\HasNoChildren", "\\Sent")}

    def special(imap: imaplib.IMAP4) -> list[bytes]:
        imap._simple_command("LIST", "(SPECIAL-USE)", '""', '"*"')
        return imap.untagged_responses["LIST"]

    assert await inside(simulator, special) == [b'(\\HasNoChildren \\Sent) "/" "Sent"']


async def test_the_state_of_a_folder(simulator: Simulator, sim: SimulatorClient):
    before = await with_mailbox(simulator, lambda box: box.folder.status("INBOX"))
    await sim.say("email", ANA, "hola")
    after = await with_mailbox(simulator, lambda box: box.folder.status("INBOX"))
    assert (after["MESSAGES"], after["UNSEEN"]) == (1, 1)
    assert (after["UIDNEXT"] - before["UIDNEXT"], after["UIDVALIDITY"]) == (1, before["UIDVALIDITY"])


async def test_folders_are_made_used_and_deleted(simulator: Simulator, sim: SimulatorClient):
    await sim.say("email", ANA, "uno")
    await sim.say("email", ANA, "dos", new=True)

    def run(box: BaseMailBox) -> list[int]:
        box.folder.create("Bot/Done")
        with pytest.raises(imap_tools.errors.MailboxFolderCreateError):
            box.folder.create("Bot/Done")
        first, second = box.uids()
        box.move(first, "Bot/Done")
        box.copy(second, "Bot/Done")
        counts = [box.folder.status(name)["MESSAGES"] for name in ("INBOX", "Bot/Done")]
        box.folder.delete("Bot/Done")
        return counts

    assert await with_mailbox(simulator, run) == [1, 2]
    with pytest.raises(SimulatorError, match="there is no folder"):
        await sim.mailbox("Bot/Done")


async def test_an_unknown_folder_is_refused(simulator: Simulator, sim: SimulatorClient):
    status, words = await inside(simulator, lambda imap: imap.select("Nada"), None)
    assert (status, b"Unknown Mailbox" in words[0]) == ("NO", True)


async def test_a_folder_can_be_opened_to_read_alone(simulator: Simulator, sim: SimulatorClient):
    await sim.say("email", ANA, "hola")

    def run(imap: imaplib.IMAP4) -> None:
        imap.select("INBOX", readonly=True)
        assert imap.uid("STORE", "1:*", "+FLAGS", "\\Seen")[0] == "NO"
        imap.uid("FETCH", "1:*", "(BODY[])")
        assert imap.close()[0] == "OK"

    await inside(simulator, run, None)
    assert (await sim.mailbox())["messages"][0]["flags"] == []


async def test_other_commands(simulator: Simulator, sim: SimulatorClient):
    def run(imap: imaplib.IMAP4) -> None:
        assert imap.namespace()[1] == [b'(("" "/")) NIL NIL']
        assert b"IDLE" in imap.capability()[1][0]
        assert imap.noop()[0] == imap.check()[0] == imap.unselect()[0] == "OK"
        with pytest.raises(imaplib.IMAP4.error, match="unknown"):
            imap.xatom("XYZZY")
        with pytest.raises(imaplib.IMAP4.error, match="no mailbox is selected"):
            imap.state = "SELECTED"
            imap.uid("SEARCH", "ALL")
        assert imap.logout()[0] == "BYE"

    await inside(simulator, run)


# --- search and fetch ------------------------------------------------------------------------------------------------------


async def test_a_search_for_newer_uids_always_finds_the_last(simulator: Simulator, sim: SimulatorClient):
    for number in range(3):
        await sim.say("email", ANA, str(number), new=True)

    def run(box: BaseMailBox) -> tuple[list[str], ...]:
        uids = box.uids()
        return uids, box.uids(f"UID {uids[1]}:*"), box.uids(f"UID {int(uids[-1]) + 10}:*"), box.uids(f"UID {uids[0]}")

    uids, newer, beyond, one = await with_mailbox(simulator, run)
    assert (newer, beyond, one) == (uids[1:], uids[-1:], uids[:1])


async def test_criteria(simulator: Simulator, sim: SimulatorClient):
    await sim.say("email", ANA, "¿precio del árnica?", subject="Cotización árnica", name="Ana Pérez")
    await sim.say("email", "luis@example.com", "hola", subject="Saludo", headers={"X-Kind": "greeting"})
    today = datetime.datetime.now(datetime.timezone.utc).date()

    def run(box: BaseMailBox) -> dict[str, list[int]]:
        uids = box.uids()
        box.flag(uids[1], ["\\Seen", "$BotDone"], True)
        wanted: dict[str, Any] = {
            "all": AND(all=True),
            "seen": AND(seen=True),
            "unseen": AND(seen=False),
            "keyword": AND(keyword="$BotDone"),
            "no keyword": AND(no_keyword="$BotDone"),
            "from": AND(from_="luis@"),
            "to": AND(to="tienda"),
            "subject": AND(subject="Saludo"),
            "header": AND(header=imap_tools.H("X-Kind", "greet")),
            "body": AND(body="hola"),
            "since": AND(date_gte=today - datetime.timedelta(days=1)),
            "before": AND(date_lt=today - datetime.timedelta(days=1)),
            "on": AND(date=today),
            "or": imap_tools.OR(from_="luis@", subject="nada"),
            "not": imap_tools.NOT(from_="luis@"),
            "smaller": AND(size_lt=10),
        }
        found = {name: box.uids(query) for name, query in wanted.items()}
        found["text in utf-8"] = box.uids(AND(text="árnica"), charset="UTF-8")
        return {name: [uids.index(uid) for uid in matches] for name, matches in found.items()}

    assert await with_mailbox(simulator, run) == {
        "all": [0, 1],
        "seen": [1],
        "unseen": [0],
        "keyword": [1],
        "no keyword": [0],
        "from": [1],
        "to": [0, 1],
        "subject": [1],
        "header": [1],
        "body": [1],
        "since": [0, 1],
        "before": [],
        "on": [0, 1],
        "or": [1],
        "not": [0],
        "smaller": [],
        "text in utf-8": [0],
    }


@pytest.mark.parametrize(
    "query", ["", "FUZZY x", "SINCE yesterday", "SINCE 31-Feb-2026", "UID x", "LARGER x", "OR ALL", "(ALL"]
)
async def test_a_search_that_makes_no_sense_is_bad(simulator: Simulator, sim: SimulatorClient, query: str):
    def run(imap: imaplib.IMAP4) -> None:
        with pytest.raises(imaplib.IMAP4.error, match="BAD"):
            imap.uid("SEARCH", query)

    await inside(simulator, run)


async def test_a_mail_is_fetched_as_it_is_and_stays_unread(simulator: Simulator, sim: SimulatorClient):
    raw = b"From: Ana <ana@example.com>\r\nSubject: =?utf-8?q?=C3=A1rnica?=\r\n\r\nhola\r\n"
    await sim.deliver_mail(raw)

    def run(box: BaseMailBox) -> imap_tools.MailMessage:
        return next(iter(box.fetch(mark_seen=False)))

    mail = await with_mailbox(simulator, run)
    assert (mail.subject, mail.from_, mail.text, mail.flags) == ("árnica", ANA, "hola\r\n", ())
    assert mail.obj.as_bytes().replace(b"\n", b"\r\n").replace(b"\r\r\n", b"\r\n") == raw
    assert (await sim.mailbox())["messages"][0]["flags"] == []
    await with_mailbox(simulator, lambda box: list(box.fetch(mark_seen=True)))
    assert (await sim.mailbox())["messages"][0]["flags"] == ["\\Seen"]


async def test_parts_of_a_mail_can_be_fetched(simulator: Simulator, sim: SimulatorClient):
    head = b"From: Ana <ana@example.com>\r\nSubject: a\r\n b\r\nX-Other: 1\r\n\r\n"
    await sim.deliver_mail(head + b"0123456789\r\n")

    def run(imap: imaplib.IMAP4) -> dict[str, Any]:
        wanted = ("BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[]<70.4>", "RFC822.HEADER",
                  "BODY.PEEK[HEADER.FIELDS (SUBJECT)]", "BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT X-OTHER)]")  # fmt: skip
        parts = {item: imap.uid("FETCH", "1:*", f"({item})")[1][0] for item in wanted}
        facts = imap.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE)")[1][0]
        fast = imap.fetch("1", "FAST")[1][0]
        for bad in ("ENVELOPE", "BODY[1.2]", "()"):
            with pytest.raises(imaplib.IMAP4.error, match="BAD"):
                imap.uid("FETCH", "1:*", bad)
        return {**{item: found[1] for item, found in parts.items()}, "facts": facts, "fast": fast}

    found = await inside(simulator, run)
    assert found["BODY.PEEK[]"] == head + b"0123456789\r\n"
    assert found["BODY.PEEK[HEADER]"] == found["RFC822.HEADER"] == head
    assert found["BODY.PEEK[TEXT]"] == b"0123456789\r\n"
    assert found["BODY.PEEK[]<70.4>"] == (head + b"0123456789\r\n")[70:74]
    assert found["BODY.PEEK[HEADER.FIELDS (SUBJECT)]"] == b"Subject: a\r\n b\r\n\r\n"
    assert found["BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT X-OTHER)]"] == b"From: Ana <ana@example.com>\r\n\r\n"
    assert f"RFC822.SIZE {len(head) + 12}".encode() in found["facts"]
    assert imaplib.Internaldate2tuple(found["facts"]) is not None
    assert b"FLAGS ()" in found["fast"]


async def test_many_mails_are_fetched_at_once(simulator: Simulator, sim: SimulatorClient):
    await sim.batch([{"channel": "email", "user": ANA, "text": str(n), "new": True} for n in range(30)])
    mails = await with_mailbox(simulator, lambda box: [mail.text.strip() for mail in box.fetch(bulk=True, mark_seen=False)])
    assert mails == [str(n) for n in range(30)]


# --- flags, APPEND, EXPUNGE ------------------------------------------------------------------------------------------------


async def test_flags_and_keywords_are_kept(simulator: Simulator, sim: SimulatorClient):
    await sim.say("email", ANA, "hola")

    def run(box: BaseMailBox) -> list[tuple[str, ...]]:
        seen = []
        for flags, value in ((["\\SEEN", "$BotDone"], True), (["\\Seen"], False)):
            box.flag(box.uids(), flags, value)
            seen.append(next(iter(box.fetch(mark_seen=False, headers_only=True))).flags)
        box.client.uid("STORE", "1:*", "FLAGS.SILENT", "(\\Answered)")
        return [*seen, next(iter(box.fetch(mark_seen=False))).flags]

    assert [set(flags) for flags in await with_mailbox(simulator, run)] == [
        {"\\Seen", "$BotDone"},
        {"$BotDone"},
        {"\\Answered"},
    ]


async def test_a_mail_can_be_put_into_a_folder(simulator: Simulator, sim: SimulatorClient):
    raw = "Subject: Copia\r\n\r\n¡Sí!\r\n".encode()
    await with_mailbox(simulator, lambda box: box.append(raw, "Sent", flag_set=[MailMessageFlags.SEEN]))
    copy = (await sim.mailbox("Sent"))["messages"][0]
    assert (copy["subject"], copy["flags"], copy["size"]) == ("Copia", ["\\Seen"], len(raw))


async def test_deleted_mails_go_with_expunge_or_close(simulator: Simulator, sim: SimulatorClient):
    for number in range(4):
        await sim.say("email", ANA, str(number), new=True)

    def run(box: BaseMailBox) -> list[list[str]]:
        uids = box.uids()
        box.delete(uids[1])
        after_expunge = box.uids()
        box.client.uid("STORE", f"{uids[0]},{uids[2]}", "+FLAGS", "\\Deleted")
        box.client.uid("EXPUNGE", uids[2])  # the others that are marked stay
        after_uid_expunge = box.uids()
        box.client.close()
        box.folder.set("INBOX")
        return [[str(uids.index(uid)) for uid in found] for found in (after_expunge, after_uid_expunge, box.uids())]

    assert await with_mailbox(simulator, run) == [["0", "2", "3"], ["0", "3"], ["3"]]


async def test_what_others_do_is_told_with_the_next_command(simulator: Simulator, sim: SimulatorClient):
    await sim.say("email", ANA, "uno")
    await sim.say("email", ANA, "dos", new=True)
    first, second = ((message["uid"]) for message in (await sim.mailbox())["messages"])
    async with staying(simulator) as imap:
        imap.untagged_responses.clear()
        await sim.flag(first, move="Sent")
        await sim.flag(second, add=["\\Seen"])
        await sim.say("email", ANA, "tres", new=True)
        await in_thread(imap.noop)
        assert imap.untagged_responses["EXPUNGE"] == [b"1"]
        assert imap.untagged_responses["EXISTS"] == [b"2"]
        assert imap.untagged_responses["FETCH"] == [f"1 (UID {second} FLAGS (\\Seen))".encode()]


# --- IDLE ------------------------------------------------------------------------------------------------------------------


async def idling(simulator: Simulator, seconds: float, ready: asyncio.Event) -> list[bytes]:
    """What a mailbox that waits in IDLE is told."""
    loop = asyncio.get_running_loop()

    def run(box: BaseMailBox) -> list[bytes]:
        with box.idle as idle:
            loop.call_soon_threadsafe(ready.set)
            return idle.poll(timeout=seconds)

    return await with_mailbox(simulator, run)


async def test_new_mail_ends_the_waiting(simulator: Simulator, sim: SimulatorClient):
    ready = asyncio.Event()
    waiting = asyncio.create_task(idling(simulator, 10, ready))
    await ready.wait()
    await sim.say("email", ANA, "hola")
    assert await asyncio.wait_for(waiting, 5) == [b"* 1 EXISTS"]


async def test_a_server_that_tells_nothing_is_only_found_out_by_looking(simulator: Simulator, sim: SimulatorClient):
    await sim.settings(imap_push=False)
    ready = asyncio.Event()
    waiting = asyncio.create_task(idling(simulator, 0.3, ready))
    await ready.wait()
    await sim.say("email", ANA, "hola")
    assert await asyncio.wait_for(waiting, 5) == []
    assert len(await with_mailbox(simulator, lambda box: box.uids())) == 1


async def test_a_reset_empties_the_mailbox_of_those_who_stay_connected(simulator: Simulator, sim: SimulatorClient):
    await sim.say("email", ANA, "hola")
    before = await sim.mailbox()
    async with staying(simulator) as imap:
        await sim.reset()
        await in_thread(imap.noop)
        assert imap.untagged_responses["EXPUNGE"] == [b"1"]
    after = await sim.mailbox()
    assert (after["messages"], after["uidvalidity"], after["uidnext"]) == ([], before["uidvalidity"], before["uidnext"])


# --- what goes wrong -------------------------------------------------------------------------------------------------------


def assert_cut(imap: imaplib.IMAP4) -> None:
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        imap.noop()


async def test_connections_are_counted_and_can_be_cut(simulator: Simulator, sim: SimulatorClient):
    async with staying(simulator) as first, staying(simulator):
        stats = (await sim.stats())["imap"]
        assert (stats["open"], stats["connections"], stats["peak"], stats["logins"]) == (2, 2, 2, 2)
        assert await sim.cut("imap") == 2
        await in_thread(lambda: assert_cut(first))
    assert (await sim.stats())["imap"]["open"] == 0


async def test_another_uidvalidity_gives_new_uids_and_ends_connections(simulator: Simulator, sim: SimulatorClient):
    await sim.say("email", ANA, "uno")
    await sim.deliver_mail(b"Subject: dos\r\n\r\n")
    await sim.flag((await sim.mailbox())["messages"][0]["uid"], move="Sent")
    before = await sim.mailbox()
    async with staying(simulator) as imap:
        await sim.renew_uids()
        await in_thread(lambda: assert_cut(imap))
    after = await sim.mailbox()
    assert after["uidvalidity"] == before["uidvalidity"] + 1
    assert [message["uid"] for message in after["messages"]] == [1]
    assert after["uidnext"] == 2


async def test_an_appended_mail_keeps_the_date_that_it_is_given(simulator: Simulator) -> None:
    came = datetime.datetime(2026, 3, 1, 6, 30, 15, tzinfo=datetime.timezone(datetime.timedelta(hours=-6)))

    def told(box: BaseMailBox) -> str:
        box.append(b"Subject: x\r\n\r\n", "INBOX", came)
        return str(box.client.uid("FETCH", "1:*", "(INTERNALDATE)")[1][0])

    assert " 1-Mar-2026 12:30:15 +0000" in await with_mailbox(simulator, told)


@pytest.mark.parametrize("where", ["imap_login", "imap_select", "imap_search", "imap_fetch", "imap_store", "imap_append"])
async def test_every_command_can_be_refused_once(simulator: Simulator, sim: SimulatorClient, where: str):
    await sim.say("email", ANA, "hola")
    await sim.fault("error", channel="email", where=where, code=0, message="[UNAVAILABLE] otra vez")

    def run() -> list[str]:
        with connected(simulator) as imap:
            refused = []
            for step in (
                lambda: imap.login(SHOP, MAIL_PASSWORD),
                lambda: imap.select("INBOX"),
                lambda: imap.uid("SEARCH", "ALL"),
                lambda: imap.uid("FETCH", "1:*", "(FLAGS)"),
                lambda: imap.uid("STORE", "1:*", "+FLAGS", "\\Seen"),
                lambda: imap.append("Sent", None, None, b"Subject: x\r\n\r\n"),
            ):
                try:
                    status, words = step()
                except imaplib.IMAP4.error as error:
                    status, words = "NO", [str(error).encode()]
                if status == "NO":
                    refused.append(words[0].decode().strip("b'"))
                    step()
        return refused

    assert await in_thread(run) == ["[UNAVAILABLE] otra vez"]


@pytest.mark.parametrize("where", ["imap_connect", "imap_login", "imap_search", "imap_other"])
async def test_every_command_can_cut_the_line(simulator: Simulator, sim: SimulatorClient, where: str):
    await sim.fault("reset_before_accept", channel="email", where=where)

    def run(imap: imaplib.IMAP4) -> None:
        imap.uid("SEARCH", "ALL")
        imap.noop()

    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        await inside(simulator, run)
    await inside(simulator, run)


async def test_a_server_can_be_too_busy_to_greet_or_to_answer(simulator: Simulator, sim: SimulatorClient):
    await sim.fault("error", channel="email", where="imap_connect", code=0, message="Too many simultaneous connections")

    def refused() -> None:
        with pytest.raises(imaplib.IMAP4.error, match="Too many simultaneous"):
            imaplib.IMAP4("127.0.0.1", simulator.ports["imap"])

    await in_thread(refused)
    await sim.fault("timeout", channel="email", where="imap_search")

    def hangs(imap: imaplib.IMAP4) -> None:
        imap.sock.settimeout(0.2)
        with pytest.raises((imaplib.IMAP4.abort, socket.timeout)):
            imap.uid("SEARCH", "ALL")

    await inside(simulator, hangs)


GARBAGE = [
    b"\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"a1 LOGIN (\r\n",
    b'a1 LOGIN "x\r\n',
    b"a1 LOGIN )\r\n",
    b"a1 UID\r\n",
    b"a1 LOGIN {99999999999}\r\n",
    b"a1 LOGIN {5}\r\nx",
    b"\xff\xfe \xff\r\n",
    b"x" * 200_000,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_ends_no_server(simulator: Simulator, sim: SimulatorClient, garbage: bytes):
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.ports["imap"])
    await reader.readline()
    writer.write(garbage)
    writer.write_eof()
    answer = b""
    with suppress(ConnectionError):
        answer = await reader.read()
    writer.close()
    assert answer in (b"", b"+ Ready for literal data\r\n") or b"BAD" in answer
    assert await with_mailbox(simulator, lambda box: box.folder.get()) == "INBOX"
