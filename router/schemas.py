"""Every shape that the API takes and gives, as JSON Schema (2020-12, which is OpenAPI 3.1's)."""

from __future__ import annotations

from connectors.message import Json
from router.problem import KINDS, TYPE_PREFIX

CHANNELS = ["WA", "IG", "FB", "EMAIL", "TT"]
STATES = ["open", "waiting", "with_person", "closed"]
STAGES = ["lead", "customer"]
STATUSES = [
    "received", "handled", "ignored", "dead",
    "queued", "sending", "sent", "delivered", "read", "failed", "withdrawn", "unknown",
]  # fmt: skip
# What one message may become on a channel: a customer reads no more at once, and a number that sends more looks like a machine.
MAX_PARTS = 10
MAX_TEXT = 20_000

# Controls that no channel shows and no name holds; a text may have lines and tabs.
LINE = r"^[^\x00-\x1f\x7f]*$"
LINES = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
VISIBLE = r"\S"

_TIME = {"type": "string", "format": "date-time"}


def reference(name: str) -> Json:
    """Point at a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def _maybe(schema: Json) -> Json:
    """The schema, or null."""
    if set(schema) <= {"type", "format", "enum", "description"} and isinstance(schema.get("type"), str):
        names = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
        return {**schema, **names, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def text(longest: int, pattern: str = LINE, **more: Json) -> Json:
    """A text with something to see in it, by default of one line."""
    return {
        "type": "string", "maxLength": longest, "pattern": pattern, "allOf": [{"pattern": VISIBLE}], **more,
    }  # fmt: skip


def _given(required: list[str], properties: dict[str, Json], **more: Json) -> Json:
    """An object that we take: nothing in it but what is named."""
    named = {"required": required} if required else {}
    return {"type": "object", "additionalProperties": False, "properties": properties, **named, **more}


def _told(always: dict[str, Json], sometimes: dict[str, Json] | None = None, **more: Json) -> Json:
    """An object that we give: all of ``always`` is in it, and later versions may add to it."""
    return {"type": "object", "required": list(always), "properties": {**always, **(sometimes or {})}, **more}


def _page(item: str) -> Json:
    return _told(
        {
            "items": {"type": "array", "items": reference(item)},
            "next": _maybe({"type": "string"}),
        },
        description="`next` is the `cursor` of the following page; null at the end.",
    )


ID = {"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$", "description": "As other answers gave it."}
NUMBER = {"type": "string", "pattern": "^[1-9][0-9]{0,17}$", "description": "As other answers gave it."}
PERSON = text(80, description="Who of the staff does this; the key's name if left out.", examples=["Ana"])
CHANNEL = {"type": "string", "enum": CHANNELS, "description": "WhatsApp, Instagram, Messenger, email, TikTok."}
_TAG = text(50, examples=["mayoreo"])
_URL = {"type": "string", "pattern": r"^https://[^\s/\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*$", "maxLength": 2000, "examples": ["https://extractoseum.com/arnica"]}
_EMAIL = r'^[^@\s<>"\x00-\x1f\x7f]+@[^@\s<>"\x00-\x1f\x7f]+\.[^@\s<>".\x00-\x1f\x7f]+$'
_STRING = {"type": "string"}
_ANY = {"type": "object"}

_MESSAGE: dict[str, Json] = {
    "author": {
        "type": "string",
        "enum": ["agent", "system"],
        "description": (
            "`agent`: a person of the staff writes; they take the conversation over and the bot goes quiet. "
            "`system`: your software writes; whoever holds the conversation goes on holding it."
        ),
    },
    "person": PERSON,
    "text": text(MAX_TEXT, LINES, examples=["Tu pedido salió hoy."]),
    "buttons": {
        "type": "array", "minItems": 1, "maxItems": 13, "items": reference("Button"),
        "description": "Stay in the chat. What a channel cannot show becomes quick replies, or numbered lines.",
    },
    "quick_replies": {
        "type": "array", "minItems": 1, "maxItems": 13, "items": reference("Button"),
        "description": "Go away with the next message.",
    },
    "cards": {"type": "array", "minItems": 1, "maxItems": 10, "items": reference("Card")},
    "media": reference("Media"),
}  # fmt: skip
_SAYS_SOMETHING = [{"required": [name]} for name in ("text", "buttons", "quick_replies", "cards", "media")]

_CLIENT: dict[str, Json] = {
    "id": _STRING,
    "name": _maybe(_STRING),
    "phone": _maybe({**_STRING, "description": "E.164"}),
    "email": _maybe(_STRING),
    "instagram_username": _maybe(_STRING),
    "stage": {"type": "string", "enum": STAGES},
    "stage_since": _maybe(_TIME),
    "tags": {"type": "array", "items": _STRING},
    "merged_into": _maybe({**_STRING, "description": "The client that this one was joined to."}),
}

TAKEN: dict[str, Json] = {
    "Button": _given(
        ["title"],
        {
            "title": text(200, examples=["Ver precios"]),
            "payload": text(1000, LINES, description="Comes back to the bot when it is tapped; the title if left out."),
            "url": {**_URL, "description": "Opens instead."},
        },
        **{"not": {"required": ["payload", "url"]}},
    ),
    "Card": _given(
        ["title"],
        {
            "title": text(200), "subtitle": text(200), "image_url": _URL, "url": _URL,
            "buttons": {"type": "array", "maxItems": 3, "items": reference("Button")},
        },
    ),
    "Media": _given(
        ["kind", "url"],
        {"kind": {"type": "string", "enum": ["image", "video", "audio", "file"]}, "url": _URL},
        description="The platform fetches it: the address must be public.",
    ),
    "NewMessage": _given(["author"], _MESSAGE, anyOf=_SAYS_SOMETHING),
    "NewMessageOnChannel": _given(["author", "channel"], {**_MESSAGE, "channel": CHANNEL}, anyOf=_SAYS_SOMETHING),
    "By": _given([], {"person": PERSON}),
    "TakeOver": _given(
        [],
        {
            "person": PERSON,
            "hours": {"type": "number", "minimum": 0.01, "maximum": 720, "description": "How long the bot stays quiet."},
        },
    ),
    "Tags": _given(
        [],
        {name: {"type": "array", "maxItems": 20, "items": _TAG} for name in ("add", "remove")},
        minProperties=1,
    ),
    "StageChange": _given(
        ["stage"], {"stage": {"type": "string", "enum": STAGES}, "reason": text(200), "person": PERSON}
    ),
    "ClientEdit": _given(
        [],
        {
            "name": _maybe(text(200)),
            "phone": _maybe(text(40, description="With country code, or 10 digits for Mexico.", examples=["+525512345678"])),
            "email": _maybe(text(254, _EMAIL, examples=["ines@example.com"])),
            "person": PERSON,
        },
        anyOf=[{"required": [name]} for name in ("name", "phone", "email")],
        description="What is left out stays; null takes away.",
    ),
    "MergeOrder": _given(
        ["keep", "gone"], {"keep": ID, "gone": ID, "reason": text(200), "person": PERSON},
        description="`gone` is joined to `keep`, which stays.",
    ),
}  # fmt: skip

TOLD: dict[str, Json] = {
    "OpenApi": _told({"openapi": _STRING, "info": _ANY, "paths": _ANY, "components": _ANY}),
    "Conversation": _told(
        {
            "id": _STRING, "channel": {"type": "string"},
            "account": {**_STRING, "description": "Our Page, account, number or mailbox."},
            "client": _told({"id": _STRING, "name": _maybe(_STRING)}),
            "state": {"type": "string", "enum": STATES,
                      "description": "`open`: with the bot. `waiting`: for a person. `closed`: until the customer writes."},
            "person": _maybe(_STRING),
            "person_until": _maybe({**_TIME, "description": "When the bot may speak again."}),
            "attention": _maybe({**_STRING, "description": "Why somebody should look, in Spanish."}),
            "attention_since": _maybe(_TIME),
            "opted_out": {"type": "boolean"},
            "window_until": _maybe({**_TIME, "description": "Until when the platform takes messages; null: always."}),
            "last_message_at": _maybe(_TIME),
            "created_at": _TIME,
            "closed_at": _maybe(_TIME),
            "closed_reason": _maybe(_STRING),
        }
    ),
    "Message": _told(
        {
            "id": _STRING, "conversation": _STRING,
            "direction": {"type": "string", "enum": ["in", "out"]},
            "author": {"type": "string", "enum": ["customer", "bot", "agent", "system"]},
            "person": _maybe(_STRING),
            "status": {"type": "string", "enum": STATUSES,
                       "description": "Ours: queued, sending, sent, delivered, read; failed, withdrawn, unknown (maybe sent)."},
            "reason": _maybe(_STRING),
            "error": _maybe(_ANY),
            "kind": _STRING, "text": _maybe(_STRING),
            "content": {**_ANY, "description": "Buttons, cards, media; of a customer's message: attachments, payload."},
            "occurred_at": _TIME, "created_at": _TIME, "sent_at": _maybe(_TIME),
        }
    ),
    "Accepted": _told(
        {
            "status": {"type": "string", "const": "accepted"},
            "conversation": _STRING,
            "messages": {
                "type": "array", "minItems": 1,
                "items": _told({"id": _STRING, "href": {**_STRING, "description": "Where its status is."}}),
                "description": "What the channel needed several messages for has several, in order.",
            },
        }
    ),
    "ClientSummary": _told(_CLIENT),
    "Client": _told(
        {
            **_CLIENT,
            "stage_reason": _maybe(_STRING),
            "attribution": _ANY, "consent": _ANY,
            "identities": {
                "type": "array",
                "items": _told({
                    "kind": _STRING, "value": _STRING, "account": _STRING, "source": _STRING, "verified": {"type": "boolean"},
                }),
            },
            "conversations": {"type": "array", "items": reference("Conversation")},
            "orders": {"type": "array", "items": reference("Order")},
        },
        description="The newest 100 conversations and orders.",
    ),
    "Proposal": _told(
        {
            "id": _STRING, "clients": {"type": "array", "items": _STRING, "minItems": 2, "maxItems": 2},
            "score": _maybe({"type": "number"}), "evidence": {},
            "status": {"type": "string", "enum": ["open", "accepted", "refused"]},
            "created_at": _TIME, "decided_by": _maybe(_STRING), "decided_at": _maybe(_TIME), "merge": _maybe(_STRING),
        },
        description="Two clients who may be one person.",
    ),
    "Merge": _told(
        {
            "id": _STRING, "kept": _STRING, "gone": _STRING, "reason": _maybe(_STRING), "evidence": {},
            "actor": _maybe(_STRING), "created_at": _TIME, "undone_at": _maybe(_TIME), "undone_by": _maybe(_STRING),
        }
    ),
    "Order": _told(
        {
            "id": _STRING, "conversation": _STRING, "client": _STRING, "product": _STRING, "quantity": {"type": "number"},
            "status": {"type": "string", "enum": ["requested", "confirmed", "cancelled"]},
            "created_at": _TIME, "decided_at": _maybe(_TIME), "decided_by": _maybe(_STRING),
        }
    ),
    "Problem": _told(
        {
            "type": {"type": "string", "enum": [TYPE_PREFIX + name for name in KINDS]},
            "title": _STRING, "status": {"type": "integer"}, "detail": _STRING,
            "instance": {**_STRING, "description": "The path that was asked for."},
        },
        {
            "errors": {
                "type": "array",
                "items": {
                    "type": "object", "required": ["detail"],
                    "properties": {
                        "pointer": {**_STRING, "description": "JSON Pointer into the body."},
                        "parameter": {**_STRING, "description": "Name of a parameter or header."}, "detail": _STRING,
                    },
                },
            },
            "window_until": _maybe(_TIME), "scope": _STRING, "running": {"type": "array", "items": _STRING},
        },
        description="RFC 9457, application/problem+json.",
    ),
}  # fmt: skip

PAGES = {f"{item}Page": _page(item) for item in ("Conversation", "Message", "ClientSummary", "Proposal", "Merge", "Order")}

COMPONENTS: dict[str, Json] = {**TAKEN, **TOLD, **PAGES}
