"""What the training data promises to designers and customers."""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from nlu.chat_spanish import fold
from turns.incoming import ATTACHMENT_WORDS, GESTURES

PROJECT = Path(__file__).parents[3]
# What the shop asked for; there may be more.
AGREED = (
    "saludar", "despedir", "agradecer", "afirmar", "negar", "preguntar_precio", "preguntar_producto", "preguntar_uso",
    "preguntar_disponibilidad", "hacer_pedido", "estado_pedido", "cancelar_pedido", "preguntar_envio", "preguntar_pago",
    "pedir_factura", "preguntar_mayoreo", "preguntar_ubicacion", "reportar_problema", "hablar_con_humano", "baja",
    "alta", "preguntar_bot", "dar_datos", "fuera_de_tema",
)  # fmt: skip

# What the runtime sends for messages without words.
WORDLESS = ("adjunto", "gesto")


def _items(*files: Path) -> list[dict[str, Any]]:
    return list(chain.from_iterable(yaml.safe_load(f.read_text(encoding="utf-8"))["nlu"] for f in files))


def _lines(item: dict[str, Any]) -> list[str]:
    return [line.removeprefix("- ") for line in item["examples"].splitlines()]


def _plain(line: str) -> str:
    return " ".join(re.sub(r"\[([^\]]*)\](?:\([a-z_]*\)|\{[^}]*\})", r"\1", line).lower().split())


def _words(line: str) -> list[str]:
    return re.findall(r"\w+", line)


ITEMS = _items(*sorted((PROJECT / "data/nlu").glob("*.yml")))
EXAMPLES = {item["intent"]: [_plain(line) for line in _lines(item)] for item in ITEMS if "intent" in item}
_EMOJI = re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]")
_CHAT_WORDS = frozenset((
    "q", "k", "ke", "qe", "x", "xq", "pq", "pa", "d", "tmb", "tb", "porfa", "porfis", "xfa", "xfavor", "plis", "bn", "vdd",
    "grax", "cto", "ps", "pos", "kiero", "kien",
))  # fmt: skip
# Right without an accent, too: a line with these lacks nothing.
_TWO_WORDS = frozenset((
    "el", "mi", "tu", "si", "se", "te", "que", "como", "cuando", "donde", "cuanto", "cuantos", "cuantas", "cual", "quien",
    "mas", "aun", "esta", "solo", "compro", "paso", "encargo", "creo", "llamo", "dejo", "llego", "deposito",
))  # fmt: skip
_WRITTEN = set(chain.from_iterable(_words(line) for lines in EXAMPLES.values() for line in lines))
# How words that somebody wrote with an accent look without.
_ACCENTED = {fold(word) for word in _WRITTEN if fold(word) != word} - _TWO_WORDS
DOMAIN = yaml.safe_load((PROJECT / "domain.yml").read_text(encoding="utf-8"))
INTENTS = [intent for intent in DOMAIN["intents"] if intent not in WORDLESS]


def test_the_agreed_intents_are_there() -> None:
    assert {*AGREED, *WORDLESS} - set(DOMAIN["intents"]) == set()


def test_the_intents_are_those_with_examples() -> None:
    assert set(EXAMPLES) == set(INTENTS)


@pytest.mark.parametrize("intent", INTENTS)
def test_every_intent_has_forty_different_examples(intent: str) -> None:
    assert len(set(EXAMPLES[intent])) >= 40


@pytest.mark.parametrize("intent", INTENTS)
def test_every_intent_is_also_written_as_on_a_phone(intent: str) -> None:
    lines = EXAMPLES[intent]
    assert [line for line in lines if _EMOJI.search(line)], "none has an emoji"
    assert [line for line in lines if _CHAT_WORDS.intersection(_words(line))], "none is spelled as in a chat"
    assert [line for line in lines if line == fold(line) and _ACCENTED.intersection(_words(line))], "none lacks its accents"


def test_no_line_is_an_example_of_two_intents() -> None:
    owners = Counter(line for lines in EXAMPLES.values() for line in set(lines))
    assert [line for line, count in owners.items() if count > 1] == []


def test_the_unseen_lines_are_unseen() -> None:
    seen = set(chain.from_iterable(EXAMPLES.values()))
    unseen = [_plain(line) for item in _items(PROJECT / "tests/nlu_holdout.yml") for line in _lines(item)]
    assert len(unseen) >= 100
    assert seen.intersection(unseen) == set()


def test_every_product_for_sale_is_recognised_in_a_message() -> None:
    products = yaml.safe_load((PROJECT / "data/knowledge/productos.yml").read_text(encoding="utf-8"))["productos"]
    table = {line.lower() for item in ITEMS if item.get("lookup") == "producto" for line in _lines(item)}
    assert {product["nombre"].lower() for product in products} - table == set()


def test_every_spelling_of_a_product_means_one_product() -> None:
    meanings = Counter(line.lower() for item in ITEMS if "synonym" in item for line in set(_lines(item)))
    assert [line for line, count in meanings.items() if count > 1] == []


def test_every_action_of_the_rules_is_known_to_the_domain() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((PROJECT / "data").glob("rules/*.yml")))
    used = set(re.findall(r"- action: (\w+)", text)) - {"action_deactivate_loop", "pedido_form"}
    # An action with options (`send_domain`) is a mapping of its name.
    actions = {name for action in DOMAIN["actions"] for name in (action if isinstance(action, dict) else [action])}
    assert used - actions - set(DOMAIN["responses"]) == set()


# A limit of Instagram and Messenger: 20 characters on a button.
def test_every_button_fits_a_phone() -> None:
    buttons = [
        button
        for variations in DOMAIN["responses"].values()
        for variation in variations
        for button in (*variation.get("buttons", ()), *variation.get("quick_replies", ()))
    ]
    assert buttons
    assert [button["title"] for button in buttons if len(button["title"]) > 20] == []
    assert [b["payload"] for b in buttons if b["payload"].removeprefix("/").split("{")[0] not in INTENTS] == []


def _attachment_answers() -> dict[str, list[str]]:
    """The answers to each kind of thing that is not text, by the word that the dialogue has for it."""
    answers: dict[str, list[str]] = {}
    for variation in DOMAIN["responses"]["utter_adjunto"]:
        for condition in variation.get("condition", [{"name": "adjunto", "value": "desconocido"}]):
            assert condition["name"] == "adjunto"
            answers.setdefault(condition["value"], []).append(variation["text"])
    return answers


def test_every_kind_of_attachment_has_an_answer_of_its_own() -> None:
    answers = _attachment_answers()
    assert set(answers) == {*ATTACHMENT_WORDS.values(), "desconocido"}
    said = list(chain.from_iterable(answers.values()))
    assert len(set(said)) == len(said)


# A "sí" to an answer for `adjunto` calls a person, and to one for `gesto` nobody: see the slot `oferta`.
def test_the_answers_that_offer_a_person_are_those_whose_yes_calls_one() -> None:
    gestures = {ATTACHMENT_WORDS[kind] for kind in GESTURES}
    for word, texts in _attachment_answers().items():
        for text in texts:
            assert ("persona" in text) is (word not in gestures), (word, text)
    offers = {m["value"]: m.get("intent", ()) for m in DOMAIN["slots"]["oferta"]["mappings"] if m["value"] != "nada"}
    assert "adjunto" in offers["humano"]
    assert "gesto" not in chain.from_iterable(offers.values())


def test_policies_look_back_a_few_steps_only() -> None:
    config = yaml.safe_load((PROJECT / "config.yml").read_text(encoding="utf-8"))
    policies = {policy["name"]: policy for policy in config["policies"]}
    assert set(policies) == {"RulePolicy", "MemoizationPolicy"}
    assert policies["MemoizationPolicy"]["max_history"] <= 5


def test_no_rule_needs_the_start_of_the_conversation() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "data").glob("rules/*.yml"))
    assert "conversation_start" not in text


def _rules() -> list[dict[str, Any]]:
    files = sorted((PROJECT / "data/rules").glob("*.yml"))
    return list(chain.from_iterable(yaml.safe_load(f.read_text(encoding="utf-8"))["rules"] for f in files))


def _intents_of(rule: dict[str, Any]) -> set[str]:
    steps = chain.from_iterable(step.get("or", [step]) for step in rule["steps"])
    return {step["intent"] for step in steps if "intent" in step}


# Without a rule the bot falls back to Ara: every intent of the shop has its own answer, in an order and outside.
@pytest.mark.parametrize("in_order", [False, True])
def test_every_intent_has_a_rule(in_order: bool) -> None:
    form = {"active_loop": "pedido_form"}
    ruled = set(chain.from_iterable(_intents_of(r) for r in _rules() if (form in r.get("condition", ())) is in_order))
    assert {*INTENTS, *WORDLESS, "nlu_fallback"} - ruled == set()


def _slots_of(rule: dict[str, Any]) -> dict[str, Any]:
    """The slots that a rule's condition names."""
    conditions = [c["slot_was_set"] for c in rule.get("condition", ()) if "slot_was_set" in c]
    return {name: value for slots in conditions for slot in slots for name, value in slot.items()}


def test_yes_has_an_answer_whatever_was_offered() -> None:
    said_yes = [_slots_of(rule) for rule in _rules() if _intents_of(rule) == {"afirmar"}]
    offers = {slots["oferta"] for slots in said_yes if "oferta" in slots}
    assert offers == set(DOMAIN["slots"]["oferta"]["values"])
    assert DOMAIN["slots"]["oferta"]["initial_value"] in offers


@pytest.mark.parametrize("intent", ["afirmar", "negar"])
def test_yes_and_no_say_whether_data_wait_for_them(intent: str) -> None:
    form = {"active_loop": "pedido_form"}
    outside = [rule for rule in _rules() if _intents_of(rule) == {intent} and form not in rule["condition"]]
    assert {_slots_of(rule)["confirmando"] for rule in outside} == {True, False}
