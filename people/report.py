"""What an import did, as the person at the terminal reads it. No names, numbers or addresses: places in the file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from people.importing import Report
from people.table import Table

SHOWN_PLACES = 12
SHOWN_REASONS = 12
NO_LABEL = "(sin etiqueta)"
FIELD_NAMES = {
    "name": "nombre", "phone": "teléfono", "email": "correo", "instagram_username": "usuario de Instagram",
    "instagram_id": "id de Instagram", "messenger_id": "id de Messenger", "facebook_id": "id de Facebook",
    "vambe_contact_id": "id de Vambe", "vambe_id": "id de Vambe",
    "identity": "identidades", "tag": "etiquetas", "attribution": "datos de origen",
}  # fmt: skip
NOTE_REASONS = {
    "differs": "distinto del que ya tenemos: se queda el nuestro",
    "repeated": "distinto del de otra fila de la misma persona: se queda el primero",
    "said": "otro cliente lo dio en el chat, sin comprobar: no se usó",
    "shared": "lo comparten muchas personas: no se usó",
}
_COLUMNS = ("created", "updated", "same", "joined", "ambiguous", "refused")
_TITLES = {
    True: ("nuevas", "completadas", "ya estaban", "repetidas", "por decidir", "rechazadas"),
    False: ("se crearían", "se completarían", "ya están", "repetidas", "por decidir", "rechazadas"),
}


def show(report: Report, table: Table, console: Console) -> None:
    """Print the whole report."""
    tally = report.tally
    done = "escrito" if report.applied and report.changes else "ensayo: no se escribió nada"
    console.print(f"\n[bold]Contactos de Vambe[/bold] · {escape(report.source)} · {done}")
    for note in table.notes:
        _say(console, note)
    _say(console, "Columnas: " + ", ".join(f"{heading} → {field}" for heading, field in table.columns.shown()))
    if table.columns.unused:
        _say(console, f"Sin usar: {', '.join(table.columns.unused)}")
    read = tally.rows - tally.blank
    without = f"{tally.without_phone:,} sin teléfono"
    console.print(f"\n  {tally.rows:,} filas: {read:,} con datos y {tally.blank:,} vacías; {without}.\n")
    console.print(_grid(report))
    _show_details(report, console)


def _say(console: Console, text: str, indent: int = 2) -> None:
    console.print(Padding(Text(text), (0, 0, 0, indent)))


def _grid(report: Report) -> Grid:
    tally = report.tally
    grid = Grid("  Canal", "filas", *_TITLES[report.applied and report.changes], box=None, pad_edge=False)
    for column in grid.columns[1:]:
        column.justify = "right"
    totals: Counter[str] = Counter()
    for label, rows in sorted(tally.channels.items(), key=lambda item: (item[0] == "", -item[1], item[0])):
        found = _counts(report.channels.get(label, {}), tally.refused_by_channel[label])
        totals.update(found)
        grid.add_row(f"  {escape(label or NO_LABEL)}", f"{rows:,}", *(f"{found[name]:,}" for name in _COLUMNS))
    cells = (f"{totals[name]:,}" for name in _COLUMNS)
    grid.add_row("  Total", f"{sum(tally.channels.values()):,}", *cells, style="bold")
    return grid


def _counts(outcomes: Mapping[str, int], refused: int) -> Counter[str]:
    found = Counter(outcomes)
    found["refused"] = refused + found.pop("left_out", 0)
    return found


def _show_details(report: Report, console: Console) -> None:
    if report.filled:
        filled = ", ".join(f"{FIELD_NAMES.get(name, name)} {count:,}" for name, count in sorted(report.filled.items()))
        console.print(f"\n  En clientes que ya estaban se agrega: {filled}.")
    _show_places("Filas rechazadas", report.tally.refused, console)
    _show_places("Datos que no se pudieron leer (lo demás de la fila sí se usa)", report.tally.problems, console)
    notes = [(place, _noted(name, reason)) for place, name, reason in report.notes]
    _show_places("Contradicciones", notes, console)
    if report.ambiguous:
        several = [(place, "sus datos son de dos clientes distintos: no se tocó a ninguno") for place in report.ambiguous]
        _show_places("Por decidir", several, console)
    if report.proposals:
        console.print(f"\n  Propuestas para unir clientes, por revisar: {report.proposals:,}.")


def _show_places(title: str, found: Sequence[tuple[str, str]], console: Console) -> None:
    if not found:
        return
    console.print(f"\n  [bold]{title}[/bold] ({len(found):,})")
    by_reason: dict[str, list[str]] = {}
    for place, reason in found:
        by_reason.setdefault(reason, []).append(place)
    ordered = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    for reason, places in ordered[:SHOWN_REASONS]:
        more = f" y {len(places) - SHOWN_PLACES:,} más" if len(places) > SHOWN_PLACES else ""
        word = "fila" if len(places) == 1 else "filas"
        listed = ", ".join(places[:SHOWN_PLACES])
        _say(console, f"{reason}: {word} {listed}{more}", indent=4)
    if len(ordered) > SHOWN_REASONS:
        console.print(f"    … y {len(ordered) - SHOWN_REASONS:,} motivos más")


def _noted(field: str, reason: str) -> str:
    return f"{FIELD_NAMES.get(field, field)} {NOTE_REASONS.get(reason, reason)}"


def write_details(report: Report, path: Path) -> int:
    """Write every row that needs a look as CSV (fila, motivo); returns how many. Raises ``OSError``."""
    lines = list(_details(report))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("fila", "motivo"))
        writer.writerows(lines)
    return len(lines)


def _details(report: Report) -> Iterable[tuple[str, str]]:
    yield from ((place, f"rechazada: {reason}") for place, reason in report.tally.refused)
    yield from ((place, f"sin usar: {problem}") for place, problem in report.tally.problems)
    yield from ((place, _noted(name, reason)) for place, name, reason in report.notes)
    yield from ((place, "por decidir: sus datos son de dos clientes distintos") for place in report.ambiguous)
