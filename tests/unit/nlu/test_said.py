"""What the bot can say without its knowledge: no fact of the shop, no offer, no medical promise, as Ara's guard judges her own.

Prices, days, addresses and accounts belong to data/knowledge alone; promises of healing belong nowhere.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ara.guard import Source, check

PROJECT = Path(__file__).parents[3]
# Numbers that say how to write one. Any other, and any with a unit, is a fact.
FORM = Source(title="", text="10 dígitos, por ejemplo 2 o 3")


def responses() -> Iterator[tuple[str, str]]:
    """Every text and button of the domain, beside its response's name; what fills a slot is judged where it comes from."""
    domain = yaml.safe_load((PROJECT / "domain.yml").read_text(encoding="utf-8"))
    for name, variations in domain["responses"].items():
        for variation in variations:
            choices = (*variation.get("buttons", ()), *variation.get("quick_replies", ()))
            for text in (variation["text"], *(choice["title"] for choice in choices)):
                yield name, re.sub(r"\{\w+\}", "eso", text)


def written_in_actions() -> Iterator[tuple[str, str]]:
    """Every text of more than one word in the program of the actions, beside its file: no documentation, no pattern."""
    for path in sorted((PROJECT / "actions").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        apart = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            text = ""
            if isinstance(node, ast.JoinedStr):
                apart.update(map(id, node.values))
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "eso" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
                text = node.value
            if re.search(r"\S \S", text) and "\\" not in text:
                yield path.name, text


def problems(texts: Iterator[tuple[str, str]]) -> list[str]:
    """What the guard has against these texts."""
    return [f"{where}: «{text}»: {reasons}" for where, text in texts if (reasons := check(text, [FORM]).reasons)]


def test_no_response_states_a_fact_of_the_shop_or_promises_a_medical_effect() -> None:
    assert len(list(responses())) > 50
    assert problems(responses()) == []


def test_no_action_states_a_fact_of_the_shop_or_promises_a_medical_effect() -> None:
    assert "Tenemos: eso." in [text for _, text in written_in_actions()]
    assert problems(written_in_actions()) == []


@pytest.mark.parametrize("text", [
    "El envío sale en $99 y llega en 3 días.", "El frasco cuesta 120.", "El envío es gratis.", "Abrimos a las 9.",
    "Estamos en Avenida Juárez 10.", "Escríbenos a hola@tienda.mx.", "La valeriana cura el insomnio.",
    "La árnica te ayuda con el dolor.", "Llega en 2 días.", "Hay 3 frascos.",
])  # fmt: skip
def test_a_fact_or_a_promise_would_be_seen(text: str) -> None:
    assert problems(iter([("somewhere", text)]))
