"""Bring the contacts of a table into the CRM: a rehearsal and the real thing are one way that ends in rollback or commit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from people.contact import Contact, Read, read_row
from people.database import Connection, set_limits
from people.table import Table

CREATED_AT_ONCE = 5000
_COLUMNS = (
    "number", "place", "name", "phone", "email", "instagram_username", "instagram_id", "messenger_id", "facebook_id",
    "vambe_id", "channel", "tags", "attribution", "customer",
)  # fmt: skip

# Hears what is being done, and what share of it is done where that is known.
Tell = Callable[[str, float | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Ours, for which platforms gave the ids in the file; "" where unknown."""

    instagram: str = ""
    page: str = ""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was seen while the rows were read. Channels by label, "" for none; places as in the file."""

    rows: int = 0
    blank: int = 0
    without_phone: int = 0
    channels: Counter[str] = field(default_factory=Counter)
    refused_by_channel: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def add(self, place: str, read: Read) -> None:
        """Count one row."""
        self.rows += 1
        if read.blank:
            self.blank += 1
            return
        self.channels[read.channel or ""] += 1
        self.without_phone += read.contact is None or read.contact.phone is None
        if read.refused:
            self.refused_by_channel[read.channel or ""] += 1
            self.refused.append((place, read.refused))
        self.problems += [(place, problem) for problem in read.problems]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an import did, or would do.

    ``outcomes``: rows by what came of them (created, updated, same, joined, ambiguous, left_out); ``channels``: the same by
    label. ``notes``: (place, field, reason), the reason one of differs, repeated, said, shared. ``batch``: the number that
    it has or would have.
    """

    source: str
    applied: bool
    batch: int
    tally: Tally
    outcomes: Mapping[str, int]
    channels: Mapping[str, Mapping[str, int]]
    filled: Mapping[str, int]
    proposals: int
    notes: tuple[tuple[str, str, str], ...]
    ambiguous: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether there is, or was, anything to write."""
        return bool(self.outcomes.get("created") or self.outcomes.get("updated") or self.proposals)


def run_import(
    connected: Connection,
    table: Table,
    *,
    source: str,
    by: str,
    accounts: Accounts,
    apply: bool,
    tell: Tell = lambda what, share: None,
) -> Report:
    """Import all rows in one transaction; without ``apply`` it is rolled back. A file that changes nothing leaves no batch.

    Raises ``FileError`` and ``psycopg.Error``; then nothing was written.
    """
    tally = Tally()
    with connected.transaction() as transaction:
        set_limits(connected)
        batch = int(_value(connected, "select omnicrm.open_batch('import', %s, %s)", source, by))
        connected.execute("select omnicrm.import_open()")
        _copy(connected, table, tally)
        found = _write(connected, batch, accounts, tell)
        report = Report(
            source=source, applied=apply, batch=batch, tally=tally, outcomes=found["outcomes"],
            channels=found["channels"], filled=found["filled"], proposals=found["proposals"], notes=_notes(connected),
            ambiguous=tuple(place for (place,) in connected.execute(
                "select place from pg_temp.import_outcomes where outcome = 'ambiguous' order by number")),
        )  # fmt: skip
        connected.execute(
            "update omnicrm.batches set status = 'applied', finished_at = clock_timestamp(), report = %s where id = %s",
            (json.dumps(_kept(report)), batch),
        )
        if not (apply and report.changes):
            raise psycopg.Rollback(transaction)
    return report


def _copy(connected: Connection, table: Table, tally: Tally) -> None:
    statement = f"copy pg_temp.import_rows ({', '.join(_COLUMNS)}) from stdin"
    with connected.cursor() as cursor, cursor.copy(statement) as copy:
        for contact in _contacts(table, tally):
            copy.write_row(_values(contact))
    connected.execute("analyze pg_temp.import_rows")


def _contacts(table: Table, tally: Tally) -> Iterator[Contact]:
    for number, row in enumerate(table.rows, 1):
        read = read_row(number, row)
        tally.add(row.place, read)
        if read.contact is not None:
            yield read.contact


def _values(contact: Contact) -> list[Any]:
    values: dict[str, Any] = {name: getattr(contact, name) for name in _COLUMNS}
    values["tags"] = json.dumps(contact.tags, ensure_ascii=False)
    values["attribution"] = json.dumps(contact.attribution, ensure_ascii=False)
    return [values[name] for name in _COLUMNS]


def _write(connected: Connection, batch: int, accounts: Accounts, tell: Tell) -> dict[str, Any]:
    tell("Buscando a quiénes ya conocemos", None)
    connected.execute("select omnicrm.import_keys(%s, %s)", (accounts.instagram, accounts.page))
    connected.execute("select omnicrm.import_join()")
    connected.execute("select omnicrm.import_match()")
    wanted = int(_value(connected, "select count(*) from pg_temp.import_people where outcome = 'created'"))
    done, last = 0, 0
    while last is not None and done < wanted:
        tell("Clientes nuevos", done / wanted)
        last = _value(connected, "select omnicrm.import_create(%s, %s)", last, CREATED_AT_ONCE)
        done += CREATED_AT_ONCE
    tell("Completando datos", None)
    connected.execute("select omnicrm.import_fill(%s)", (batch,))
    connected.execute("select omnicrm.import_know(%s, %s, %s)", (batch, accounts.instagram, accounts.page))
    found: dict[str, Any] = _value(connected, "select omnicrm.import_finish(%s)", batch)
    return found


def _notes(connected: Connection) -> tuple[tuple[str, str, str], ...]:
    rows = connected.execute(
        "select r.place, n.field, n.reason from pg_temp.import_notes n join pg_temp.import_rows r on r.number = n.number "
        "order by n.number, n.field, n.reason"
    )
    return tuple((str(place), str(field_name), str(reason)) for place, field_name, reason in rows)


def _kept(report: Report) -> dict[str, Any]:
    """What the list of batches shows: counts, nothing of anybody."""
    tally = report.tally
    return {
        "rows": tally.rows, "blank": tally.blank, "refused": len(tally.refused), "without_phone": tally.without_phone,
        "outcomes": report.outcomes, "channels": report.channels, "filled": report.filled, "proposals": report.proposals,
    }  # fmt: skip


def _value(connected: Connection, statement: str, *values: Any) -> Any:
    row = connected.execute(statement.encode(), values or None).fetchone()
    return row[0] if row else None
