"""How mail programs in Spanish quote the mail that they answer: text and HTML, by style. Pure.

Written after what Gmail, Outlook, Apple Mail, Thunderbird and Yahoo send; the words differ between their versions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from html import escape

from simulator.mail.reading import Letter

MEXICO = timezone(timedelta(hours=-6))
_DAYS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")
_MONTHS = (
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
)
STYLES = ("gmail", "outlook", "apple", "thunderbird", "yahoo", "plain")


@dataclass(frozen=True, slots=True)
class Body:
    """A mail's text and, where the style has one, its HTML."""

    text: str
    html: str | None


def write(style: str, text: str, answered: Letter | None) -> Body:
    """The body of a mail in this style, with a quote of what it answers."""
    return _STYLES[style](text, answered)


def _gmail(text: str, answered: Letter | None) -> Body:
    if answered is None:
        return Body(text + "\n", f'<div dir="ltr">{_html(text)}</div>\n')
    when = _moment(answered)
    date = f"{_DAYS[when.weekday()][:3]}, {when.day} {_MONTHS[when.month - 1][:3]} {when.year} a las {when.hour}:{when:%M}"
    first, second = f"El {date}, {answered.from_name}", f"(<{answered.from_address}>) escribió:"
    # The line is wrapped before the address when it is long.
    line = f"{first} {second}" if len(first) + len(second) < 76 else f"{first}\n{second}"
    attribution = f'{escape(first)} (&lt;<a href="mailto:{answered.from_address}">{answered.from_address}</a>&gt;) escribió:'
    quote = answered.html or _html(answered.text)
    return Body(
        f"{text}\n\n{line}\n\n{_marked(answered.text)}\n",
        f'<div dir="ltr">{_html(text)}</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" '
        f'class="gmail_attr">{attribution}<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex">'
        f"{quote}</blockquote></div>\n",
    )


def _outlook(text: str, answered: Letter | None) -> Body:
    shown = f'<div class="elementToProof">{_html(text)}</div>'
    if answered is None:
        return Body(text + "\n", f"<html><body>{shown}</body></html>\n")
    when = _moment(answered)
    sent = f"{_DAYS[when.weekday()]}, {when.day} de {_MONTHS[when.month - 1]} de {when.year} {when.hour}:{when:%M}"
    header = {
        "De": f"{answered.from_name} <{answered.from_address}>",
        "Enviado": sent,
        "Para": "; ".join(answered.to),
        "Asunto": answered.subject,
    }
    lines = "\n".join(f"{name}: {value}" for name, value in header.items())
    block = "<br>".join(f"<b>{name}:</b> {escape(value)}" for name, value in header.items())
    return Body(
        f"{text}\n\n{'_' * 32}\n{lines}\n\n{answered.text}\n",
        f'<html><body>{shown}<div id="appendonsend"></div><hr style="display:inline-block;width:98%">'
        f'<div id="divRplyFwdMsg" dir="ltr">{block}</div><div>{answered.html or _html(answered.text)}</div></body></html>\n',
    )


def _apple(text: str, answered: Letter | None) -> Body:
    signed = f"{text}\n\nEnviado desde mi iPhone"
    if answered is None:
        return Body(signed + "\n", f'<html><body dir="auto">{_html(signed)}</body></html>\n')
    when = _moment(answered)
    half = "a.m." if when.hour < 12 else "p.m."
    date = f"{when.day} {_MONTHS[when.month - 1][:3]} {when.year}, a la(s) {when.hour % 12 or 12}:{when:%M} {half}"
    line = f"El {date}, {answered.from_name} <{answered.from_address}> escribió:"
    return Body(
        f"{signed}\n\n> {line}\n> \n{_marked(answered.text)}\n",
        f'<html><body dir="auto">{_html(signed)}<div dir="ltr"><br><blockquote type="cite">{escape(line)}<br><br></blockquote>'
        f'</div><blockquote type="cite"><div dir="ltr">{answered.html or _html(answered.text)}</div></blockquote></body>'
        "</html>\n",
    )


def _thunderbird(text: str, answered: Letter | None) -> Body:
    if answered is None:
        return Body(text + "\n", None)
    when = _moment(answered)
    line = f"El {when:%d/%m/%Y} a las {when.hour}:{when:%M}, {answered.from_name} escribió:"
    return Body(f"{text}\n\n{line}\n{_marked(answered.text)}\n", None)


def _yahoo(text: str, answered: Letter | None) -> Body:
    shown = f'<div class="yahoo-style-wrap">{_html(text)}</div>'
    if answered is None:
        return Body(f" {text}\n", f"<html><body>{shown}</body></html>\n")
    when = _moment(answered)
    date = f"{_DAYS[when.weekday()]}, {when.day} de {_MONTHS[when.month - 1]} de {when.year}, {when:%H:%M:%S} CST"
    line = f"El {date}, {answered.from_name} <{answered.from_address}> escribió:"
    return Body(
        f" {text}\n\n    {line}  \n \n {answered.text}\n",
        f'<html><body>{shown}<div class="yahoo_quoted">{escape(line)}<br>{answered.html or _html(answered.text)}</div>'
        "</body></html>\n",
    )


def _plain(text: str, answered: Letter | None) -> Body:
    return Body(text + "\n", None)


def _moment(letter: Letter) -> datetime:
    return datetime.fromtimestamp(letter.date, MEXICO)


def _marked(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n"))


def _html(text: str) -> str:
    return escape(text).replace("\n", "<br>")


_STYLES: dict[str, Callable[[str, Letter | None], Body]] = {
    "gmail": _gmail,
    "outlook": _outlook,
    "apple": _apple,
    "thunderbird": _thunderbird,
    "yahoo": _yahoo,
    "plain": _plain,
}
