"""What is understood in messages that get no answer: only what asks surely for no more messages, or for them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.stack import PROJECT
from turns.incoming import next_turn
from turns.model import Received

if TYPE_CHECKING:
    from rasa.core.agent import Agent


# Rasa, TensorFlow and Keras warn of themselves while they are imported.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def heard(agent: Agent):  # type: ignore[no-untyped-def]
    """What the dialogue hears in a text."""
    from turns.dialogue import RasaDialogue

    dialogue = RasaDialogue(agent, 25.0)

    async def hear(text: str | None, kind: str = "text", **fields: object) -> str | None:
        return await dialogue.consent(next_turn([Received(id=1, kind=kind, text=text, **fields)]))  # type: ignore[arg-type]

    return hear


@pytest.mark.parametrize(
    ("text", "consent"),
    [
        ("BAJA.", "out"), ("dame de baja", "out"), ("ya no me escriban", "out"), ("Stop", "out"), ("unsubscribe", "out"),
        ("por favor ya no me manden mensajes", "out"), ("kiero darme d baja", "out"), ("quítenme de su lista 🙏", "out"),
        ("baja, gracias", "out"), ("no vuelvan a escribirme", "out"),
        ("ALTA", "in"), ("quiero volver a recibir sus mensajes", "in"), ("vuelvan a escribirme porfa", "in"),
        ("¿la talla baja?", None), ("baja el precio", None), ("ya no lo quiero", None), ("mejor mándenme el otro", None),
        ("ya no, gracias", None), ("no me ha llegado nada", None), ("", None), ("/baja", "out"), ("🙏", None),
    ],
)  # fmt: skip
async def test_what_is_heard(heard, text: str, consent: str | None) -> None:  # type: ignore[no-untyped-def]
    assert await heard(text) == consent


# The words of a wish that is not there: a complaint, a size, a body, a hospital.
@pytest.mark.parametrize(
    "text",
    [
        "no me llegan sus mensajes", "ya no recibo sus mensajes", "por qué ya no me escriben?", "la más baja",
        "no he recibido mensajes de ustedes", "ya no me manden ese producto", "no me mandes audios", "no me llamen, escríbanme",
        "entreguen en planta baja por favor", "quiero dar de baja mi pedido", "me dieron de baja del imss",
        "la señal está baja", "ando baja de hierro", "ando baja de defensas", "sufro de presión baja",
        "tengo baja autoestima", "lo dieron de alta del hospital", "me acaban de dar de alta",
        "te doy de alta", "me dan de alta en su sistema?",
        "glucosa alta", "tengo fiebre alta", "tengo la azúcar alta", "es de alta pureza?", "alta calidad?",
        "hipertensión alta", "quiero dar de alta una empresa",
    ],
)  # fmt: skip
async def test_who_asks_for_neither_gets_neither(agent: Agent, heard, text: str) -> None:  # type: ignore[no-untyped-def]
    assert await heard(text) is None
    # In a turn less sureness is enough to act on.
    assert (await agent.parse_message(text))["intent"]["name"] not in ("baja", "alta")


async def test_a_picture_says_nothing(heard) -> None:  # type: ignore[no-untyped-def]
    assert await heard(None, kind="image") is None


async def test_a_button_that_we_sent_says_what_it_says(heard) -> None:  # type: ignore[no-untyped-def]
    assert await heard(None, payload="/baja", issued=True) == "out"
    assert await heard(None, payload="/baja", title="Ver precios", issued=False) is None


async def test_of_unseen_lines_most_are_heard_and_no_other_is_taken_for_one(heard) -> None:  # type: ignore[no-untyped-def]
    from rasa.shared.importers.utils import training_data_from_paths

    unseen = training_data_from_paths([str(PROJECT / "tests/nlu_holdout.yml")], "es").intent_examples
    told = [(line.get("intent"), await heard(line.get("text"))) for line in unseen]
    for intent, consent in (("baja", "out"), ("alta", "in")):
        right = [got == consent for wanted, got in told if wanted == intent]
        assert len(right) >= 7 and sum(right) / len(right) >= 0.85
        assert [wanted for wanted, got in told if got == consent and wanted != intent] == []
