"""New text out of plain text: nothing invented, nothing lost, in linear time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.email.quotes import MAX_LINES, clean, strip
from tests.support.growth import assert_linear

REPLIES = Path(__file__).parents[2] / "fixtures" / "email" / "replies"
TEXTS = [json.loads(file.read_text(encoding="utf-8"))["text"] for file in sorted(REPLIES.glob("*.json"))]

GMAIL = "El dom, 22 nov 2026 a las 9:02, ACME (<bot@acme.mx>) escribió:"
OUTLOOK = "De: ACME <bot@acme.mx>\nEnviado: domingo, 22 de noviembre de 2026 09:02\nPara: Ana\nAsunto: Tu cita"


@pytest.mark.parametrize("introduction", [
    "El lun, 3 mar 2025 a las 10:22, ACME (<a@b.mx>) escribió:",
    "El lun, 3 mar 2025 a las 10:22, ACME\n(<a@b.mx>) escribió:",
    "El lun, 3 mar 2025 a las 10:22, Una Empresa de Nombre Muy Largo\nS.A. de C.V. <\nuna.direccion.larga@b.mx>\nescribió:",
    "El 3 mar 2025, a la(s) 10:22 a.m., ACME <a@b.mx> escribió:",
    "El 3 mar 2025, a la(s) 10:22\u202fa.m., ACME <a@b.mx> escribió:",
    "El 03/03/2025 a las 10:22, ACME escribió:",
    "El lunes, 3 de marzo de 2025, 10:22:05 CST, ACME <a@b.mx> escribió:",
    "El lunes, 3 de marzo de 2025 10:22, ACME escribio:",
    "El 3 de marzo de 2025, ACME escribió lo siguiente:",
    "On Mon, Mar 3, 2025 at 10:22 AM ACME <a@b.mx> wrote:",
    "On Mar 3, 2025, at 10:22 AM, ACME <a@b.mx> wrote:",
    "On 3/3/25 10:22, ACME wrote:",
    "On Nov 22, 2026, ACME wrote:",
    "*On Mon, Mar 3, 2025 at 10:22 AM ACME <a@b.mx> wrote:*",
    "Em seg., 3 de mar. de 2025 às 10:22, ACME <a@b.mx> escreveu:",
    "Le lun. 3 mars 2025 à 10:22, ACME <a@b.mx> a écrit :",
    "Am Mo., 3. März 2025 um 10:22 Uhr schrieb ACME <a@b.mx>:",
    "Il giorno lun 3 mar 2025 alle ore 10:22 ACME <a@b.mx> ha scritto:",
    "2015-03-03 10:22 GMT-06:00 ACME <a@b.mx>:",
    "ACME <a@b.mx> escribió el 3/3/2025 a las 10:22:",
    "-----Mensaje original-----",
    "----- Original Message -----",
    "-------- Mensaje original --------",
    "---------- Forwarded message ---------",
    "Inicio del mensaje reenviado:",
    "Begin forwarded message:",
    OUTLOOK,
    "________________________________\n" + OUTLOOK,
    "*De:* ACME <a@b.mx>\n*Enviado el:* lunes\n*Para:* Ana\n*CC:* Eva\n*Asunto:* Cita",
    "From: ACME\nSent: Monday\nTo: Ana\nSubject: Appointment",
    "De:\nACME\nEnviado:\nlunes\nPara:\nAna\nAsunto:\nCita",
])  # fmt: skip
@pytest.mark.parametrize("mark", ["", "> "])
def test_a_quote_is_left_out_with_its_introduction(introduction: str, mark: str) -> None:
    quote = "\n".join(mark + line for line in ("¿Confirmas?", "", "Saludos"))
    assert strip(f"Sí, a las 5.\n\n{introduction}\n\n{quote}\n").text == "Sí, a las 5."


@pytest.mark.parametrize("ending", [
    "-- \nAna Pérez\nTel. 55 1234 5678", "--\nAna", "Enviado desde mi iPhone", "Enviado desde mi Samsung Galaxy smartphone.",
    "Enviado desde Outlook para Android", "Enviado desde Yahoo Mail para iPhone", "Enviado con Proton Mail correo seguro.",
    "Obtener Outlook para iOS<https://aka.ms/o0ukef>", "Obtener <https://aka.ms/x> Outlook para Android",
    "Sent from my iPad", "Sent from Mail for Windows", "Get Outlook for Android<https://aka.ms/x>",
    "Sent with Proton Mail secure email.",
    "AVISO DE CONFIDENCIALIDAD: Este mensaje y sus adjuntos son confidenciales y para uso exclusivo de su destinatario.",
    "Este correo electrónico y sus anexos pueden contener información confidencial; si lo recibió por error,\nelimínelo.",
    "CONFIDENTIALITY NOTICE: This message and any attachments are intended only for the person it is addressed to and others.",
    "Antes de imprimir este correo piense bien si es necesario hacerlo: cuidar el medio ambiente es tarea de todos.",
    "Libre de virus.www.avast.com", "________________________________", "Enviado desde mi iPhone\n\n-- \nAna",
])  # fmt: skip
def test_what_signs_a_mail_is_left_out(ending: str) -> None:
    assert strip(f"Quiero dos frascos.\n\n{ending}\n").text == "Quiero dos frascos."
    assert strip(f"Quiero dos frascos.\n\n{ending}\n\n{GMAIL}\n\n> ¿Cuántos?\n").text == "Quiero dos frascos."


@pytest.mark.parametrize("text", [
    "El cliente escribió:\nquiero dos",
    "El 3 de mayo mi hermana me escribió:\nya llegó",
    "On sale you wrote: is it true?",
    "De: la tienda",
    "De: Guadalajara\nPara: Mérida\nFecha: 3 de mayo",
    "Para: Ana\nAsunto: pedido 5",
    "Enviado desde la sucursal Centro",
    "Sent from the store yesterday",
    "Mensaje original de la caja: frágil",
    "Confidencial: ¿me lo mandan en caja lisa?",
    "Este correo es para pedir informes, adjunto mi comprobante de domicilio y mi identificación, gracias de antemano.",
    "Quedan 3 -- creo -- en la caja",
    "a\n-----\nb",
    "1. árnica > 2 piezas\n2. menta",
    "http://acme.mx/de: x\nwww.avast.com es otra cosa",
])  # fmt: skip
def test_what_people_say_stays(text: str) -> None:
    stripped = strip(text)
    assert stripped.text == text
    assert not stripped.nothing_new


def test_an_address_below_a_list_does_not_make_it_a_block_of_headers() -> None:
    text = "Cotízame:\nDe: Guadalajara\nPara: Monterrey\nFecha: 3 de mayo\nMi correo es ana@example.com"
    assert strip(f"{text}\n\n{GMAIL}\n\n> Hola").text == text


def test_answers_between_quotes_and_below_them_stay() -> None:
    text = f"Abajo va:\n\n{GMAIL}\n> ¿Talla?\nM\n\n> ¿Color?\n>\n> gracias\n\nRojo\n\n-- \nAna\n"
    assert strip(text).text == "Abajo va:\n\nM\n\nRojo"
    assert strip(f"{GMAIL}\n\n> ¿Talla?\n\nM\n").text == "M"


def test_forwarded_text_is_told_apart() -> None:
    forwarded = "---------- Forwarded message ---------\nDe: Tienda <t@x.mx>\nSubject: Promo\n\nÁrnica al 2x1"
    stripped = strip(f"¿Sigue vigente?\n\n{forwarded}\n")
    assert (stripped.text, stripped.rest, stripped.forwards) == ("¿Sigue vigente?", forwarded, True)
    assert not strip(f"Sí\n\n{OUTLOOK}\n\nHola").forwards
    alone = strip(forwarded)
    assert (alone.text, alone.nothing_new, alone.rest) == (forwarded, True, forwarded)


@pytest.mark.parametrize(("text", "kept"), [
    (f"{GMAIL}\n\nHola", f"{GMAIL}\n\nHola"),
    ("> solo\n> cita", "> solo\n> cita"),
    ("Enviado desde mi iPhone", "Enviado desde mi iPhone"),
    ("-- \nAna", "--\nAna"),
])  # fmt: skip
def test_where_nothing_is_new_everything_is_there(text: str, kept: str) -> None:
    assert (strip(text).text, strip(text).nothing_new) == (kept, True)


# --- what holds for every text ---------------------------------------------------------------------------------------------

_pieces = st.one_of(
    st.sampled_from([
        GMAIL, OUTLOOK, "> cita", ">", "", " ", "-- ", "--", "Enviado desde mi iPhone", "Hola", "El dom 22", "escribió:",
        "On Monday", "wrote:", "De: x", "Para: y", "Asunto: z", "-----Mensaje original-----", "____________",
        "Begin forwarded message:", "AVISO DE CONFIDENCIALIDAD: " + "x" * 90, "\u200b", "\x0b", "\r", "a\u2028b",
        "12:30 2026 a@b",
    ]),
    st.text(max_size=40),
)  # fmt: skip
_texts = st.lists(_pieces, max_size=25).map("\n".join)


@settings(deadline=None)
@given(_texts)
@example("")
@example("\u200b")
def test_every_line_stood_in_the_mail_in_this_order(text: str) -> None:
    there = iter([line.rstrip() for line in clean(text).split("\n")])
    for line in strip(text).text.split("\n"):
        assert line == "" or line in there


@settings(deadline=None)
@given(_texts)
def test_a_mail_with_text_never_becomes_empty(text: str) -> None:
    assert bool(strip(text).text.strip()) == bool(clean(text).strip())


@settings(deadline=None)
@given(st.sampled_from([text for text in TEXTS if not text.startswith(">")]), _texts)
def test_what_is_quoted_never_comes_back(text: str, before: str) -> None:
    quoted = "\n".join(f"> XYZZY {line}" for line in clean(before).split("\n"))
    assert strip(f"{text}\n\n{GMAIL}\n\n{quoted}").text == text


@settings(deadline=None)
@given(st.lists(st.sampled_from(["Hola.", "¿Tienen árnica?", "Gracias", "Son 3 piezas de 60 ml"]), min_size=1, max_size=8))
def test_plain_words_stay_as_they_are(lines: list[str]) -> None:
    assert strip("\n".join(lines)).text == "\n".join(lines)


def test_only_the_beginning_of_an_endless_mail_is_read() -> None:
    assert strip("a\n" * (MAX_LINES * 2)).text.count("a") == MAX_LINES


HOSTILE = [
    "> ", "El ", "On ", "wrote:", "escribió: ", "El 22 nov 2026 9:02 a@b ", "El 22 nov 2026 9:02 <a@b> escribió: ",
    "<a@b> wrote ", "De: ", "De: x\n", "De: x\nPara: y\n", "-- \n", "--\n", "_____", "-----", "Enviado desde mi ",
    "AVISO LEGAL ", "Confidencial: \n", "El a\n", "El a\nb\nc\n", "\n", " \n", "a\n> b\n", "\u0301\u0316", "\u200b", "*",
    "@", "<", "\r",
    "2015-03-03 10:22 <", "[image: avast ", "https://www.avast.com", "schrieb ", "wrote ",
]  # fmt: skip


def assert_linear_for(unit: str) -> None:
    assert_linear(strip, lambda count: unit * count, 100_000 // len(unit), noise=0.005)


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_repetitions_take_linear_time(unit: str) -> None:
    assert_linear_for(unit)


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=" >\nElOn:@-_*<", min_size=1, max_size=400))
def test_no_pattern_of_signs_takes_more(unit: str) -> None:
    assert_linear_for(unit)
