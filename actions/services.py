"""What actions work with: the CRM, the knowledge and Ara, opened once per process when first needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import httpx

from ara.answer import Ara
from ara.knowledge import FOLDER, Knowledge, KnowledgeFolder, sync
from ara.model import HttpModel
from crm.connect import check_settings, open_crm
from crm.port import Crm, CrmError, CrmMisconfigured, CrmUnavailable
from omnicrm.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

# How long a customer's turn waits for the database to be opened; the opening itself goes on.
OPEN_SECONDS = 5.0


class Services(Protocol):
    """What an action may use."""

    def knowledge(self) -> Knowledge:
        """The shop's knowledge as it is on disk now."""

    async def crm(self) -> Any:
        """The database. Raises ``CrmUnavailable``."""

    def ara(self) -> Ara:
        """The one Ara of this process."""

    def opening(self) -> str | None:
        """When a person of the shop answers, in words; None while somebody is there."""


class SharedServices:
    """The real ones. They belong to the event loop that first used them; another loop (in tests) gets its own."""

    def __init__(
        self,
        settings: Callable[[], Settings] = Settings.load,
        open_port: Callable[[Settings], Awaitable[Crm]] = open_crm,
        folder: Path = FOLDER,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._settings = settings
        self._open_port = open_port
        self._now = now
        self._folder = KnowledgeFolder(folder)
        self._opening: asyncio.Task[Crm] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ara: Ara | None = None
        self._synced: str | None = None

    def knowledge(self) -> Knowledge:
        """The shop's knowledge; a broken file is logged once per change and the last good state stays."""
        before = self._folder.problem
        knowledge = self._folder.current()
        if self._folder.problem and self._folder.problem != before:
            logger.error("knowledge cannot be read:\n%s", self._folder.problem, extra={"action": "knowledge_broken"})
        return knowledge

    async def crm(self) -> Crm:
        """The database, holding this process's knowledge. Raises ``CrmUnavailable``."""
        self._start_over_in_new_loop()
        if self._opening is None or (self._opening.done() and _failed(self._opening)):
            self._opening = asyncio.ensure_future(self._open_port(self._settings()))
        try:
            crm = await asyncio.wait_for(asyncio.shield(self._opening), OPEN_SECONDS)
        except asyncio.TimeoutError:
            raise CrmUnavailable("the database is still being opened") from None
        await self._keep_in_step(crm)
        return crm

    def ara(self) -> Ara:
        """The one Ara, with a model where a key is set."""
        self._start_over_in_new_loop()
        if self._ara is None:
            settings = self._settings()
            model = None
            if settings.ara_api_key:
                # No proxy or netrc of the machine may see the key, and no redirect may carry it elsewhere.
                client = httpx.AsyncClient(trust_env=False, follow_redirects=False)
                model = HttpModel(
                    client,
                    base_url=settings.ara_base_url,
                    model=settings.ara_model,
                    api_key=settings.ara_api_key,
                    timeout=settings.ara_timeout_seconds,
                )
            self._ara = Ara(crm=self.crm, knowledge=self.knowledge, model=model)
        return self._ara

    def opening(self) -> str | None:
        """When a person of the shop answers, in words; None while somebody is there."""
        return self._settings().opening(self._now())

    def _start_over_in_new_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._opening, self._ara, self._synced = loop, None, None, None

    async def _keep_in_step(self, crm: Crm) -> None:
        knowledge = self.knowledge()
        if not knowledge.documents or knowledge.digest == self._synced:
            return
        try:
            await sync(crm, knowledge)
            self._synced = knowledge.digest
        except CrmError as error:
            # The search still finds what the database has; the next question tries again.
            logger.warning("knowledge not stored: %s", type(error).__name__, extra={"action": "knowledge_sync_failed"})


def _failed(task: asyncio.Task[Crm]) -> bool:
    return task.cancelled() or task.exception() is not None


@lru_cache(maxsize=1)
def shared_services() -> SharedServices:
    """The services of this process, on the settings of its start.

    The first action that is made asks for them, and the action server makes all actions before it serves: settings that
    cannot work stop it here, with a line each.
    """
    try:
        settings = Settings.load()
        check_settings(settings)
    except (CrmMisconfigured, SettingsError) as error:
        raise SystemExit(str(error)) from None
    return SharedServices(lambda: settings)
