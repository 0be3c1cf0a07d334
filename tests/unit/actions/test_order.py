"""An order takes products that exist and whole pieces, is written down once, and is then forgotten."""

from __future__ import annotations

import math

import pytest
from rasa_sdk.events import ActiveLoop, FollowupAction

from actions.order import ActionOlvidarPedido, ActionRegistrarPedido, ValidatePedidoForm
from actions.quantity import parse_quantity
from ara.knowledge import Knowledge
from tests.unit.actions.conftest import KNOWLEDGE, make_tracker, run

FORGOTTEN = {"producto": None, "cantidad": None, "sin_respuesta": None, "siguientes": None}
RETURNS = KNOWLEDGE.document("devoluciones/devoluciones-y-cambios")


def answering(slot: str, value, text: str | None = None, *, intent: str = "hacer_pedido", entities=None, **slots):
    """A tracker in which the customer just filled a slot of the form."""
    slots = {"producto": None, "cantidad": None, "requested_slot": slot, **slots, slot: value}
    events = [{"event": "user", "text": "x"}, {"event": "slot", "name": slot, "value": value}]
    return make_tracker(str(value) if text is None else text, intent, form=True, events=events, entities=entities, **slots)


async def fill(services, slot: str, value, text: str | None = None, **slots):
    return await run(ValidatePedidoForm(services), answering(slot, value, text, **slots))


@pytest.mark.parametrize(("value", "product"), [
    ("árnica", "Árnica"), ("ARNICA", "Árnica"), ("quiero valerianas porfa", "Valeriana"), ("camomila", "Manzanilla"),
    (["árnica", "arnica montana"], "Árnica"), ("melena d leon, o sea melena de león", "Melena de león"),
])  # fmt: skip
async def test_a_product_is_taken_by_its_catalogue_name(services, value, product: str):
    outcome = await fill(services, "producto", value)
    assert (outcome.slots, outcome.said) == ({"producto": product}, [])


@pytest.mark.parametrize("value", ["peyote", "no sé", "x" * 5000, "{producto}", "🌿"])
async def test_an_unknown_product_is_asked_again(services, value: str):
    outcome = await fill(services, "producto", value)
    assert (outcome.slots, outcome.said) == ({"producto": None}, ["utter_producto_desconocido"])


@pytest.mark.parametrize(("said", "intent", "answer"), [
    ("tienen tila?", "preguntar_disponibilidad", ["Sí tenemos. Tila (frasco gotero de 60 ml): $115."]),
    ("qué es la moringa?", "preguntar_producto", [KNOWLEDGE.find_products("moringa")[0].say_all()]),
    ("moringa", "preguntar_producto", []), ("la tila", "hacer_pedido", []), ("MORINGA!", "preguntar_disponibilidad", []),
])  # fmt: skip
async def test_a_question_that_chooses_a_product_is_answered_as_well(services, said: str, intent: str, answer: list[str]):
    outcome = await fill(services, "producto", said, intent=intent)
    assert outcome.said == answer
    assert outcome.slots["producto"]


async def test_a_sold_out_product_is_not_taken(services):
    outcome = await fill(services, "producto", "ginkgo")
    assert (outcome.slots, outcome.said) == ({"producto": None}, ["Por ahora no tenemos Ginkgo biloba, se nos agotó."])


async def test_two_products_are_taken_one_by_one(services):
    outcome = await fill(services, "producto", "árnica y lavanda")
    assert outcome.slots == {"producto": None, "siguientes": ["Árnica", "Lavanda"]}
    assert [choice["title"] for choice in outcome.messages[0]["quick_replies"]] == ["Árnica", "Lavanda"]


# Rasa puts the last of several values into a slot: "2 de valeriana y 3 de árnica" would order the árnica alone.
async def test_of_two_products_in_one_line_none_is_lost(services):
    named = {"entities": {"producto": ["valeriana", "árnica"], "cantidad": ["2", "3"]}}
    said = "quiero 2 de valeriana y 3 de árnica"
    outcome = await fill(services, "producto", "árnica", said, **named)
    assert outcome.slots == {"producto": None, "siguientes": ["Árnica", "Valeriana"]}
    assert outcome.said == ["utter_uno_por_uno"]
    assert [choice["title"] for choice in outcome.messages[0]["quick_replies"]] == ["Árnica", "Valeriana"]
    outcome = await fill(services, "cantidad", "3", said, **named)
    assert (outcome.slots, outcome.said) == ({"cantidad": None}, [])
    named["entities"]["cantidad"] = ["3", "una"]
    outcome = await fill(services, "cantidad", "una", "quiero 3 de valeriana y una de árnica", **named)
    assert outcome.slots == {"cantidad": None}
    same = {"entities": {"producto": ["valeriana", "valerianas"], "cantidad": ["2", "dos"]}}
    assert (await fill(services, "producto", "valerianas", said, **same)).slots == {"producto": "Valeriana"}
    assert (await fill(services, "cantidad", "dos", said, **same)).slots == {"cantidad": 2}


@pytest.mark.parametrize(("said", "named", "wanted"), [
    ("mejor valeriana en vez de árnica", ["valeriana", "árnica"], "Valeriana"),
    ("en lugar de árnica quiero romero", ["árnica", "romero"], "Romero"),
    ("cámbiame el árnica por melena de león", ["árnica", "melena de león"], "Melena de león"),
    ("en vez de árnica, romero", ["árnica", "romero"], None), ("cambio árnica y romero", ["árnica", "romero"], None),
])  # fmt: skip
async def test_of_an_exchange_the_new_product_is_taken(services, said: str, named: list[str], wanted: str | None):
    outcome = await fill(services, "producto", named[-1], said, entities={"producto": named})
    assert (outcome.slots["producto"], outcome.said) == (wanted, [] if wanted else ["utter_uno_por_uno"])


async def test_a_question_about_two_products_is_answered_before_one_is_chosen(services):
    named = {"entities": {"producto": ["tila", "romero"]}, "intent": "preguntar_disponibilidad"}
    outcome = await fill(services, "producto", "romero", "tienen tila y romero?", **named)
    assert [answer[:9] for answer in outcome.said] == ["Sí tenemo", "Sí tenemo", "utter_uno"]


async def test_two_quantities_in_one_line_are_asked_again(services):
    outcome = await fill(services, "cantidad", "3", "2 o 3 de valeriana", entities={"cantidad": ["2", "3"]})
    assert (outcome.slots, outcome.said) == ({"cantidad": None}, ["utter_cantidad_invalida"])


@pytest.mark.parametrize(("said", "entity", "pieces"), [
    ("quiero 2 docenas de tila", "2", 24), ("una docena y media de tila", "docena", 18), ("tres pares de tila", "tres", 6),
    ("media docena de tila, mi cel es", "media docena", 6), ("quiero 2 y medio de tila", "2", None),
])  # fmt: skip
async def test_dozens_pairs_and_halves_are_counted_as_written(services, said: str, entity: str, pieces: int | None):
    outcome = await fill(services, "cantidad", entity, said, entities={"cantidad": entity, "producto": "tila"}, producto="Tila")
    assert outcome.slots == {"cantidad": pieces}


async def test_the_number_of_a_house_is_no_quantity(services):
    told = {"entities": {"cantidad": "45"}, "intent": "dar_datos", "producto": "Tila"}
    outcome = await fill(services, "cantidad", "45", "calle Hidalgo 45, colonia Centro", **told)
    assert (outcome.slots, outcome.said) == ({"cantidad": None}, [])


@pytest.mark.parametrize("intent", ["hacer_pedido", "dar_datos"])
async def test_data_that_come_with_an_answer_are_kept(services, intent: str):
    told = {"entities": {"cantidad": "dos", "nombre": "Ana Ruiz"}, "intent": intent, "producto": "Tila"}
    outcome = await fill(services, "cantidad", "dos", "dos, soy Ana Ruiz y mi tel es 5512345678", **told)
    assert outcome.slots == {"cantidad": 2, "cliente_nombre": "Ana Ruiz"}
    assert (outcome.effects, outcome.said) == (
        [{"effect": "contact", "name": "Ana Ruiz", "phone": "+525512345678"}],
        ["utter_datos_guardados"],
    )


async def test_a_city_in_an_order_is_not_yet_where_the_customer_lives(services):
    told = {"entities": {"cantidad": "2", "ciudad": "Puebla"}, "producto": "Tila"}
    outcome = await fill(services, "cantidad", "2", "quiero 2 para mandar a Puebla", **told)
    assert (outcome.slots, outcome.effects) == ({"cantidad": 2}, [])


async def test_data_that_may_be_a_slip_wait_until_the_order_is_done(services):
    told = {"entities": {"cantidad": "dos", "correo": "ana@gmial.com"}, "intent": "dar_datos", "producto": "Tila"}
    outcome = await fill(services, "cantidad", "dos", "dos, mi correo es ana@gmial.com", **told)
    assert (outcome.slots, outcome.effects, outcome.said) == ({"cantidad": 2}, [], ["utter_datos_dudosos_en_pedido"])


async def test_data_alone_are_kept_by_their_rule_and_not_twice(services):
    tracker = make_tracker("mi tel es 5512345678", "dar_datos", form=True, requested_slot="cantidad", producto="Tila")
    outcome = await run(ValidatePedidoForm(services), tracker)
    assert (outcome.effects, outcome.said) == ([], [])


async def test_one_answer_may_say_what_and_how_many(services):
    assert (await fill(services, "producto", "2 de arnica de 60 ml")).slots == {"producto": "Árnica", "cantidad": 2}
    assert (await fill(services, "producto", "3 o 4 de arnica")).slots == {"producto": "Árnica"}
    assert (await fill(services, "producto", "2 de arnica", cantidad=5)).slots == {"producto": "Árnica"}


async def test_without_a_catalogue_a_person_checks_the_order(services):
    services.known = Knowledge()
    assert (await fill(services, "producto", "peyote")).slots == {"producto": "peyote"}


@pytest.mark.parametrize(("value", "pieces"), [("2", 2), (2.0, 2), ("un par", 2), (["2"], 2), ("dos de árnica", 2)])
async def test_a_quantity_is_whole_pieces(services, value, pieces: int):
    outcome = await fill(services, "cantidad", value, producto="Árnica")
    assert (outcome.slots, outcome.said) == ({"cantidad": pieces}, [])


@pytest.mark.parametrize("value", ["medio", "2.5", "0", "-1", "1000", "muchos", "2 o 3", math.inf, 0.5])
async def test_an_unclear_quantity_is_asked_again(services, value):
    outcome = await fill(services, "cantidad", value, producto="Árnica")
    assert (outcome.slots, outcome.said) == ({"cantidad": None}, ["utter_cantidad_invalida"])


@pytest.mark.parametrize(
    ("slot", "unclear"), [("producto", "utter_producto_desconocido"), ("cantidad", "utter_cantidad_invalida")]
)
async def test_what_is_no_answer_to_the_form_may_be_a_question(services, slot: str, unclear: str):
    asked = {"intent": "nlu_fallback", "requested_slot": slot}
    outcome = await fill(services, slot, "aceptan devoluciones?", **asked)
    assert (outcome.slots, outcome.said) == ({slot: None, "sin_respuesta": 1}, [unclear])
    services.memory.finds = (RETURNS.id,)
    outcome = await fill(services, slot, "aceptan devoluciones?", **asked, sin_respuesta=1)
    assert (outcome.slots, outcome.said) == ({slot: None}, [RETURNS.text])
    # Whoever means to order is not answered about something else.
    outcome = await fill(services, slot, "aceptan devoluciones?", **{**asked, "intent": "hacer_pedido"})
    assert (outcome.slots, outcome.said) == ({slot: None}, [unclear])


async def test_what_was_not_understood_three_times_goes_to_a_person(services):
    services.opens = "mañana a las 9:00"
    asked = {"intent": "nlu_fallback", "requested_slot": "cantidad", "producto": "Tila"}
    outcome = await fill(services, "cantidad", "el martes", **asked, sin_respuesta=2)
    assert outcome.said == ["utter_no_se", "utter_fuera_de_horario"]
    assert outcome.effects == [{"effect": "handover", "reason": "el bot no supo responder a medio pedido de Tila"}]
    assert outcome.slots == {**FORGOTTEN, "requested_slot": None}
    assert FollowupAction("action_listen") in outcome.events


async def test_a_fault_of_ours_takes_nothing_as_valid(services):
    services.known = RuntimeError("broken")
    outcome = await fill(services, "producto", "árnica")
    assert (outcome.slots, outcome.messages) == ({"producto": None}, [])


@pytest.mark.parametrize(("said", "pieces"), [
    ("2", 2), ("２", 2), ("dos", 2), ("DOS", 2), ("un par", 2), ("par", 2), ("un par de frascos", 2), ("media docena", 6),
    ("una docena", 12), ("2 docenas", 24), ("docena y media", 18), ("una decena", 10), ("3pz", 3), ("x2", 2), ("2 frascos", 2),
    ("2 frascos de 60 ml", 2), ("quiero 3 porfa", 3), ("veintiuno", 21), ("treinta y cinco", 35), ("ciento veinte", 120),
    ("un frasco", 1), ("una", 1), ("2.0", 2), ("999", 999), (7, 7), (2.0, 2), ("2, sí, 2", 2),
])  # fmt: skip
def test_quantities_that_people_write(said, pieces: int):
    assert parse_quantity(said) == pieces


@pytest.mark.parametrize("said", [
    "", "hola", "0", "cero", "-3", "1000", "1,000", "mil", "10 millones", "1/2", "½", "2½", "medio", "media", "un cuarto",
    "2.5", "2,5", "uno y medio", "2 o 3", "dos o tres", "60 ml", "$120", "5512345678", "2 y 3", "9" * 400,
    None, True, False, 0, -1, 2.5, math.nan, math.inf, 1e300,
])  # fmt: skip
def test_quantities_that_are_refused(said):
    assert parse_quantity(said) is None


def test_a_number_in_a_products_name_is_no_quantity():
    assert parse_quantity("3 de complejo b12", ignore=["Complejo B12"]) == 3


async def test_the_order_is_stated_once_confirmed_and_forgotten(services):
    outcome = await run(ActionRegistrarPedido(services), make_tracker(producto="Árnica", cantidad=2))
    assert outcome.effects == [{"effect": "order", "product": "Árnica", "quantity": 2}]
    confirmation = outcome.messages[1]
    assert (confirmation["response"], confirmation["producto"], confirmation["cantidad"]) == (
        "utter_pedido_registrado",
        "Árnica",
        2,
    )
    assert outcome.slots == FORGOTTEN


@pytest.mark.parametrize(
    "slots",
    [{}, {"producto": "Árnica", "cantidad": None}, {"producto": None, "cantidad": 2}, {"producto": "Árnica", "cantidad": 0}],
)
async def test_half_an_order_is_never_written_down(services, slots):
    outcome = await run(ActionRegistrarPedido(services), make_tracker(**slots))
    assert outcome.said == ["utter_tropiezo"]
    assert [effect["effect"] for effect in outcome.effects] == ["handover"]


# What a customer says of an order that was made, of goods that came, or of a return must never order anything.
@pytest.mark.parametrize("said", [
    "quiero devolver 1 valeriana", "quita 1 arnica de mi pedido", "cancela 1 arnica", "se me rompieron 2 frascos de arnica",
    "me llego 1 valeriana en lugar de arnica", "compré 2 valerianas y llegó rota una", "me falta 1 arnica",
    "falto 1 frasco de tila en mi pedido", "hace 5 dias pedi 1 tila", "ya te habia pedido 2 arnicas", "me llegaron 2 rotos",
    "ya pague 2 tilas", "quiero pedir otra vez lo que compré",
])  # fmt: skip
async def test_what_is_said_of_an_order_that_was_made_opens_none(services, said: str):
    services.opens = "mañana a las 9:00"
    named = {"entities": {"producto": "valeriana", "cantidad": "1"}}
    tracker = answering("cantidad", "1", said, producto="valeriana", **named)
    tracker.slots["requested_slot"] = None
    outcome = await run(ValidatePedidoForm(services), tracker)
    assert outcome.said == ["utter_pasando_con_humano", "utter_fuera_de_horario"]
    assert outcome.effects == [{"effect": "handover", "reason": "parece hablar de un pedido que ya hizo"}]
    assert outcome.slots == {**FORGOTTEN, "requested_slot": None}
    assert [e for e in outcome.events if e["event"] != "slot"] == [ActiveLoop(None), FollowupAction("action_listen")]


async def test_in_an_order_what_went_wrong_goes_to_a_person_and_what_was_said_before_does_not(services):
    asked = {"producto": "Tila", "entities": {"cantidad": "2"}}
    assert (await fill(services, "cantidad", "2", "se me rompieron 2", **asked)).said == ["utter_pasando_con_humano"]
    assert (await fill(services, "cantidad", "2", "cancela 2", **asked)).said == ["utter_pasando_con_humano"]
    assert (await fill(services, "cantidad", "2", "dos, ya te lo pedí", **asked)).slots == {"cantidad": 2}
    assert (await fill(services, "cantidad", "2", "quita la otra y ponme 2", **asked)).slots == {"cantidad": 2}


def adding(said: str, *, chosen: str = "Valeriana", opening: bool = False, intent: str = "hacer_pedido", **slots):
    """A tracker in which a product was chosen, or talked of, before the message."""
    named = [product.name for product in KNOWLEDGE.find_products(said)]
    events = [
        {"event": "slot", "name": "producto", "value": chosen}, {"event": "user", "text": said},
        *({"event": "slot", "name": "producto", "value": name} for name in named[-1:]),
        {"event": "slot", "name": "cantidad", "value": "1"},
    ]  # fmt: skip
    slots = {"producto": (named or [chosen])[-1], "requested_slot": None if opening else "cantidad", **slots, "cantidad": "1"}
    return make_tracker(said, intent, form=True, events=events, entities={"producto": named, "cantidad": "1"}, **slots)


@pytest.mark.parametrize(("said", "pieces", "together"), [
    ("2 y una arnica", 2, ["Valeriana", "Árnica"]), ("una, y dos arnicas", 1, ["Valeriana", "Árnica"]),
    ("y una tila", None, ["Valeriana", "Tila"]), ("ponle también una de romero", None, ["Valeriana", "Romero"]),
    ("además quiero dos de tila", None, ["Valeriana", "Tila"]), ("otra de tila", None, ["Valeriana", "Tila"]),
    ("dos valerianas y una de tila", 2, ["Valeriana", "Tila"]), ("agrégale 1 de tila y 1 de romero", None,
     ["Valeriana", "Romero", "Tila"]),
])  # fmt: skip
async def test_a_product_that_is_added_waits_and_the_chosen_one_stays(services, said: str, pieces: int | None, together):
    outcome = await run(ValidatePedidoForm(services), adding(said))
    assert outcome.slots == {"producto": "Valeriana", "cantidad": pieces, "siguientes": together}
    assert outcome.said == ["utter_uno_a_la_vez"]


async def test_one_product_more_joins_those_that_wait(services):
    outcome = await run(ValidatePedidoForm(services), adding("y tila", siguientes=["Valeriana", "Romero"]))
    assert outcome.slots["siguientes"] == ["Valeriana", "Tila", "Romero"]
    outcome = await run(ValidatePedidoForm(services), adding("y tila", siguientes=["Moringa", "Romero"]))
    assert outcome.slots["siguientes"] == ["Valeriana", "Tila"]


async def test_the_y_of_a_number_adds_nothing(services):
    outcome = await run(ValidatePedidoForm(services), adding("quiero treinta y cinco de tila"))
    assert outcome.slots["producto"] == "Tila"
    assert "siguientes" not in outcome.slots


async def test_a_sold_out_product_does_not_wait(services):
    outcome = await run(ValidatePedidoForm(services), adding("2 y un ginkgo"))
    assert outcome.said == ["Por ahora no tenemos Ginkgo biloba, se nos agotó."]
    assert outcome.slots == {"producto": "Valeriana", "cantidad": 2, "siguientes": ["Valeriana"]}


@pytest.mark.parametrize(
    "said", ["mejor tila y ya", "no, tila y es todo", "cámbiala y dame tila", "tila en vez de esa, y ya"]
)
async def test_an_exchange_adds_nothing(services, said: str):
    outcome = await run(ValidatePedidoForm(services), adding(said))
    assert outcome.slots["producto"] == "Tila"
    assert "siguientes" not in outcome.slots


async def test_what_was_only_talked_of_is_ordered_with_another_if_its_number_is_said(services):
    outcome = await run(ValidatePedidoForm(services), adding("quiero 2 y una de tila", opening=True))
    assert outcome.slots == {"producto": "Valeriana", "cantidad": 2, "siguientes": ["Valeriana", "Tila"]}
    outcome = await run(ValidatePedidoForm(services), adding("y quiero una tila", opening=True))
    assert outcome.slots == {"producto": "Tila", "cantidad": 1}


async def test_both_of_two_are_not_two_pieces(services):
    named = {"entities": {"cantidad": "dos"}, "requested_slot": None}
    assert (await fill(services, "cantidad", "dos", "quiero las dos", **named)).slots == {"cantidad": None}


async def test_after_an_order_those_that_wait_are_offered(services):
    waiting = make_tracker(producto="Tila", cantidad=2, siguientes=["Árnica", "Tila", "Romero"])
    outcome = await run(ActionRegistrarPedido(services), waiting)
    assert outcome.said == ["utter_pedido_registrado", "utter_siguiente_pedido"]
    assert [choice["title"] for choice in outcome.messages[-1]["quick_replies"]] == ["Árnica", "Romero"]
    assert outcome.messages[-1]["quick_replies"][0]["payload"] == '/hacer_pedido{"producto": "Árnica"}'
    # A "sí" accepts the first of them.
    offered = {"producto": "Árnica", "siguientes": ["Árnica", "Romero"], "oferta": "pedido"}
    assert outcome.slots == {**FORGOTTEN, **offered}


@pytest.mark.parametrize("together", [None, [], ["Tila"], ["Árnica", "Romero"], ["Tila", "Ginkgo biloba"]])
async def test_without_any_named_together_with_it_nothing_is_offered(services, together):
    outcome = await run(ActionRegistrarPedido(services), make_tracker(producto="Tila", cantidad=2, siguientes=together))
    assert (outcome.said, outcome.slots) == (["utter_pedido_registrado"], FORGOTTEN)


async def test_an_order_left_half_way_is_forgotten_in_silence(services):
    outcome = await run(ActionOlvidarPedido(services), make_tracker(producto="Árnica", cantidad=2))
    assert (outcome.slots, outcome.messages) == (FORGOTTEN, [])


async def test_a_name_that_no_table_knows_is_read_from_the_words(services):
    said = answering("cantidad", 3, "dame 3 balerianas", requested_slot=None, producto="Árnica", entities={"cantidad": "3"})
    outcome = await run(ValidatePedidoForm(services), said)
    assert outcome.slots == {"producto": "Valeriana", "cantidad": 3}
    nothing = answering("cantidad", 3, "dame 3 para mi tía", requested_slot=None, entities={"cantidad": "3"})
    assert (await run(ValidatePedidoForm(services), nothing)).slots == {"cantidad": 3}


async def test_an_order_without_a_name_offers_what_was_talked_of_together(services):
    said = answering(
        "cantidad", 2, "2 de cada una", requested_slot=None, siguientes=["Tila", "Romero"], entities={"cantidad": "2"}
    )
    outcome = await run(ValidatePedidoForm(services), said)
    assert outcome.said == ["utter_uno_por_uno"]
    assert [choice["title"] for choice in outcome.messages[0]["quick_replies"]] == ["Romero", "Tila"]
