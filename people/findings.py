"""What can be learned of a client from what is known already. Pure: a page of clients in, changes to write out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from actions.contact_data import read_name
from actions.contact_data import read_phone as read_phone_in_text
from connectors.message import Address, Json
from connectors.platform import Profile
from people.contact import read_email
from people.phones import read_phone
from people.text import clean, tidy_name

# A profile that was looked at within this many days is not asked for again.
CHECKED_DAYS = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation as far as it leads to a profile."""

    id: int
    address: Address
    checked_days: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A client as ``omnicrm_sync_page`` tells of it.

    ``identities``: (kind, value, verified); ``said``: (kind, value), newest first.
    """

    id: str
    name: str | None
    phone: str | None
    email: str | None
    username: str | None
    identities: tuple[tuple[str, str, bool], ...] = ()
    said: tuple[tuple[str, str], ...] = ()
    texts: tuple[str, ...] = ()
    threads: tuple[Thread, ...] = ()

    @staticmethod
    def from_json(row: Mapping[str, Json]) -> Known:
        """One element of the page."""
        threads = (
            Thread(
                id=int(t["id"]),
                address=Address(channel=t["channel"], account=t["account"], user=t["user"], context=t["context"] or {}),
                checked_days=t["checked_days"],
            )
            for t in row["threads"]
        )
        return Known(
            id=row["id"],
            name=row["name"],
            phone=row["phone"],
            email=row["email"],
            username=row["username"],
            identities=tuple((i["kind"], i["value"], i["verified"]) for i in row["identities"]),
            said=tuple((s["kind"], s["value"]) for s in row["said"]),
            texts=tuple(row["texts"]),
            threads=tuple(threads),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field of a client: what it was and what it becomes."""

    client: str
    field: str
    before: str | None
    after: str


@dataclass(slots=True, kw_only=True)
class Page:
    """What to write for some clients, as ``omnicrm_sync_apply`` takes it."""

    fields: list[Change] = field(default_factory=list)
    claims: list[tuple[str, str, str]] = field(default_factory=list)
    checked: list[int] = field(default_factory=list)

    def to_json(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "fields": [{"client": c.client, "field": c.field, "before": c.before, "after": c.after} for c in self.fields],
            "claims": [{"client": client, "kind": kind, "value": value} for client, kind, value in self.claims],
            "checked": self.checked,
        }


def to_look_up(client: Known, channels: Sequence[str]) -> list[Thread]:
    """The conversations whose profile may tell what is missing: a name, or on Instagram a username."""
    return [
        thread
        for thread in client.threads
        if thread.address.channel in channels
        and (thread.checked_days is None or thread.checked_days > CHECKED_DAYS)
        and (not client.name or (thread.address.channel == "IG" and not client.username))
    ]


def learn(client: Known, profiles: Sequence[tuple[Thread, Profile | None]] = ()) -> Page:
    """All that can be written of a client. Existing values are only put in order; nothing is invented."""
    page = Page(checked=[thread.id for thread, _ in profiles])
    usernames = [p.username for thread, p in profiles if p and p.username and thread.address.channel == "IG"]
    page.fields += _changes(client, "name", _name(client, profiles))
    page.fields += _changes(client, "phone", read_phone(client.phone) if client.phone else _own_phone(client))
    page.fields += _changes(client, "email", read_email(client.email) if client.email else _own_email(client))
    page.fields += _changes(client, "instagram_username", client.username or next(iter(usernames), None))
    page.claims += [(client.id, "instagram_username", username.lower()) for username in usernames]
    page.claims += _claims(client)
    return page


def _changes(client: Known, name: str, after: str | None) -> Iterator[Change]:
    before: str | None = getattr(client, "username" if name == "instagram_username" else name)
    if after and after != before:
        yield Change(client=client.id, field=name, before=before, after=after)


def _name(client: Known, profiles: Sequence[tuple[Thread, Profile | None]]) -> str | None:
    if client.name:
        return tidy_name(client.name)
    told = [value for kind, value in client.said if kind == "name"]
    told += [name for name in (read_name((), text) for text in client.texts) if name]
    told += [profile.name for _, profile in profiles if profile and profile.name]
    names = (tidy_name(clean(name, 200)) for name in told)
    return next((name for name in names if any(c.isalpha() for c in name)), None)


def _own_phone(client: Known) -> str | None:
    """The number that they write from, else one that is known to be theirs."""
    known = [value for kind in ("whatsapp", "phone") for k, value, verified in client.identities if k == kind and verified]
    return next((number for number in map(read_phone, known) if number), None)


def _own_email(client: Known) -> str | None:
    known = [value for kind, value, verified in client.identities if kind == "email" and verified]
    return next((address for address in map(read_email, known) if address), None)


def _claims(client: Known) -> list[tuple[str, str, str]]:
    """Phones and addresses that they typed: a claim, which may show that they are somebody we know under another client."""
    found = [
        (kind, read_phone(value) if kind == "phone" else read_email(value)) for kind, value in client.said if kind in _TYPED
    ]
    numbers = filter(None, map(read_phone_in_text, client.texts))
    found += [("phone", number.value) for number in numbers if number.sure]
    found += [("email", read_email(text)) for text in client.texts if "@" in text]
    return [(client.id, kind, value) for kind, value in dict.fromkeys(found) if value]


_TYPED = frozenset({"phone", "email"})
