"""A person is called with a reason; leaving and coming back are confirmed; a customer's data is kept if it is valid."""

from __future__ import annotations

import pytest

from actions.contact import ActionConfirmarDatos, ActionCorregirDatos, ActionGuardarDatos
from actions.contact_data import read_email, read_name, read_phone
from actions.people import ActionAlta, ActionBaja, ActionPasarConHumano
from tests.unit.actions.conftest import DOMAIN, make_tracker, run


@pytest.mark.parametrize(("intent", "reason"), [
    ("hablar_con_humano", "pidió hablar con una persona"), ("estado_pedido", "preguntó por su pedido o por su pago"),
    ("cancelar_pedido", "quiere cancelar un pedido"), ("pedir_factura", "pidió factura"),
    ("afirmar", "pidió hablar con una persona"),
    ("", "pidió hablar con una persona"),
])  # fmt: skip
async def test_a_person_takes_over_and_reads_why(services, intent: str, reason: str):
    outcome = await run(ActionPasarConHumano(services), make_tracker("ayuda", intent))
    assert outcome.said == ["utter_pasando_con_humano"]
    assert outcome.effects == [{"effect": "handover", "reason": reason}]


async def test_a_complaint_also_calls_for_attention(services):
    outcome = await run(ActionPasarConHumano(services), make_tracker("llegó roto", "reportar_problema"))
    assert outcome.effects == [
        {"effect": "handover", "reason": "reportó un problema"},
        {"effect": "attention", "kind": "complaint", "reason": "reportó un problema"},
    ]


async def test_outside_business_hours_whoever_needs_a_person_is_told_when_one_answers(services):
    services.opens = "mañana a las 9:00"
    outcome = await run(ActionPasarConHumano(services), make_tracker("ayuda", "hablar_con_humano"))
    assert outcome.said == ["utter_pasando_con_humano", "utter_fuera_de_horario"]
    assert "mañana a las 9:00" in str(outcome.messages)
    outcome = await run(ActionBaja(services), make_tracker())
    assert outcome.said == ["utter_baja_confirmada"]


@pytest.mark.parametrize(("action", "effect", "said"), [
    (ActionBaja, "opt_out", "utter_baja_confirmada"), (ActionAlta, "opt_in", "utter_alta_confirmada"),
])  # fmt: skip
async def test_leaving_and_coming_back(services, action, effect: str, said: str):
    outcome = await run(action(services), make_tracker())
    assert (outcome.effects, outcome.said) == ([{"effect": effect}], [said])


async def test_valid_data_is_kept_and_the_rest_left_out(services):
    said = "soy ana lópez, mi cel 55 1234 5678 y mi correo ana@correo, gracias"
    entities = {"nombre": "ana lópez", "telefono": "55 1234", "correo": "ana@correo", "ciudad": "Puebla"}
    outcome = await run(ActionGuardarDatos(services), make_tracker(said, "dar_datos", entities=entities))
    assert outcome.effects == [{"effect": "contact", "name": "Ana López", "phone": "+525512345678", "city": "Puebla"}]
    assert (outcome.said, outcome.slots) == (["utter_datos_guardados"], {"cliente_nombre": "Ana López"})


async def test_data_without_entities_is_read_from_the_text(services):
    outcome = await run(ActionGuardarDatos(services), make_tracker("me llamo Juan de la Cruz, juan@x.mx", "dar_datos"))
    assert outcome.effects == [{"effect": "contact", "name": "Juan de la Cruz", "email": "juan@x.mx"}]


async def test_nothing_valid_is_asked_again_and_nothing_written(services):
    outcome = await run(ActionGuardarDatos(services), make_tracker("mi tel es 123", "dar_datos", entities={"nombre": "123"}))
    assert (outcome.effects, outcome.events, len(outcome.said)) == ([], [], 1)


@pytest.mark.parametrize(("said", "phone"), [
    ("mi cel es 55 1234 5678", "+525512345678"), ("+52 1 55 1234 5678", "+525512345678"), ("5512345678", "+525512345678"),
    ("044 55 1234 5678", "+525512345678"), ("(55) 1234-5678.", "+525512345678"), ("55-12-34-56-78 gracias", "+525512345678"),
    ("+1 415 555 2671", "+14155552671"), ("123", None), ("folio 123456789012345", None), ("1111111111", None),
    ("0123456789", None), ("", None), ("$5512345678", None),
])  # fmt: skip
def test_phones(said: str, phone: str | None):
    found = read_phone(said)
    assert (found and found.value) == phone


@pytest.mark.parametrize(("said", "email"), [
    ("ana@correo.com", "ana@correo.com"), ("Es ANA.LOPEZ@Gmail.Com.", "ana.lopez@gmail.com"), ("<x@y.mx>", "x@y.mx"),
    ("a@b", None), ("a..b@c.com", None), ("ana@correo,com", None), ("@ana", None), ("a@-b.com", None), ("a@b.com@c", None),
    (f"{'a' * 70}@x.mx", None), ("", None),
])  # fmt: skip
def test_mail_addresses(said: str, email: str | None):
    found = read_email(said)
    assert (found and found.value) == email


@pytest.mark.parametrize(("said", "meant"), [
    ("ana@gmial.com", "ana@gmail.com"), ("ana@gmail.con", "ana@gmail.com"), ("ana@hotmial.com", "ana@hotmail.com"),
    ("ana@outlok.com", "ana@outlook.com"), ("ana@yaho.com.mx", "ana@yahoo.com.mx"),
])  # fmt: skip
def test_an_address_that_looks_like_a_slip_is_not_sure(said: str, meant: str):
    found = read_email(said)
    assert found is not None
    assert (found.value, found.sure) == (meant, False)


@pytest.mark.parametrize("said", ["ana@gmail.com", "ana@extractoseum.com", "ana@ymail.com", "ana@unam.mx", "ana@yahoo.com.mx"])
def test_an_address_of_its_own_domain_is_sure(said: str):
    found = read_email(said)
    assert found is not None
    assert (found.value, found.sure) == (said, True)


@pytest.mark.parametrize(("said", "sure"), [
    ("55 1234 5678", True), ("+1 415 555 2671", True), ("+1 415 555 2671, 55 1234 5678", False),
    ("55 1234 5678 o 33 1234 5678", False), ("6001234567", False), ("55 1234 5678 (5512345678)", True),
])  # fmt: skip
def test_a_number_that_the_plan_does_not_know_and_one_of_several_are_not_sure(said: str, sure: bool):
    found = read_phone(said)
    assert found is not None
    assert found.sure is sure


async def test_a_likely_slip_is_asked_back_and_kept_after_a_yes(services):
    said = "soy Ana López, mi correo es ana@gmial.com"
    asked = await run(ActionGuardarDatos(services), make_tracker(said, "dar_datos", entities={"nombre": "Ana López"}))
    assert (asked.said, asked.effects) == (["utter_confirmar_datos"], [{"effect": "contact", "name": "Ana López"}])
    assert "ana@gmail.com" in str(asked.messages)
    slots = {name: value for name, value in asked.slots.items() if name != "cliente_nombre"}
    kept = await run(ActionConfirmarDatos(services), make_tracker("sí", "afirmar", **slots))
    assert (kept.said, kept.effects) == (["utter_datos_guardados"], [{"effect": "contact", "email": "ana@gmail.com"}])
    assert kept.slots == {"confirmando": False, "datos_por_confirmar": None}


PENDING = [{"event": "slot", "name": "confirmando", "value": True}, {"event": "user", "text": "x"}]


async def test_a_yes_before_other_data_confirms_what_was_asked_back(services):
    slots = {"confirmando": False, "datos_por_confirmar": '{"email": "ana@gmail.com"}'}
    for said, contact in (
        ("sí pero mi nombre es Ana", {"email": "ana@gmail.com", "name": "Ana"}),
        ("sí, ese es", {"email": "ana@gmail.com"}),
        ("si, o mejor ana@x.mx", {"email": "ana@x.mx"}),
        ("mi nombre es Ana", {"name": "Ana"}),
    ):
        outcome = await run(ActionGuardarDatos(services), make_tracker(said, "dar_datos", events=PENDING, **slots))
        assert (outcome.said, outcome.effects) == (["utter_datos_guardados"], [{"effect": "contact", **contact}])
    late = [*PENDING, {"event": "slot", "name": "confirmando", "value": False}, {"event": "user", "text": "x"}]
    outcome = await run(ActionGuardarDatos(services), make_tracker("sí, ese es", "dar_datos", events=late, **slots))
    assert (outcome.said, outcome.effects) == (["utter_datos_invalidos"], [])


async def test_an_address_is_thanked_for(services):
    told = make_tracker("mi direccion es calle 5 de mayo 23, centro", "dar_datos")
    outcome = await run(ActionGuardarDatos(services), told)
    assert (outcome.said, outcome.effects, outcome.events) == (["utter_direccion"], [], [])


async def test_after_a_no_nothing_is_kept(services):
    slots = {"confirmando": True, "datos_por_confirmar": '{"email": "ana@gmail.com"}'}
    outcome = await run(ActionCorregirDatos(services), make_tracker("no", "negar", **slots))
    assert (outcome.said, outcome.effects) == (["utter_corregir_datos"], [])
    assert outcome.slots == {"confirmando": False, "datos_por_confirmar": None}


async def test_in_the_middle_of_an_order_nothing_is_asked_that_a_yes_could_answer(services):
    tracker = make_tracker("mi correo es ana@gmial.com", "dar_datos", form=True)
    outcome = await run(ActionGuardarDatos(services), tracker)
    assert (outcome.said, outcome.effects, outcome.slots) == (["utter_datos_dudosos_en_pedido"], [], {})


@pytest.mark.parametrize(("entities", "said", "name"), [
    (["ana lópez"], "", "Ana López"), ([], "me llamo ana lópez y mi tel es 55", "Ana López"),
    ([], "A nombre de MARÍA DEL CARMEN", "María del Carmen"),
    (["O’Farrill-Peña"], "", "O’Farrill-Peña"), (["Ana", "López"], "", "Ana López"),
    ([], "me llamo 123", None), (["<b>"], "", None),
    (["a"], "", None), ([""], "", None), ([], "hola", None), (["Ana\u202e\u200b"], "", "Ana"), (["x" * 200], "", None),
])  # fmt: skip
def test_names(entities: list[str], said: str, name: str | None):
    assert read_name(entities, said) == name


@pytest.mark.parametrize("action", [ActionBaja, ActionAlta, ActionPasarConHumano])
async def test_a_response_that_the_domain_lacks_is_said_in_our_words(services, action):
    outcome = await run(action(services), make_tracker(), {**DOMAIN, "responses": {}})
    assert len(outcome.said[0]) > 10
    assert len(outcome.effects) == 1
