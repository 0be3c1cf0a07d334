"""Reading the owner's knowledge files: every mistake found at once, with its file and line, in Spanish."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ara.catalogue import Availability, Product
from ara.claims import medical_claim
from ara.knowledge import Document, Knowledge, KnowledgeError
from ara.text import clean, fold, words

TOPICS = (
    "precio", "producto", "uso", "disponibilidad", "envio", "pago", "mayoreo", "ubicacion", "facturacion", "devoluciones",
    "otros",
)  # fmt: skip
# Rasa takes a file under data/ for training data when a line starts with one of these words: see docs/conocimiento.md.
RASA_KEYS = ("nlu:", "responses:", "stories:", "rules:")

MAX_FILE_BYTES = 1_000_000
MAX_TEXT = 900
_YES = {"si", "yes", "true", "1"}
_NO = {"no", "false", "0"}
_AVAILABILITY: dict[str, Availability] = {
    **dict.fromkeys(_YES | {"disponible", "en existencia"}, "yes"),
    **dict.fromkeys(_NO | {"agotado", "no disponible"}, "no"),
    **dict.fromkeys(("sobre pedido", "por pedido", "bajo pedido"), "to_order"),
}
_FILE_KEYS = ("muestra", "tema", "datos", "productos")
_FACT_KEYS = ("titulo", "palabras", "texto", "siempre")
_PRODUCT_KEYS = ("nombre", "otros_nombres", "presentacion", "precio", "disponible", "descripcion", "uso")


@dataclass
class _File:
    """One file while it is read; mistakes are gathered, not raised."""

    path: Path
    mistakes: list[str]
    warnings: list[str]
    products: list[tuple[Product, int]] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    sample: bool = False

    def wrong(self, line: int | None, text: str) -> None:
        self.mistakes.append(f"{self._place(line)}: {text}")

    def warn(self, line: int | None, text: str) -> None:
        self.warnings.append(f"{self._place(line)}: {text}")

    def _place(self, line: int | None) -> str:
        return f"{self.path}" if line is None else f"{self.path}, línea {line}"


def read_folder(folder: Path) -> Knowledge:
    """All files of a folder as one ``Knowledge``. Raises ``KnowledgeError``."""
    paths = sorted(folder.glob("*.yml"))
    if not paths:
        raise KnowledgeError(f"{folder}: no hay ningún archivo .yml; ahí van los datos de la tienda (docs/conocimiento.md)")
    mistakes: list[str] = [f"{path}: la terminación debe ser .yml" for path in sorted(folder.glob("*.yaml"))]
    warnings: list[str] = []
    files = [_read_file(path, mistakes, warnings) for path in paths]
    _check_names(files)
    products = [product for file in files for product, _ in file.products]
    documents = [document for file in files for document in file.documents]
    for file in files:
        documents += [document for product, _ in file.products for document in _product_documents(product, file.path.name)]
    _check_ids(documents, mistakes)
    if mistakes:
        raise KnowledgeError("\n".join(mistakes))
    return Knowledge(
        products=tuple(products),
        documents=tuple(documents),
        samples=tuple(file.path.name for file in files if file.sample),
        warnings=tuple(warnings),
    )


def _read_file(path: Path, mistakes: list[str], warnings: list[str]) -> _File:
    file = _File(path, mistakes, warnings)
    content = _parse(file)
    if content is None:
        return file
    if not isinstance(content, dict):
        file.wrong(1, "el archivo debe empezar con «tema:» y «datos:», o con «productos:»")
        return file
    _check_keys(file, content, _FILE_KEYS)
    file.sample = _yes_or_no(file, content, "muestra")
    if "productos" in content:
        for item in _items(file, content, "productos"):
            _read_product(file, item)
    if "datos" in content:
        topic = fold(str(content.get("tema", "")))
        if topic not in TOPICS:
            file.wrong(_line(content, "tema"), f"«tema» debe ser uno de: {', '.join(TOPICS)}")
        for item in _items(file, content, "datos"):
            _read_fact(file, item, topic)
    if "productos" not in content and "datos" not in content:
        file.wrong(None, "falta «datos:» o «productos:»")
    return file


def _parse(file: _File) -> Any:
    try:
        raw = file.path.read_bytes()
        text = raw[:MAX_FILE_BYTES].decode("utf-8-sig")
    except OSError as error:
        file.wrong(None, f"no se puede leer ({error.strerror})")
        return None
    except UnicodeDecodeError:
        file.wrong(None, "guárdalo con codificación UTF-8; así como está no se leen los acentos")
        return None
    if len(raw) > MAX_FILE_BYTES:
        file.wrong(None, "es demasiado grande: más de 1 MB")
        return None
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(RASA_KEYS):
            file.wrong(number, f"ninguna línea puede empezar con «{line.lstrip().split(':')[0]}:», Rasa la tomaría por suya")
    try:
        content = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = mark.line + 1 if mark is not None else None
        file.wrong(place, "no se entiende; revisa sangría, dos puntos y comillas (un texto con «: » va entre comillas)")
        return None
    except YAMLError:
        file.wrong(None, "tiene caracteres que no se pueden leer")
        return None
    return {} if content is None else content


def _read_fact(file: _File, item: Any, topic: str) -> None:
    _check_keys(file, item, _FACT_KEYS)
    title = _text(file, item, "titulo", required=True, limit=80)
    text = _text(file, item, "texto", required=True)
    tags = _text(file, item, "palabras")
    always = _yes_or_no(file, item, "siempre")
    _check_claims(file, item, "texto", text)
    slug = "-".join(words(title))
    file.documents.append(
        Document(id=f"{topic}/{slug}", title=title, text=text, source=file.path.name, tags=(tags,) if tags else (), topic=topic,
                 always=always)
    )  # fmt: skip


def _read_product(file: _File, item: Any) -> None:
    _check_keys(file, item, _PRODUCT_KEYS)
    name = _text(file, item, "nombre", required=True, limit=60)
    if name and not words(name):
        file.wrong(_line(item, "nombre"), "«nombre» debe tener letras")
    product = Product(
        name=name,
        other_names=_names(file, item),
        presentation=_text(file, item, "presentacion", limit=80),
        price=_price(file, item),
        availability=_availability(file, item),
        description=_text(file, item, "descripcion"),
        use=_text(file, item, "uso"),
    )
    for key, text in (("descripcion", product.description), ("uso", product.use)):
        _check_claims(file, item, key, text)
    file.products.append((product, _line(item) or 1))


def _product_documents(product: Product, source: str) -> Iterator[Document]:
    slug = "-".join(words(product.name))
    names = tuple(product.names)
    yield Document(id=f"producto/{slug}", title=product.name, text=product.say_all(), source=source, tags=names,
                   topic="producto", subject=product.name)  # fmt: skip
    if product.use:
        yield Document(id=f"uso/{slug}", title=f"{product.name}: modo de uso", text=product.say_use(), source=source,
                       tags=(*names, "usa usar tomar aplicar"), topic="uso", subject=product.name)  # fmt: skip


def _check_names(files: list[_File]) -> None:
    owner: dict[str, str] = {}
    listed = [(file, product, line) for file in files for product, line in file.products]
    for file, product, line in listed:
        key = " ".join(words(product.name))
        if key in owner:
            file.wrong(line, f"el producto «{product.name}» está dos veces")
        owner[key] = product.name
    for file, product, line in listed:
        for name in product.other_names:
            other = owner.get(" ".join(words(name)), product.name)
            if other != product.name:
                file.wrong(line, f"«{name}» no puede ser otro nombre de «{product.name}»: es un producto")


def _check_ids(documents: list[Document], mistakes: list[str]) -> None:
    seen: set[str] = set()
    for document in documents:
        if document.id in seen:
            mistakes.append(f"{document.source}: el título «{document.title}» está dos veces en el mismo tema")
        seen.add(document.id)


def _check_claims(file: _File, item: Any, key: str, text: str) -> None:
    claim = medical_claim(text)
    if claim:
        file.warn(_line(item, key), f"«{claim}» suena a promesa médica; la publicidad de la tienda no puede hacerlas")


def _check_keys(file: _File, item: Any, known: tuple[str, ...]) -> None:
    if not isinstance(item, dict):
        return
    for key in item:
        if key not in known:
            close = get_close_matches(fold(str(key)), known, 1)
            hint = f"; ¿querías «{close[0]}»?" if close else f"; se conocen: {', '.join(known)}"
            file.wrong(_line(item, key), f"no se conoce «{key}»{hint}")


def _items(file: _File, content: Any, key: str) -> Iterator[Any]:
    items = content[key]
    if not isinstance(items, list) or not items:
        file.wrong(_line(content, key), f"«{key}» debe ser una lista: cada elemento empieza con «- »")
        return
    for position, item in enumerate(items):
        if isinstance(item, dict):
            yield item
        else:
            line = items.lc.item(position)[0] + 1 if hasattr(items, "lc") else None
            file.wrong(line, "cada elemento de la lista lleva sus campos, uno por línea, como «titulo: …»")


def _text(file: _File, item: Any, key: str, *, required: bool = False, limit: int = MAX_TEXT) -> str:
    value = item.get(key)
    if value is None or value == "":
        if required:
            file.wrong(_line(item), f"falta «{key}»")
        return ""
    if isinstance(value, (dict, list, bool)):
        file.wrong(_line(item, key), f"«{key}» debe ser un texto; si lleva «: » ponlo entre comillas")
        return ""
    text = clean(str(value), limit + 1)
    if len(text) > limit:
        file.wrong(_line(item, key), f"«{key}» es muy largo: {limit} caracteres como máximo")
    return text


def _names(file: _File, item: Any) -> tuple[str, ...]:
    value = item.get("otros_nombres")
    if value is None:
        return ()
    listed = value if isinstance(value, list) else str(value).split(",")
    names = tuple(clean(str(name), 60) for name in listed if name is not None)
    if not all(words(name) for name in names):
        file.wrong(_line(item, "otros_nombres"), "«otros_nombres» va así: [un nombre, otro nombre]")
    return names


def _price(file: _File, item: Any) -> Decimal | None:
    value = item.get("precio")
    if value is None or value == "":
        return None
    plain = re.sub(r"(?i)\s|\$|,(?=\d{3}(?:\D|$))|mxn|pesos", "", str(value))
    try:
        price = Decimal(plain)
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or not 0 < price < 1_000_000 or -price.as_tuple().exponent > 2:  # type: ignore[operator]
        file.wrong(_line(item, "precio"), "«precio» debe ser un número en pesos, como 120 o 99.50")
        return None
    return price


def _availability(file: _File, item: Any) -> Availability:
    value = item.get("disponible", "sí")
    availability = _AVAILABILITY.get(" ".join(words(str(value))))
    if availability is None:
        file.wrong(_line(item, "disponible"), "«disponible» debe ser: sí, no, o sobre pedido")
        return "no"
    return availability


def _yes_or_no(file: _File, item: Any, key: str) -> bool:
    value = " ".join(words(str(item.get(key, "no"))))
    if value not in _YES | _NO:
        file.wrong(_line(item, key), f"«{key}» debe ser sí o no")
    return value in _YES


def _line(item: Any, key: Any = None) -> int | None:
    position = getattr(item, "lc", None)
    if position is None:
        return None
    if key is not None and key in item:
        return int(position.key(key)[0]) + 1
    return None if position.line is None else int(position.line) + 1
