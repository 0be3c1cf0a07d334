"""The owner's files are read whole or refused with every mistake named; Rasa never takes them for its own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from rasa.shared.core.domain import Domain
from rasa.shared.core.training_data.story_reader.yaml_story_reader import YAMLStoryReader
from rasa.shared.data import get_data_files, is_nlu_file

from ara.files import _FACT_KEYS, _PRODUCT_KEYS, TOPICS
from ara.knowledge import FOLDER, KnowledgeError, KnowledgeFolder, load, sync

FACTS = """
    tema: envio
    datos:
      - titulo: Envíos
        palabras: paquetería domicilio
        texto: El envío cuesta $99.
      - titulo: Al extranjero
        palabras: internacional otro país
        texto: Por ahora no enviamos fuera de México.
"""
PRODUCT = """
    productos:
      - nombre: Árnica
        precio: 120
"""


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / f"{name}.yml").write_text(dedent(content), encoding="utf-8")
    return folder


def mistakes(folder: Path) -> str:
    with pytest.raises(KnowledgeError) as caught:
        load(folder)
    return str(caught.value)


# --- the samples that come with the project


def test_the_samples_cover_every_topic_and_at_least_twelve_products():
    knowledge = load()
    assert len(knowledge.products) >= 12
    assert {d.topic for d in knowledge.documents} == {
        "precio", "producto", "uso", "disponibilidad", "envio", "pago", "mayoreo", "ubicacion", "facturacion", "devoluciones",
    }  # fmt: skip
    assert all(product.price and product.description and product.use for product in knowledge.products)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.name)
def test_every_sample_says_so_at_its_top_and_in_a_field(path: Path):
    assert "MUESTRA" in "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:3])
    assert path.name in load().samples


def test_no_sample_promises_a_medical_effect():
    assert load().warnings == ()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.name)
def test_rasa_does_not_take_knowledge_for_training_data(path: Path):
    assert not is_nlu_file(str(path))
    assert not YAMLStoryReader.is_stories_file(path)
    assert not Domain.is_domain_file(path)


def test_a_line_that_rasa_would_take_for_its_own_is_refused(tmp_path: Path):
    write(tmp_path, envio=FACTS + "        nlu: x\n")
    assert get_data_files([str(tmp_path)], is_nlu_file)
    assert "ninguna línea puede empezar con «nlu:»" in mistakes(tmp_path)


@pytest.mark.parametrize(
    "example", re.findall(r"```yaml\n(.*?)```", Path("docs/conocimiento.md").read_text(encoding="utf-8"), re.DOTALL)
)
def test_the_owners_guide_shows_files_that_work(tmp_path: Path, example: str):
    (tmp_path / "ejemplo.yml").write_text(example, encoding="utf-8")
    assert load(tmp_path).documents


def test_the_owners_guide_names_every_field_and_topic():
    guide = Path("docs/conocimiento.md").read_text(encoding="utf-8")
    assert [name for name in (*TOPICS, *_FACT_KEYS, *_PRODUCT_KEYS, "muestra") if f"`{name}" not in guide] == []


# --- reading


def test_facts_and_products_become_documents(tmp_path: Path):
    knowledge = load(write(tmp_path, envio=FACTS, productos=PRODUCT))
    assert [(d.id, d.title, d.source, d.subject) for d in knowledge.documents] == [
        ("envio/envios", "Envíos", "envio.yml", ""),
        ("envio/al-extranjero", "Al extranjero", "envio.yml", ""),
        ("producto/arnica", "Árnica", "productos.yml", "Árnica"),
    ]
    assert knowledge.samples == ()


@pytest.mark.parametrize(("written", "shown"), [
    ("120", "$120"), ("$120", "$120"), ("120.50", "$120.50"), ("1,200", "$1,200"), ("1200 pesos", "$1,200"), ("99.9", "$99.90"),
    ("", "precio por confirmar"),
])  # fmt: skip
def test_prices_as_people_write_them(tmp_path: Path, written: str, shown: str):
    product = load(write(tmp_path, p=f"productos:\n  - nombre: Tila\n    precio: {written}\n")).products[0]
    assert product.price_text == shown


@pytest.mark.parametrize(("written", "availability"), [
    ("sí", "yes"), ("si", "yes"), ("Sí", "yes"), ("true", "yes"), ("no", "no"), ("agotado", "no"), ("sobre pedido", "to_order"),
])  # fmt: skip
def test_availability_as_people_write_it(tmp_path: Path, written: str, availability: str):
    product = load(write(tmp_path, p=f"productos:\n  - nombre: Tila\n    disponible: {written}\n")).products[0]
    assert product.availability == availability


@pytest.mark.parametrize(("content", "complaint"), [
    ("tema: envio\ndatos:\n  - titulo: Envíos\n", "x.yml, línea 3: falta «texto»"),
    ("tema: envio\ndatos:\n  - texto: hola\n", "x.yml, línea 3: falta «titulo»"),
    ("tema: paqueteria\ndatos:\n  - {titulo: a, texto: b}\n", "línea 1: «tema» debe ser uno de: precio, producto"),
    ("tema: envio\ndatos:\n  - titulo: a\n    texo: b\n", "línea 4: no se conoce «texo»; ¿querías «texto»?"),
    ("tema: envio\ndatos: hola\n", "línea 2: «datos» debe ser una lista"),
    ("tema: envio\ndatos:\n  - hola\n", "línea 3: cada elemento de la lista lleva sus campos"),
    ("tema: envio\ndatos:\n  - titulo: a\n    texto: cuesta: 3\n", "línea 4: no se entiende"),
    ("tema: envio\n", "falta «datos:» o «productos:»"),
    ("- hola\n", "línea 1: el archivo debe empezar con"),
    ("productos:\n  - nombre: Tila\n    precio: barato\n", "línea 3: «precio» debe ser un número en pesos"),
    ("productos:\n  - nombre: Tila\n    precio: -5\n", "línea 3: «precio»"),
    ("productos:\n  - nombre: Tila\n    precio: 1.234\n", "línea 3: «precio»"),
    ("productos:\n  - nombre: Tila\n    precio: .inf\n", "línea 3: «precio»"),
    ("productos:\n  - nombre: Tila\n    disponible: quizás\n", "línea 3: «disponible» debe ser: sí, no, o sobre pedido"),
    ("productos:\n  - nombre: Tila\n  - nombre: TILA\n", "línea 3: el producto «TILA» está dos veces"),
    ("productos:\n  - nombre: Tila\n  - nombre: Té\n    otros_nombres: [tila]\n", "«tila» no puede ser otro nombre de «Té»"),
    ("productos:\n  - nombre: '***'\n", "línea 2: «nombre» debe tener letras"),
    ("muestra: tal vez\nproductos:\n  - nombre: Tila\n", "línea 1: «muestra» debe ser sí o no"),
    ("tema: envio\ndatos:\n  - {titulo: a, texto: b}\n  - {titulo: A, texto: c}\n", "el título «A» está dos veces"),
    (f"tema: envio\ndatos:\n  - titulo: a\n    texto: {'b' * 901}\n", "línea 4: «texto» es muy largo: 900"),
    ("tema: envio\ntema: pago\ndatos:\n  - {titulo: a, texto: b}\n", "línea 2: no se entiende"),
    ("a\x00b", "tiene caracteres que no se pueden leer"),
])  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path: Path, content: str, complaint: str):
    write(tmp_path, x=content)
    assert complaint in mistakes(tmp_path)


def test_all_mistakes_are_told_at_once(tmp_path: Path):
    write(tmp_path, a="tema: nada\ndatos:\n  - titulo: a\n", b="productos:\n  - precio: x\n")
    assert len(mistakes(tmp_path).splitlines()) == 4


def test_other_encodings_and_empty_folders_are_explained(tmp_path: Path):
    assert "no hay ningún archivo .yml" in mistakes(tmp_path)
    (tmp_path / "envio.yml").write_bytes("tema: envío".encode("latin-1"))
    assert "UTF-8" in mistakes(tmp_path)
    (tmp_path / "envio.yml").write_bytes(b"#" * 1_000_001)
    assert "más de 1 MB" in mistakes(tmp_path)
    write(tmp_path, envio=FACTS)
    (tmp_path / "pago.yaml").touch()
    assert "la terminación debe ser .yml" in mistakes(tmp_path)


def test_a_medical_promise_of_the_owner_is_a_warning(tmp_path: Path):
    knowledge = load(write(tmp_path, p="productos:\n  - nombre: Tila\n    uso: Cura el insomnio.\n"))
    assert "p.yml, línea 3: «cura» suena a promesa médica" in knowledge.warnings[0]


# --- choosing


@pytest.mark.parametrize(("question", "first"), [
    ("¿cuánto cuesta el envío?", "envio/envios"),
    ("hacen envios internacionales?", "envio/envios-al-extranjero"),
    ("mandan a otro pais", "envio/envios-al-extranjero"),
    ("", "envio/envios"),
    ("asdf", "envio/envios"),
    ("me das mi guia de rastreo", "envio/guia-de-rastreo"),
])  # fmt: skip
def test_a_topic_answers_with_what_fits_best(question: str, first: str):
    assert load().about("envio", question)[0].id == first


def test_what_always_belongs_stands_below():
    assert [d.id for d in load().about("uso", "¿cómo se usa?")] == ["uso/modo-de-uso", "uso/no-son-medicamentos"]
    assert [d.id for d in load().about("uso", "estoy embarazada")] == ["uso/no-son-medicamentos"]


# --- keeping up


class Store:
    """A database that only remembers the knowledge."""

    def __init__(self) -> None:
        self.digest = ""
        self.documents: list[dict[str, Any]] = []

    async def call(self, function: str, /, **arguments: Any) -> Any:
        assert function == "omnicrm_replace_knowledge"
        changed = arguments["p_digest"] != self.digest
        self.digest, self.documents = arguments["p_digest"], arguments["p_documents"]
        return {"changed": changed, "count": len(self.documents)}


async def test_the_database_changes_only_when_the_knowledge_does(tmp_path: Path):
    store = Store()
    write(tmp_path, envio=FACTS)
    assert await sync(store, load(tmp_path)) is True
    assert await sync(store, load(tmp_path)) is False
    write(tmp_path, productos=PRODUCT)
    assert await sync(store, load(tmp_path)) is True
    assert [d["id"] for d in store.documents] == ["envio/envios", "envio/al-extranjero", "producto/arnica"]
    assert store.documents[0] == {
        "id": "envio/envios", "title": "Envíos", "text": "El envío cuesta $99.", "source": "envio.yml",
        "tags": ["paquetería domicilio"],
    }  # fmt: skip


def test_an_edit_is_seen_and_a_broken_one_keeps_the_last_good_state(tmp_path: Path):
    folder = KnowledgeFolder(write(tmp_path, productos=PRODUCT))
    assert folder.current().products[0].price_text == "$120"
    path = write(tmp_path, productos=PRODUCT.replace("120", "130")) / "productos.yml"
    os.utime(path, ns=(1, 1))
    assert folder.current().products[0].price_text == "$130"
    write(tmp_path, productos=PRODUCT.replace("120", "caro mucho"))
    assert folder.current().products[0].price_text == "$130"
    assert "«precio»" in str(folder.problem)
    write(tmp_path, productos=PRODUCT.replace("120", "1400"))
    assert folder.current().products[0].price_text == "$1,400"
    assert folder.problem is None
