"""What the shop knows: the owner's files in ``data/knowledge``, read, checked and put into the database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from ara.catalogue import Product, find_products
from ara.text import content_words, coverage

FOLDER = Path("data/knowledge")


class KnowledgeError(Exception):
    """The files cannot be used; one line per mistake, in Spanish for the owner: file, line, what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One thing that may be told to a customer. ``subject`` is the product it is about, "" for the shop as a whole."""

    id: str
    title: str
    text: str
    source: str
    tags: tuple[str, ...] = ()
    topic: str = ""
    subject: str = ""
    always: bool = False

    def relevance(self, question: str) -> float:
        """The share of the question's content words that this document has, 0 to 1; 0 if its title and tags have none."""
        asked = content_words(question)
        heading = content_words(" ".join((self.title, *self.tags)))
        return coverage(asked, heading + content_words(self.text)) if coverage(asked, heading) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """All that Ara may state. ``samples`` are the files that the owner has not replaced yet."""

    products: tuple[Product, ...] = ()
    documents: tuple[Document, ...] = ()
    samples: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Changes exactly when the documents do."""
        canonical = json.dumps([asdict(d) for d in self.documents], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def find_products(self, text: str) -> list[Product]:
        """The products that a text names."""
        return find_products(text, self.products)

    def document(self, identifier: str) -> Document | None:
        """The document of that id, if it is still known."""
        return next((d for d in self.documents if d.id == identifier), None)

    def about(self, topic: str, question: str) -> list[Document]:
        """What to say on a topic: the item that fits the question best, else the first, then those marked ``siempre``."""
        items = [d for d in self.documents if d.topic == topic and not d.subject]
        if not items:
            return []
        # The first item is the general one: another must have a word of the question that the first has not.
        general = content_words(" ".join((items[0].title, *items[0].tags, items[0].text)))
        special = [word for word in content_words(question) if not coverage([word], general)]

        def fit(document: Document) -> float:
            return coverage(special, content_words(" ".join((document.title, *document.tags))))

        best = max(items, key=fit)  # the first of equals
        return [best, *(d for d in items if d.always and d is not best)]

    def always(self, topic: str) -> list[Document]:
        """What belongs under every answer on a topic, such as "no son medicamentos"."""
        return [d for d in self.documents if d.topic == topic and d.always]


class Calls(Protocol):
    """The one thing needed of the database (see ``crm.port``)."""

    async def call(self, function: str, /, **arguments: Any) -> Any:
        """Run one function and return its JSON."""


def load(folder: Path = FOLDER) -> Knowledge:
    """Read every ``.yml`` of the folder. Raises ``KnowledgeError`` naming every mistake; then nothing is used."""
    from ara.files import read_folder  # the YAML library loads only where files are read

    return read_folder(folder)


async def sync(crm: Calls, knowledge: Knowledge) -> bool:
    """Make the database hold exactly this knowledge; True when it had to change. Raises what the CRM raises."""
    documents = [
        {"id": d.id, "title": d.title, "text": d.text, "source": d.source, "tags": list(d.tags)} for d in knowledge.documents
    ]
    outcome = await crm.call("omnicrm_replace_knowledge", p_documents=documents, p_digest=knowledge.digest)
    return bool(outcome["changed"])


class KnowledgeFolder:
    """The knowledge as it is on disk now: read again when a file changes, so that an edit needs no restart.

    A broken edit keeps the last good knowledge; ``problem`` then says what is wrong.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._stamp: tuple[tuple[str, int, int], ...] | None = None
        self._knowledge = Knowledge()
        self.problem: str | None = None

    def current(self) -> Knowledge:
        """The last knowledge that could be read; empty when there never was any."""
        stamp = tuple(_stamps(self._folder))
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._knowledge, self.problem = load(self._folder), None
            except KnowledgeError as error:
                self.problem = str(error)
        return self._knowledge


def _stamps(folder: Path) -> Iterable[tuple[str, int, int]]:
    for path in sorted(folder.glob("*.yml")):
        try:
            status = path.stat()
        except OSError:
            continue  # deleted or replaced this moment: the next look sees the result
        yield path.name, status.st_mtime_ns, status.st_size
