"""Between happenings and deliveries: how many copies, in what order; Meta's slots and echoes."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from simulator import events
from simulator.config import CHANNELS, META_CHANNELS, Channel, Json
from simulator.errors import ControlError
from simulator.mail import arrival
from simulator.phone import Author, Bubble, Content, Phone
from simulator.scene import Happening
from simulator.state import Comment, World
from simulator.webhooks import Delivery, Webhooks
from simulator.whapi import packing
from simulator.wire import entry, envelope

SHAPES = ("messaging", "standby", "changes")
LAYOUTS = ("entries", "items", "posts")
ORDERS = ("given", "reversed", "shuffled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How happenings travel: ``copies`` go out at the same time, ``hold`` keeps them for a later redelivery."""

    shape: str = "messaging"
    layout: str = "posts"
    order: str = "given"
    seed: int = 0
    copies: int = 1
    hold: bool = False
    retry: bool = True

    @staticmethod
    def of(request: dict[str, Json], **defaults: Json) -> Plan:
        """Read the plan out of a control request. Raises ``ControlError``."""
        given = {**defaults, **{name: request[name] for name in Plan.__slots__ if name in request}}
        for name, allowed in (("shape", SHAPES), ("layout", LAYOUTS), ("order", ORDERS)):
            if name in given and given[name] not in allowed:
                raise ControlError(f"{name} must be one of {', '.join(allowed)}")
        if not isinstance(given.get("seed", 0), int):
            raise ControlError("seed must be a whole number")
        copies = given.get("copies", 1)
        if isinstance(copies, bool) or not isinstance(copies, int) or not 1 <= copies <= 100:
            raise ControlError("copies must be a whole number from 1 to 100")
        for name in ("hold", "retry"):
            if not isinstance(given.get(name, False), bool):
                raise ControlError(f"{name} must be true or false")
        return Plan(**given)


PLAN_KEYS = frozenset(Plan.__slots__)


class Traffic:
    """Turns happenings into deliveries."""

    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self.world = world
        self.webhooks = webhooks

    async def send(self, happenings: Sequence[Happening], plan: Plan) -> list[Delivery]:
        """Deliver what happened; returns the deliveries, each with the status of its first attempt."""
        deliveries = self._pack(self._ordered(self._subscribed(happenings), plan), plan)
        if plan.hold:
            return deliveries
        if plan.order == "given" and plan.copies == 1:
            for delivery in deliveries:
                await self.webhooks.deliver(delivery, retry=plan.retry)
            return deliveries
        await asyncio.gather(*(self.webhooks.deliver(d, retry=plan.retry) for _ in range(plan.copies) for d in deliveries))
        return deliveries

    def _subscribed(self, happenings: Iterable[Happening]) -> list[Happening]:
        wanted = []
        for happening in happenings:
            if self._is_subscribed(happening):
                wanted.append(happening)
            else:
                self.world.counts["webhook", "unsubscribed"] += 1
        self.world.counts["webhook", "events"] += len(wanted)
        return wanted

    def _is_subscribed(self, happening: Happening) -> bool:
        channel, fields = happening.phone.channel, self.world.subscribed
        if channel == "whatsapp":
            return packing.wanted(self.world, happening)
        if channel == "email":
            return True
        # Instagram's own fields are chosen in the App Dashboard; its Page only has to be subscribed to anything at all.
        return bool(fields) and (channel == "instagram" or events.subscription(happening.item) in fields)

    @staticmethod
    def _ordered(happenings: list[Happening], plan: Plan) -> list[Happening]:
        if plan.order == "reversed":
            return happenings[::-1]
        if plan.order == "shuffled":
            return random.Random(plan.seed).sample(happenings, len(happenings))  # noqa: S311
        return happenings

    def _pack(self, happenings: list[Happening], plan: Plan) -> list[Delivery]:
        if plan.layout == "posts":
            return [delivery for h in happenings for delivery in self._posts(h.phone.channel, [h], plan)]
        by_channel = {channel: [h for h in happenings if h.phone.channel == channel] for channel in CHANNELS}
        return [delivery for channel, group in by_channel.items() if group for delivery in self._posts(channel, group, plan)]

    def _posts(self, channel: Channel, group: Sequence[Happening], plan: Plan) -> list[Delivery]:
        if channel in META_CHANNELS:
            return [self._post(group, plan)]
        if channel == "whatsapp":
            return packing.pack(self.world, self.webhooks, group, together=plan.layout == "entries")
        return arrival.pack(self.world, self.webhooks, group)

    def _post(self, happenings: Sequence[Happening], plan: Plan) -> Delivery:
        channel = happenings[0].phone.channel
        account, now = self.world.config.account(channel), self.world.clock.now_ms()
        slots = [self._slot(happening, plan) for happening in happenings]
        if plan.layout == "items" and len({slot for slot, _ in slots}) == 1:
            entries = [entry(account, now, [item for _, item in slots], slots[0][0])]
        else:
            entries = [entry(account, now, [item], slot) for slot, item in slots]
        return self.webhooks.prepare(envelope(channel, entries), [h.mid for h in happenings if h.mid is not None])

    @staticmethod
    def _slot(happening: Happening, plan: Plan) -> tuple[str, Json]:
        if plan.shape == "standby" or (happening.phone.owner_app is not None and plan.shape == "messaging"):
            return "standby", events.without_payload(happening.item)
        if plan.shape == "changes":
            return "changes", events.change(happening.phone.channel, happening.item)
        return "messaging", happening.item

    # --- echoes ----------------------------------------------------------------------------------------------------------

    def echo(self, phone: Phone, bubble: Bubble, shown: dict[str, Json], app_id: int | None) -> Happening:
        """The webhook about a message of the shop. Instagram's names neither the app nor its metadata."""
        on_page = phone.channel == "messenger"
        message = events.echo(
            bubble.mid, shown, app_id=app_id if on_page else None, metadata=bubble.metadata if on_page else None
        )
        item = events.from_shop(self.world.config.account(phone.channel), phone.user, bubble.time, message=message)
        return Happening(phone=phone, item=item, mid=bubble.mid)

    async def later(self, *happenings: Happening) -> None:
        """Deliver echoes and what follows them, one after the other, after the set delay."""
        await asyncio.sleep(self.world.knobs.echo_delay)
        await self.send(happenings, Plan())

    def shop_writes(self, phone: Phone, content: Content, shown: dict[str, Json], author: Author, app_id: int) -> Happening:
        """A message of the shop that did not come through our Graph calls: a person in the inbox, or another app."""
        bubble = self.world.write(phone, author, content)
        return self.echo(phone, bubble, shown, app_id)

    async def comment(self, phone: Phone, text: str) -> tuple[Delivery, str]:
        """A comment on a post, which comes as a change entry; returns its delivery and the comment's id."""
        now, channel = self.world.clock.now_ms(), phone.channel
        comment_id = f"1789{secrets.randbelow(10**13):013d}"
        self.world.comments[comment_id] = Comment(id=comment_id, channel=channel, user=phone.user, time=now)
        if channel == "instagram":
            change = {
                "field": "comments",
                "value": {
                    "id": comment_id,
                    "text": text,
                    "from": {"id": phone.user, "username": phone.username or f"usuario_{phone.user}"},
                    "media": {"id": "17918195224117851", "media_product_type": "FEED"},
                },
            }
        else:
            post = f"{self.world.config.page_id}_9"
            change = {
                "field": "feed",
                "value": {
                    "item": "comment",
                    "verb": "add",
                    "comment_id": comment_id,
                    "post_id": post,
                    "parent_id": post,
                    "from": {"id": phone.user, "name": phone.name or "Cliente"},
                    "message": text,
                    "created_time": now // 1000,
                },
            }
        delivery = self.webhooks.prepare(
            envelope(channel, [entry(self.world.config.account(channel), now, [change], "changes")])
        )
        await self.webhooks.deliver(delivery)
        return delivery, comment_id
