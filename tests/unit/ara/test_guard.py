"""Ara never states a price, link, phone, date or promise that is not in its sources."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ara.guard import MAX_ANSWER, Source, check
from ara.knowledge import load
from ara.prompt import build_prompt

CORPUS = YAML(typ="safe", pure=True).load(Path("tests/fixtures/ara/guard.yml").read_text(encoding="utf-8"))
KNOWLEDGE = load()
CANARY = "canario123"


def sources(*identifiers: str) -> list[Source]:
    documents = [KNOWLEDGE.document(identifier) for identifier in identifiers]
    return [Source(document.title, document.text, document.subject) for document in documents if document is not None]


SOURCES = sources(*CORPUS["sources"])
SYSTEM = build_prompt("¿cuánto cuesta?", SOURCES, canary=CANARY).system


def judge(said: str, given=SOURCES, question: str = "¿cuánto cuesta la árnica?"):
    return check(said, given, question=question, products=KNOWLEDGE.products, system=SYSTEM, canary=CANARY)


def test_the_corpus_is_large_and_its_sources_exist():
    assert len(CORPUS["allowed"]) + len(CORPUS["refused"]) >= 60
    assert len(SOURCES) == len(CORPUS["sources"])


@pytest.mark.parametrize("said", CORPUS["allowed"])
def test_what_the_sources_say_may_be_said(said: str):
    verdict = judge(said)
    assert verdict.reasons == ()
    assert verdict.text


@pytest.mark.parametrize("case", CORPUS["refused"], ids=lambda case: case["say"][:40])
def test_what_the_sources_do_not_say_is_refused(case: dict[str, str]):
    verdict = judge(case["say"])
    assert case["for"] in {reason.kind for reason in verdict.reasons}
    assert verdict.text == ""


@pytest.mark.parametrize("document", KNOWLEDGE.documents, ids=lambda document: document.id)
def test_every_text_of_the_knowledge_may_be_repeated_with_its_source(document):
    source = Source(document.title, document.text, document.subject)
    assert judge(document.text, [source], question=document.title).reasons == ()


@pytest.mark.parametrize("product", KNOWLEDGE.products, ids=lambda product: product.name)
def test_no_price_of_one_product_passes_for_another(product):
    other = next(each for each in KNOWLEDGE.products if each.price != product.price)
    given = [Source(each.name, each.say_price(), each.name) for each in (product, other)]
    assert judge(f"{product.name} cuesta {product.price_text}.", given, question="").ok
    assert not judge(f"{product.name} cuesta {other.price_text}.", given, question="").ok
    assert not judge(f"Cuesta {other.price_text}.", given, question=f"¿cuánto cuesta {product.name}?").ok


def test_without_sources_only_small_talk_passes():
    assert judge("¡Hola! ¿En qué te ayudo?", []).ok
    assert not judge("La árnica cuesta $120.", []).ok


def test_a_long_answer_is_refused_and_not_cut():
    assert judge("hola " * (MAX_ANSWER // 5 - 1)).ok
    assert [reason.kind for reason in judge("hola " * (MAX_ANSWER // 5 + 1)).reasons] == ["too_long"]


def test_what_is_sent_is_what_was_checked():
    assert judge("Cuesta \u202e$120\u202c\u200b.").text == "Cuesta $120."


def test_a_phone_of_the_sources_may_be_said_in_another_spelling():
    given = [Source("Teléfono", "Llámanos al 55 1234 5678 o escribe a ventas@eum.mx, www.eum.mx")]
    assert judge("Llama al (55) 1234-5678", given).ok
    assert judge("Escribe a ventas@eum.mx o entra a https://eum.mx/", given).ok
    assert not judge("Llama al 55 1234 5679", given).ok
    assert not judge("Entra a eum.mx.estafa.com", given).ok


@settings(deadline=None)
@given(st.text(max_size=300))
def test_the_guard_never_raises(said: str):
    judge(said)


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=99_999))
def test_no_other_price_passes_in_any_of_its_spellings(price: int):
    for said in (f"${price}", f"${price:,}", f"{price} pesos", f"{price}.00 MXN", f"$ {price}"):
        assert judge(f"La árnica cuesta {said}").ok == (price == 120)
