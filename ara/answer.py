"""Ara's answer to one question: from the model if it stays with its sources, else from the knowledge itself, else a person.

Always an answer, never an exception.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ara.budget import Breaker, Budget
from ara.guard import Source, check
from ara.knowledge import Calls, Document, Knowledge
from ara.model import ChatModel, ModelError
from ara.prompt import DONT_KNOW, MAX_QUESTION, MAX_SOURCES, Line, build_prompt
from ara.text import clean, content_words, words

logger = logging.getLogger(__name__)

# A document is quoted when it has at least this share of the question's content words, one of them in its title or tags.
# Measured on the questions in tests/fixtures/ara/questions.yml.
RELEVANCE_FLOOR = 0.5
SEARCH_SECONDS = 3.0

Way = Literal["model", "knowledge", "clarify", "handover"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to tell the customer. ``text`` is None when nothing is known: say so and hand over. ``reason`` is for the staff."""

    text: str | None
    way: Way
    sources: tuple[str, ...] = ()
    reason: str = ""

    @property
    def handover(self) -> bool:
        """Whether a person must take it from here."""
        return self.way == "handover"


@dataclass(frozen=True, slots=True)
class _Found:
    document: Document
    relevance: float


class Ara:
    """Answers questions of customers. Holds no conversation: everything comes with the question."""

    def __init__(
        self,
        *,
        crm: Callable[[], Awaitable[Calls]],
        knowledge: Callable[[], Knowledge],
        model: ChatModel | None = None,
        clock: Callable[[], float] = time.monotonic,
        canary: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._crm = crm
        self._knowledge = knowledge
        self._model = model
        self._canary = canary
        self._breaker = Breaker(clock)
        self._budget = Budget(clock)

    async def answer(self, question: str, *, conversation: str, history: Sequence[Line] = ()) -> Answer:
        """Answer one question of a conversation (its key counts against the budget). Never raises."""
        try:
            return await self._answer(clean(question, MAX_QUESTION), conversation, history)
        except Exception as error:
            # The last wall: whatever is broken here, the customer gets a person. An error may quote texts: debug only.
            logger.error("ara failed: %s", type(error).__name__, extra={"action": "ara_failed"})
            logger.debug("ara failed", exc_info=True)
            return Answer(text=None, way="handover", reason="Ara falló")

    async def _answer(self, question: str, conversation: str, history: Sequence[Line]) -> Answer:
        if not content_words(question):
            return Answer(text=None, way="clarify", reason="sin palabras que digan algo")
        knowledge = self._knowledge()
        found, problem = await self._search(question, knowledge)
        answer = None
        try:
            answer = await self._from_model(question, found, knowledge, conversation, history)
        except Exception as error:  # a fault around the model takes nothing from the first way
            logger.error("model way failed: %s", type(error).__name__, extra={"action": "ara_model_failed"})
        if answer is None:
            answer = _from_knowledge(found) or Answer(text=None, way="handover", reason=problem or "no está en el conocimiento")
        logger.info("ara answered: %s", answer.way, extra={"action": "ara_answered", "way": answer.way})
        return answer

    async def _search(self, question: str, knowledge: Knowledge) -> tuple[list[_Found], str]:
        asked = _search_words(question, knowledge)
        try:
            rows = await asyncio.wait_for(self._rows(asked), SEARCH_SECONDS)
        except Exception as error:  # any trouble of the database means the same here: nothing found
            logger.warning("knowledge search failed: %s", type(error).__name__, extra={"action": "ara_search_failed"})
            return [], "la base de datos no responde"
        documents = [_document(row, knowledge) for row in rows]
        found = [_Found(document, document.relevance(asked)) for document in documents]
        return [each for each in found if each.relevance > 0], ""

    async def _rows(self, asked: str) -> list[dict[str, object]]:
        crm = await self._crm()
        rows: list[dict[str, object]] = await crm.call("omnicrm_search_knowledge", p_query=asked, p_limit=MAX_SOURCES)
        return rows

    async def _from_model(
        self, question: str, found: Sequence[_Found], knowledge: Knowledge, conversation: str, history: Sequence[Line]
    ) -> Answer | None:
        """The model's answer if it may be given; None: use the knowledge itself."""
        if self._model is None or not self._breaker.allows() or not self._budget.spend(conversation):
            return None
        sources = [Source(each.document.title, each.document.text, each.document.subject) for each in found]
        canary = self._canary()
        prompt = build_prompt(question, sources, history, canary=canary)
        try:
            told = await self._model.complete(prompt.messages)
        except ModelError as error:
            self._breaker.failed(error)
            logger.warning("model failed: %s: %s", type(error).__name__, error, extra={"action": "ara_model_failed"})
            return None
        self._breaker.succeeded()
        if DONT_KNOW.casefold() in told.casefold():
            return None
        verdict = check(told, sources, question=question, products=knowledge.products, system=prompt.system, canary=canary)
        if not verdict.ok:
            kinds = sorted({reason.kind for reason in verdict.reasons})
            logger.warning("answer refused: %s", ", ".join(kinds), extra={"action": "ara_answer_refused"})
            return None
        return Answer(text=verdict.text, way="model", sources=tuple(each.document.id for each in found))


def _search_words(question: str, knowledge: Knowledge) -> str:
    """The question, with the right names of the products that it misspells."""
    named = [product.name for product in knowledge.find_products(question)]
    missing = [name for name in named if not set(words(name)) <= set(words(question))]
    return " ".join((question, *missing))


def _document(row: dict[str, object], knowledge: Knowledge) -> Document:
    known = knowledge.document(str(row["id"]))
    if known is not None:
        return known
    # The database may hold newer or older knowledge than this process's files: what it says still is the shop's word.
    tags = row.get("tags")
    return Document(
        id=str(row["id"]), title=str(row["title"]), text=str(row["text"]), source=str(row["source"]),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
    )  # fmt: skip


def _from_knowledge(found: Sequence[_Found]) -> Answer | None:
    if not found:
        return None
    # max() keeps the first of equals: the database's order decides.
    best = max(found, key=lambda each: each.relevance)
    if best.relevance < RELEVANCE_FLOOR:
        return None
    return Answer(text=best.document.text, way="knowledge", sources=(best.document.id,))
