"""``POST /sim/say``: carry out the one act that a request holds, on the stage of its channel."""

from __future__ import annotations

from simulator import acts
from simulator.config import Channel, Json
from simulator.errors import ControlError
from simulator.mail import acts as mail_acts
from simulator.phone import Phone
from simulator.scene import Happening, Stage
from simulator.state import World
from simulator.whapi import acts as whapi_acts

_COMMON = ("channel", "user", "name", "timestamp", "reply_to")
_STAGES: dict[Channel, Stage] = {
    "instagram": acts.STAGE,
    "messenger": acts.STAGE,
    "whatsapp": whapi_acts.STAGE,
    "email": mail_acts.STAGE,
}


def perform(world: World, phone: Phone, request: dict[str, Json]) -> tuple[str | None, list[Happening]]:
    """Returns the address that a tapped link opened (else None) and what the bot is to be told. Raises ``ControlError``."""
    stage = _STAGES[phone.channel]
    details = (*_COMMON, *stage.details)
    unknown = set(request) - set(stage.acts) - set(details)
    if unknown:
        raise ControlError(
            f"unknown keys {sorted(unknown)}; on {phone.channel} there are the acts {', '.join(stage.acts)}, "
            f"and beside one act {', '.join(details)}"
        )
    wanted = [name for name in stage.acts if name in request]
    if "attachment" in wanted and "text" in wanted:
        wanted.remove("text")  # the caption
    if len(wanted) != 1:
        raise ControlError(f"say exactly one of {', '.join(stage.acts)}; got {wanted or 'none'}")
    timestamp = request.get("timestamp", world.clock.now_ms())
    if isinstance(timestamp, bool) or not isinstance(timestamp, int):
        raise ControlError("timestamp must be milliseconds since 1970")
    scene = stage.scene(world, phone, timestamp, request)
    happenings = stage.acts[wanted[0]](scene, request[wanted[0]])
    if not happenings:  # a link, a number or a code was opened: nobody is told
        choice = scene.chat.choice(str(request["tap"]), scene.card)
        return choice.url or choice.payload, []
    return None, happenings
