"""Mail on its way to the bot: what our receiver writes above it, and whether it lies in a folder or comes by webhook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime

from simulator.config import Config
from simulator.mail import providers
from simulator.scene import Happening
from simulator.state import World
from simulator.webhooks import Delivery, Door, Webhooks

# What a receiver finds out about a mail (RFC 8601); ``missing`` writes nothing at all.
VERDICTS = ("pass", "fail", "none", "missing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A mail for the shop, with its envelope. What goes into a folder ``untouched`` gets no headers of our receiver."""

    raw: bytes
    sender: str  # of the envelope; empty for bounces
    recipient: str
    author: str = ""  # whose domain the verdict is about
    verdict: str = "pass"
    untouched: bool = False
    folder: str = "INBOX"
    flags: tuple[str, ...] = ()
    route: str | None = None  # None: what the setting says


def traced(config: Config, mail: Arrival, now: float) -> bytes:
    """The mail with what the shop's receiver writes above it: envelope, Received, the verdict upon its author's domain."""
    receiver = config.mail_receiver
    date = format_datetime(datetime.fromtimestamp(now, timezone.utc))
    domain = mail.author.rpartition("@")[2] or "unknown.example"
    lines = [
        f"Return-Path: <{mail.sender}>",
        f"Delivered-To: {config.mail_address}",
        f"X-Original-To: {mail.recipient}",
        f"Received: from mail.{domain} (mail.{domain} [198.51.100.7]) by {receiver} with ESMTPS id sim; {date}",
    ]
    if mail.verdict != "missing":
        lines.append(_results(receiver, domain, mail.sender, mail.verdict))
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "replace") + mail.raw


def _results(receiver: str, domain: str, sender: str, verdict: str) -> str:
    if verdict == "pass":
        found = (
            f"dkim=pass header.d={domain} header.s=s1; spf=pass smtp.mailfrom={sender or domain}; "
            f"dmarc=pass (p=none) header.from={domain}"
        )
    elif verdict == "fail":
        found = (
            f"dkim=none; spf=fail (sender IP is 203.0.113.66) smtp.mailfrom={sender or domain}; "
            f"dmarc=fail (p=quarantine) header.from={domain}"
        )
    else:
        found = f"dkim=none; spf=none smtp.mailfrom={sender or domain}; dmarc=none header.from={domain}"
    return f"Authentication-Results: {receiver}; {found}"


def forged_results(config: Config, author: str) -> str:
    """An Authentication-Results that a sender has written in our receiver's name, below its Received."""
    domain = author.rpartition("@")[2]
    return (
        f"{config.mail_receiver}; dkim=pass header.d={domain}; spf=pass smtp.mailfrom={author}; dmarc=pass header.from={domain}"
    )


def pack(world: World, webhooks: Webhooks, happenings: Sequence[Happening]) -> list[Delivery]:
    """One delivery per mail: into its folder, or as a form to the bot."""
    return [_delivery(world, webhooks, happening) for happening in happenings]


def _delivery(world: World, webhooks: Webhooks, happening: Happening) -> Delivery:
    mail: Arrival = happening.item
    mids = [happening.mid] if happening.mid else []
    route = mail.route or world.knobs.mail_route
    if route == "imap" or mail.folder != "INBOX":
        raw = mail.raw if mail.untouched else traced(world.config, mail, world.clock.now())
        return webhooks.prepare_raw(raw, {}, mids, Door(drop=lambda raw: _drop(world, mail, raw)))
    form = providers.form(route, world.config, mail.raw, mail.sender, mail.recipient, mail.verdict, world.clock.now())
    return webhooks.prepare_raw(form.body, form.headers, mids, providers.door(world.config, route))


def _drop(world: World, mail: Arrival, raw: bytes) -> None:
    world.mail.mailbox.drop(mail.folder, raw, mail.flags)
