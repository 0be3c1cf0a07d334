"""From what happened on WhatsApp to POSTs: which webhooks want it, under which address, verb and headers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from simulator.config import Json
from simulator.scene import Happening
from simulator.state import World
from simulator.webhooks import Delivery, Door, Webhooks

_SINGLE = ("health", "user", "qr", "messages_removed_all")  # everything else stands in arrays


def wanted(world: World, happening: Happening) -> bool:
    """Whether any webhook of the settings asks for this."""
    return any(_asks_for(world, webhook, happening) for webhook in world.whapi.settings["webhooks"])


def pack(world: World, webhooks: Webhooks, happenings: Sequence[Happening], *, together: bool) -> list[Delivery]:
    """One POST per webhook and kind of event, or one for everything ``together``, as callbacks after an outage come."""
    deliveries: list[Delivery] = []
    for webhook in world.whapi.settings["webhooks"]:
        mine = [happening for happening in happenings if _asks_for(world, webhook, happening)]
        groups = [mine] if together else _by_event(mine)
        deliveries += [_post(world, webhooks, webhook, group) for group in groups if group]
    return deliveries


def _asks_for(world: World, webhook: dict[str, Json], happening: Happening) -> bool:
    event, value = happening.item["event"], happening.item["value"]
    wishes = webhook.get("events", [])
    if not any(wish["type"] == event["type"] and wish.get("method", "post") == event["event"] for wish in wishes):
        return False
    age, stamp = webhook.get("webhook_max_age_seconds"), value.get("timestamp") if isinstance(value, dict) else None
    return age is None or stamp is None or world.clock.now() - float(stamp) <= age


def _by_event(happenings: list[Happening]) -> list[list[Happening]]:
    groups: dict[tuple[str, str], list[Happening]] = {}
    for happening in happenings:
        event = happening.item["event"]
        groups.setdefault((event["type"], event["event"]), []).append(happening)
    return list(groups.values())


def envelope(channel_id: str, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The outermost object; its one ``event`` is that of the first item."""
    document: dict[str, Any] = {}
    for item in items:
        if item["key"] in _SINGLE:
            document[item["key"]] = item["value"]
        else:
            document.setdefault(item["key"], []).append(item["value"])
    return {**document, "event": items[0]["event"], "channel_id": channel_id}


def _post(world: World, webhooks: Webhooks, webhook: dict[str, Json], group: Sequence[Happening]) -> Delivery:
    document = envelope(world.config.whapi_channel_id, [happening.item for happening in group])
    mids = [happening.mid for happening in group if happening.mid is not None]
    return webhooks.prepare_raw(to_bytes(document), headers_of(webhook), mids, door_of(webhook, document["event"]))


def to_bytes(document: Json) -> bytes:
    """Plain UTF-8 JSON; half of a surrogate pair stays escaped."""
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":")).encode()


def headers_of(webhook: dict[str, Json]) -> dict[str, str]:
    """The content type and the static headers of the settings: the only authentication there is."""
    return {"Content-Type": "application/json", **webhook.get("headers", {})}


def door_of(webhook: dict[str, Json], event: dict[str, str]) -> Door:
    """Address and verb by the webhook's mode. Only 200 counts as taken."""
    url, mode = str(webhook["url"]).rstrip("/"), webhook.get("mode", "body")
    address = {"path": f"{url}/{event['type']}/{event['event']}", "method": f"{url}/{event['type']}"}.get(mode, webhook["url"])
    return Door(
        url=lambda: str(address),
        method=event["event"].upper() if mode == "method" else "POST",
        taken=lambda status: status == 200,
    )
