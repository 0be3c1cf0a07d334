"""``/sim/mail…``: raw mail, what went through, the folders, and what happens to connections and UIDs."""

from __future__ import annotations

from urllib.parse import unquote

from sanic import Request
from sanic.response import HTTPResponse, raw

from simulator.config import MAIL_ROUTES
from simulator.control import Route, answer, read_object, traffic_of, world_of
from simulator.errors import ControlError
from simulator.mail.arrival import VERDICTS, Arrival
from simulator.mail.folders import Folder
from simulator.mail.outgoing import reader
from simulator.mail.reading import Letter, read
from simulator.phone import Phone
from simulator.scene import Happening
from simulator.state import World
from simulator.traffic import Plan


async def deliver_mail(request: Request) -> HTTPResponse:
    """Put the raw body into the mailbox as it is.

    Query: ``folder``; ``from`` and ``to`` of the envelope; ``received=1`` lets our receiver write its headers above it, with
    the verdict ``auth``; ``via`` a provider's webhook; ``copies``.
    """
    world, query = world_of(request), request.args
    if not request.body:
        raise ControlError("the body must be the mail")
    auth, via = query.get("auth", "pass"), query.get("via")
    if auth not in VERDICTS or via not in (None, *MAIL_ROUTES):
        raise ControlError(f"auth must be one of {', '.join(VERDICTS)}, via one of {', '.join(MAIL_ROUTES)}")
    letter = read(request.body, world.clock.now())
    sender = query.get("from", letter.from_address)
    recipient = query.get("to", next(iter(letter.to), world.config.mail_address))
    phone = _writer(world, letter)
    world.mail.note("in", sender, (recipient,), request.body, letter)
    item = Arrival(
        raw=request.body,
        sender=sender,
        recipient=recipient,
        author=letter.from_address,
        verdict=auth,
        folder=query.get("folder", "INBOX"),
        untouched=query.get("received") != "1",
        route=via,
    )
    plan = Plan.of({"copies": int(query.get("copies", "1")) if query.get("copies", "1").isdigit() else 0})
    happening = Happening(phone=phone, item=item, mid=letter.message_id or None)
    deliveries = await traffic_of(request).send([happening], plan)
    return answer({"status": deliveries[0].statuses[0], "mid": letter.message_id or None})


def _writer(world: World, letter: Letter) -> Phone:
    """Whose phone shows it: the author's, where there is one that can be answered."""
    phone = reader(world, letter.from_address)
    if not phone.gone and not world.mail.is_ours(letter.from_address) and phone.find(letter.message_id) is None:
        world.write(phone, "customer", letter.content, mid=letter.message_id or None)
    return phone


async def mails(request: Request) -> HTTPResponse:
    """Every mail that went through, oldest first."""
    return answer(world_of(request).mail.as_json())


async def raw_mail(request: Request, number: int) -> HTTPResponse:
    """One of them, as bytes."""
    passed = world_of(request).mail.passed
    if not 0 <= number < len(passed):
        raise ControlError(f"there are {len(passed)} mails, counted from 0")
    return raw(passed[number].raw, content_type="message/rfc822")


async def folder(request: Request, name: str) -> HTTPResponse:
    """What lies in a folder."""
    found = _folder(world_of(request), unquote(name))
    return answer(
        {
            "folder": found.name,
            "uidvalidity": found.uidvalidity,
            "uidnext": found.uidnext,
            "messages": [
                {
                    "uid": message.uid,
                    "flags": sorted(message.flags),
                    "size": len(message.raw),
                    **{key: value for key, value in read(message.raw, 0.0).as_json().items() if key in _SHOWN},
                }
                for message in found.messages.values()
            ],
        }
    )


_SHOWN = ("message_id", "in_reply_to", "subject", "from", "to", "headers")


def _folder(world: World, name: str) -> Folder:
    found = world.mail.mailbox.find(name)
    if found is None:
        raise ControlError(f"there is no folder {name!r}; there are {', '.join(world.mail.mailbox.folders)}")
    return found


async def cut(request: Request) -> HTTPResponse:
    """Reset every connection of ``server`` imap or smtp."""
    server = read_object(request).get("server", "imap")
    if server not in ("imap", "smtp"):
        raise ControlError("server must be imap or smtp")
    return answer({"cut": request.app.ctx.mail_servers[server].connections.cut()})


async def renew(request: Request) -> HTTPResponse:
    """Give a ``folder`` another UIDVALIDITY, and every mail in it a new UID; IMAP's connections are cut."""
    found = _folder(world_of(request), str(read_object(request).get("folder", "INBOX")))
    found.renew()
    request.app.ctx.mail_servers["imap"].connections.cut()
    return answer({"uidvalidity": found.uidvalidity})


async def flag(request: Request) -> HTTPResponse:
    """A person at another mail program changes a mail: ``uid``, ``folder``, and ``add`` or ``remove`` flags, or ``move`` it."""
    body, world = read_object(request), world_of(request)
    found = _folder(world, str(body.get("folder", "INBOX")))
    message = found.messages.get(body.get("uid", 0))
    if message is None:
        raise ControlError(f"uid must be one of {list(found.messages)}")
    message.flags |= {str(one) for one in body.get("add", [])}
    message.flags -= {str(one) for one in body.get("remove", [])}
    found.changed()
    if "move" in body:
        target = _folder(world, str(body["move"]))
        found.remove([message.uid])
        target.add(message.raw, message.received, message.flags)
    return answer({"ok": True})


ROUTES: tuple[Route, ...] = (
    ("POST", "/sim/deliver-mail", deliver_mail),
    ("GET", "/sim/mails", mails),
    ("GET", "/sim/mails/<number:int>", raw_mail),
    ("GET", "/sim/mailbox/<name:path>", folder),
    ("POST", "/sim/mail/cut", cut),
    ("POST", "/sim/mail/uidvalidity", renew),
    ("POST", "/sim/mail/flag", flag),
)
