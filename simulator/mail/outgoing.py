"""Mail that leaves the shop: onto the customers' screens, into the Sent folder, and back as a bounce."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import format_datetime

from simulator.config import Json
from simulator.errors import ControlError
from simulator.mail.arrival import Arrival
from simulator.mail.quoting import write
from simulator.mail.reading import Letter, read
from simulator.mail.writing import Draft, answer_subject, compose
from simulator.phone import Author, Phone
from simulator.scene import Happening
from simulator.state import World, checked_user

SEEN = ("\\Seen",)


def submit(world: World, sender: str, recipients: tuple[str, ...], raw: bytes) -> list[Happening]:
    """Take a mail from the submission server. Returns what comes back of it: mail to ourselves, bounces, the copy in Sent."""
    letter = read(raw, world.clock.now())
    if not letter.message_id:  # submission servers add what is missing (RFC 6409 section 8)
        raw = f"Message-ID: {world.new_mid('email')}\r\n".encode() + raw
        letter = read(raw, world.clock.now())
    world.counts["smtp", "mails"] += 1
    world.mail.note("out", sender, recipients, raw, letter)
    happenings = []
    for address in recipients:
        if world.mail.is_ours(address):
            happenings.append(_to_ourselves(world, sender, address, raw, letter))
            continue
        phone = reader(world, address)
        if phone.gone:
            happenings.append(_bounce(world, phone, sender, raw, letter))
        elif not phone.blocked:  # who has blocked the shop has it in the junk folder
            show(world, phone, letter, "bot")
        world.accepted["email", phone.user] += 1
    if world.knobs.sent_copies and recipients:
        # A copy is about no customer: whoever is first stands for it.
        phone = reader(world, recipients[0]) if not world.mail.is_ours(recipients[0]) else _ourselves(world)
        happenings.append(sent_copy(phone, sender, raw, letter.message_id))
    return happenings


def reader(world: World, address: str) -> Phone:
    """Whoever has this address: somebody always has."""
    try:
        return world.meet("email", checked_user("email", address))
    except ControlError:  # an address that cannot be: nobody reads it
        return Phone(channel="email", user=address.lower(), gone=True)


def show(world: World, phone: Phone, letter: Letter, author: Author) -> None:
    """Put a mail on the customer's screen. A second one with the same Message-ID is not shown, as in Gmail."""
    if phone.find(letter.message_id) is not None:
        world.counts["smtp", "duplicates"] += 1
        return
    world.write(phone, author, letter.content, mid=letter.message_id)


def sent_copy(phone: Phone, sender: str, raw: bytes, mid: str) -> Happening:
    """What the server puts into the Sent folder."""
    item = Arrival(raw=raw, sender=sender, recipient=phone.user, folder="Sent", flags=SEEN, untouched=True)
    return Happening(phone=phone, item=item, mid=None)


def _ourselves(world: World) -> Phone:
    return Phone(channel="email", user=world.config.mail_address.lower())


def _to_ourselves(world: World, sender: str, address: str, raw: bytes, letter: Letter) -> Happening:
    item = Arrival(raw=raw, sender=sender, recipient=address, author=letter.from_address)
    return Happening(phone=_ourselves(world), item=item, mid=None)


def staff_writes(world: World, phone: Phone, body: dict[str, Json]) -> Happening:
    """A person answers from the same mailbox: the customer gets it, and a copy lies in Sent whatever the setting says."""
    text, subject = body.get("text"), body.get("subject")
    if not isinstance(text, str) or not text:
        raise ControlError("an agent writes text")
    if subject is not None and not isinstance(subject, str):
        raise ControlError("subject must be text")
    config, last = world.config, phone.last("customer")
    answered = world.mail.letters.get(last.mid) if last is not None else None
    mid = world.new_mid("email")
    raw = compose(
        Draft(
            message_id=mid,
            sender=(str(body.get("name", config.mail_name)), config.mail_address),
            to=phone.user,
            subject=subject or (answer_subject(answered.subject) if answered is not None else config.mail_name),
            body=write(str(body.get("style", "gmail")), text, answered),
            time=world.clock.now(),
            answered=answered,
        )
    )
    letter = read(raw, world.clock.now())
    world.mail.note("out", config.mail_address, (phone.user,), raw, letter)
    if not phone.gone and not phone.blocked:
        show(world, phone, letter, "agent")
    copy = sent_copy(phone, config.mail_address, raw, mid)
    return Happening(phone=phone, item=copy.item, mid=mid)


def _bounce(world: World, phone: Phone, sender: str, raw: bytes, letter: Letter) -> Happening:
    now = world.clock.now()
    report = bounce(world.config.mail_receiver, sender, phone.user, raw, letter.message_id, world.new_mid("email"), now)
    item = Arrival(raw=report, sender="", recipient=sender, author=f"mailer-daemon@{world.config.mail_domain}")
    return Happening(phone=phone, item=item, mid=None)


def bounce(host: str, sender: str, recipient: str, raw: bytes, about: str, mid: str, now: float) -> bytes:
    """A delivery status notification (RFC 3464): words, the machine's part, and the headers of what came back."""
    head = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("utf-8", "replace")
    boundary = f"{mid.strip('<>').partition('@')[0]}/{host}"
    date = format_datetime(datetime.fromtimestamp(now, timezone.utc))
    lines = [
        f"From: Mail Delivery Subsystem <mailer-daemon@{host}>",
        f"To: {sender}",
        "Subject: Delivery Status Notification (Failure)",
        f"Date: {date}",
        f"Message-ID: {mid}",
        f"In-Reply-To: {about}",
        f"References: {about}",
        "Auto-Submitted: auto-replied",
        f"X-Failed-Recipients: {recipient}",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        "** No se encontró la dirección **",
        "",
        f"Tu mensaje no se entregó a {recipient} porque no se encontró la dirección o esta no puede recibir correo.",
        "",
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; {host}",
        f"Arrival-Date: {date}",
        "",
        f"Final-Recipient: rfc822; {recipient}",
        "Action: failed",
        "Status: 5.1.1",
        f"Remote-MTA: dns; mx.{recipient.rpartition('@')[2]}",
        "Diagnostic-Code: smtp; 550 5.1.1 The email account that you tried to reach does not exist.",
        "",
        f"--{boundary}",
        "Content-Type: text/rfc822-headers",
        "",
        head,
        "",
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join("\n".join(lines).split("\n")).encode()
