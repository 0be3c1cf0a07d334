"""Questions are answered word for word from the owner's files, else by Ara, else by a person."""

from __future__ import annotations

import json

import pytest
from rasa_sdk.events import ActiveLoop, FollowupAction, SlotSet

from actions.ask import ActionAra, ActionConocimiento, history_of
from actions.base import ORDER_SLOTS
from ara.knowledge import Knowledge
from ara.prompt import Line
from tests.unit.actions.conftest import KNOWLEDGE, make_tracker, run

HANDOVER = {"effect": "handover", "reason": "el bot no supo responder"}
ASK_ON, LISTEN = FollowupAction("pedido_form"), FollowupAction("action_listen")


def text(identifier: str) -> str:
    document = KNOWLEDGE.document(identifier)
    assert document is not None
    return document.text


async def ask(services, said: str, intent: str, **more):
    return await run(ActionConocimiento(services), make_tracker(said, intent, **more))


async def test_the_price_of_a_product_offers_to_order_it(services):
    outcome = await ask(services, "cuanto cuesta la arnica", "preguntar_precio", entities={"producto": "árnica"})
    assert outcome.said == ["Árnica (frasco gotero de 60 ml): $120."]
    (offer,) = outcome.messages[0]["quick_replies"]
    assert offer["payload"].startswith("/hacer_pedido")
    assert json.loads(offer["payload"].removeprefix("/hacer_pedido")) == {"producto": "Árnica"}
    assert outcome.slots == {"producto": "Árnica"}
    assert outcome.effects == []


@pytest.mark.parametrize(("said", "intent", "answer"), [
    ("precio de arnica y lavanda", "preguntar_precio",
     "Árnica (frasco gotero de 60 ml): $120.\nLavanda (frasco gotero de 60 ml): $150."),
    ("cuanto el ginkgo", "preguntar_precio", "Ginkgo biloba (frasco gotero de 60 ml): $165. Por ahora se nos agotó."),
    ("tienen tila?", "preguntar_disponibilidad", "Sí tenemos. Tila (frasco gotero de 60 ml): $115."),
    ("hay sabila", "preguntar_disponibilidad", "Por ahora no tenemos Sábila, se nos agotó."),
    ("hay melena de leon", "preguntar_disponibilidad",
     "Lo manejamos sobre pedido. Melena de león (frasco gotero de 60 ml): $220."),
    ("qué es la moringa", "preguntar_producto", text("producto/moringa")),
    ("cómo se usa la tila", "preguntar_uso", f"{text('uso/tila')}\n{text('uso/no-son-medicamentos')}"),
    ("envios a puebla?", "preguntar_envio", text("envio/envios")),
    ("mandan al extranjero?", "preguntar_envio", text("envio/envios-al-extranjero")),
    ("se puede a meses sin intereses", "preguntar_pago", text("pago/meses-sin-intereses")),
    ("dan mayoreo", "preguntar_mayoreo", text("mayoreo/mayoreo")),
    ("a que hora abren", "preguntar_ubicacion", text("ubicacion/horario")),
    ("donde estan", "preguntar_ubicacion", text("ubicacion/direccion")),
    ("tienen promociones?", "preguntar_precio", text("precio/promociones")),
    ("facturan?", "pedir_factura", text("facturacion/facturacion")),
    ("cómo se usan", "preguntar_uso", f"{text('uso/modo-de-uso')}\n{text('uso/no-son-medicamentos')}"),
])  # fmt: skip
async def test_questions_and_their_answers(services, said: str, intent: str, answer: str):
    assert (await ask(services, said, intent)).said == [answer]


async def test_a_question_of_no_product_lists_what_can_be_had(services):
    prices = (await ask(services, "precios?", "preguntar_precio")).said[0]
    assert prices.startswith(text("precio/precios"))
    assert "• Árnica: $120" in prices
    assert "Ginkgo" not in prices
    catalogue = (await ask(services, "qué venden", "preguntar_producto")).said[0]
    assert catalogue.startswith(text("producto/que-vendemos"))
    assert "Árnica, Ashwagandha" in catalogue


async def test_a_tapped_question_is_answered_too(services):
    assert "• Árnica: $120" in (await ask(services, "/preguntar_precio", "preguntar_precio")).said[0]


async def test_the_product_talked_of_before_is_meant(services):
    assert (await ask(services, "y cuánto cuesta?", "preguntar_precio", producto="lavanda")).said == [
        "Lavanda (frasco gotero de 60 ml): $150."
    ]
    assert "• Tila" in (await ask(services, "me pasas la lista de precios", "preguntar_precio", producto="lavanda")).said[0]


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize(("said", "intent"), [
    ("qué es la melatonina?", "preguntar_producto"), ("cuánto cuesta el ajo negro", "preguntar_precio"),
    ("precio de la melatonina", "preguntar_precio"), ("tienen cannabis?", "preguntar_disponibilidad"),
    ("para qué sirve la melatonina", "preguntar_uso"), ("info del extracto de muérdago", "preguntar_producto"),
])  # fmt: skip
async def test_another_thing_is_not_the_product_talked_of_before(services, said: str, intent: str, form: bool):
    outcome = await ask(services, said, intent, form=form, producto="Valeriana")
    assert outcome.said == ["utter_producto_desconocido"]


@pytest.mark.parametrize(("said", "intent"), [
    ("qué es?", "preguntar_producto"), ("y eso qué es", "preguntar_producto"), ("tiene alcohol?", "preguntar_producto"),
    ("de cuántos ml es el frasco", "preguntar_producto"), ("tienen fotos?", "preguntar_producto"),
    ("cuánto cuesta ese frasco", "preguntar_precio"), ("cuánto sale el frasco", "preguntar_precio"),
    ("precio del de 60 ml", "preguntar_precio"), ("hay otro más barato?", "preguntar_precio"),
    ("lo tienen en existencia?", "preguntar_disponibilidad"), ("hay stock?", "preguntar_disponibilidad"),
    ("para qué sirve", "preguntar_uso"), ("cómo se toman las gotas", "preguntar_uso"),
])  # fmt: skip
async def test_what_may_be_asked_of_any_product_is_asked_of_that_one(services, said: str, intent: str):
    (answer,) = (await ask(services, said, intent, producto="Valeriana")).said
    assert "Valeriana" in answer


async def test_a_product_that_the_shop_does_not_have_is_said_so_and_forgotten(services):
    outcome = await ask(
        services, "cuánto cuesta el peyote", "preguntar_precio", entities={"producto": "peyote"}, producto="peyote"
    )
    assert outcome.said == ["utter_producto_desconocido"]
    assert outcome.slots == {"producto": None}


async def test_a_question_inside_an_order_does_not_change_the_order(services):
    asked = {"entities": {"producto": "tila"}, "form": True, "producto": "Árnica"}
    outcome = await ask(services, "cuanto cuesta la tila", "preguntar_precio", **asked)
    assert outcome.said == ["Tila (frasco gotero de 60 ml): $115."]
    assert outcome.events == []
    assert outcome.messages[0]["quick_replies"] == []
    unknown = await ask(
        services, "y el peyote?", "preguntar_precio", entities={"producto": "peyote"}, form=True, producto="Árnica"
    )
    assert unknown.events == []


async def test_what_the_files_do_not_say_goes_to_ara(services):
    services.known = Knowledge()
    services.memory.finds = ("envio/envios",)
    assert (await ask(services, "hacen envíos", "preguntar_envio")).said == [text("envio/envios")]
    services.memory.finds = ()
    outcome = await ask(services, "hacen envíos", "preguntar_envio")
    assert (outcome.said, outcome.effects) == (["utter_no_se"], [HANDOVER])


@pytest.mark.parametrize(("said", "intent"), [
    ("precio de arnica y tila", "preguntar_precio"), ("tienen arnica y tila?", "preguntar_disponibilidad"),
    ("cómo pago la arnica y la tila", "preguntar_pago"),
])  # fmt: skip
async def test_of_several_products_none_is_the_one_talked_of(services, said: str, intent: str):
    named = {"entities": {"producto": ["árnica", "tila"]}, "producto": "tila"}
    outcome = await ask(services, said, intent, **named)
    assert outcome.slots == {"producto": None, "siguientes": ["Árnica", "Tila"]}
    assert (await ask(services, said, intent, **named, form=True)).slots == {}
    services.memory.finds = ("envio/envios",)
    outcome = await run(ActionAra(services), make_tracker(said, "nlu_fallback", **named))
    assert outcome.slots == {"producto": None, "siguientes": ["Árnica", "Tila"]}


async def test_a_word_or_two_of_nothing_are_asked_about_once(services):
    outcome = await run(ActionAra(services), make_tracker("zzkk", "nlu_fallback"))
    assert (outcome.said, outcome.effects, outcome.slots) == (["utter_aclara"], [], {"sin_respuesta": 1})
    for said, asked in (("zzkk", 1), ("envio zzkk", None), ("valeriana", None), ("quiero un gato zzkk", None)):
        outcome = await run(ActionAra(services), make_tracker(said, "nlu_fallback", sin_respuesta=asked))
        assert (outcome.said, outcome.effects) == (["utter_no_se"], [HANDOVER])


async def test_ara_quotes_the_knowledge_or_hands_over(services):
    services.memory.finds = ("devoluciones/devoluciones-y-cambios",)
    outcome = await run(ActionAra(services), make_tracker("aceptan devoluciones?", "nlu_fallback"))
    assert (outcome.said, outcome.effects) == ([text("devoluciones/devoluciones-y-cambios")], [])
    outcome = await run(ActionAra(services), make_tracker("quién ganó el partido", "fuera_de_tema"))
    assert (outcome.said, outcome.effects) == (["utter_no_se"], [HANDOVER])


async def test_ara_hands_over_when_the_database_is_down(services):
    services.memory.down = True
    outcome = await run(ActionAra(services), make_tracker("aceptan devoluciones?", "nlu_fallback"))
    assert (outcome.said, outcome.effects) == (["utter_no_se"], [HANDOVER])


async def test_in_an_order_ara_answers_and_the_order_stands(services):
    services.memory.finds = ("devoluciones/devoluciones-y-cambios",)
    for action, events in ((ActionAra, [ASK_ON]), (ActionConocimiento, [])):
        outcome = await run(action(services), make_tracker("aceptan devoluciones?", "fuera_de_tema", form=True))
        assert (outcome.said, outcome.effects, outcome.events) == ([text("devoluciones/devoluciones-y-cambios")], [], events)


@pytest.mark.parametrize("unanswered", [None, 1])
async def test_an_order_bears_two_questions_without_an_answer(services, unanswered: int | None):
    tracker = make_tracker("quién ganó el partido", "fuera_de_tema", form=True, sin_respuesta=unanswered)
    outcome = await run(ActionAra(services), tracker)
    assert (outcome.said, outcome.effects) == (["utter_retomar_pedido"], [])
    assert outcome.events == [SlotSet("sin_respuesta", (unanswered or 0) + 1), ASK_ON]


@pytest.mark.parametrize(("asked_for", "reason"), [
    ("producto", "el bot no supo responder a medio pedido"),
    ("cantidad", "el bot no supo responder a medio pedido de Tila"),
])  # fmt: skip
async def test_the_third_goes_to_a_person_and_ends_the_order(services, asked_for: str, reason: str):
    services.opens = "mañana a las 9:00"
    slots = {"sin_respuesta": 2, "producto": "Tila", "requested_slot": asked_for}
    outcome = await run(ActionAra(services), make_tracker("quién ganó el partido", "fuera_de_tema", form=True, **slots))
    assert outcome.said == ["utter_no_se", "utter_fuera_de_horario"]
    assert outcome.effects == [{"effect": "handover", "reason": reason}]
    assert outcome.slots == dict.fromkeys(("requested_slot", *ORDER_SLOTS))
    assert [e for e in outcome.events if e["event"] != "slot"] == [ASK_ON, ActiveLoop(None), LISTEN]  # the last one counts


async def test_in_an_order_no_words_bring_its_own_question_again(services):
    outcome = await run(ActionAra(services), make_tracker("???", "fuera_de_tema", form=True))
    assert (outcome.messages, outcome.events) == ([], [ASK_ON])


@pytest.mark.parametrize(("form", "then"), [(False, LISTEN), (True, ASK_ON)])
async def test_ara_never_follows_herself(services, form: bool, then: dict[str, object]):
    outcome = await run(ActionAra(services), make_tracker("hacen envíos", "nlu_fallback", form=form))
    assert outcome.events[-1] == then


@pytest.mark.parametrize("said", ["👍", "...", "/adjunto", None])
async def test_ara_asks_for_words_when_there_are_none(services, said: str):
    outcome = await run(ActionAra(services), make_tracker(said, "nlu_fallback"))
    assert (len(outcome.said), outcome.effects) == (1, [])


@pytest.mark.parametrize("action", [ActionAra, ActionConocimiento])
async def test_a_fault_of_ours_apologises_and_hands_over(services, action):
    services.known = RuntimeError("broken")
    services.ara = lambda: 1 / 0
    outcome = await run(action(services), make_tracker("hacen envíos", "preguntar_envio"))
    assert outcome.said == ["utter_tropiezo"]
    assert [effect["effect"] for effect in outcome.effects] == ["handover"]
    assert outcome.events == []


async def test_a_fault_of_ours_in_an_order_ends_it_as_well(services):
    services.ara = lambda: 1 / 0
    outcome = await run(ActionAra(services), make_tracker("aceptan devoluciones?", "fuera_de_tema", form=True))
    assert outcome.said == ["utter_tropiezo"]
    assert ActiveLoop(None) in outcome.events


def test_the_history_holds_the_lines_before_the_question():
    events = [
        {"event": "session_started"},
        {"event": "user", "text": "hola"},
        {"event": "bot", "text": "¡Hola!"},
        {"event": "user", "text": "/preguntar_precio"},
        {"event": "bot", "text": None},
        {"event": "user", "text": "¿y los envíos?"},
    ]
    assert history_of(make_tracker("¿y los envíos?", events=events)) == [Line("customer", "hola"), Line("shop", "¡Hola!")]
