"""The API in Rasa's server: a channel in ``credentials.yml`` that brings no customers, only the routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from rasa.core.channels.channel import InputChannel, UserMessage
from sanic import Blueprint

from omnicrm.settings import Settings, SettingsError
from router.blueprint import api_blueprint
from router.routes import PREFIX


class ApiInput(InputChannel):
    """Serves /api/v1 for the bot that the platforms' channels start: without one of them it answers 503."""

    address = PREFIX

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @classmethod
    def name(cls) -> str:
        """Rasa's name of the channel."""
        return "api"

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> ApiInput:
        """Build from the environment; stops the process with one clear line per wrong setting."""
        try:
            return cls(Settings.load())
        except SettingsError as error:
            raise SystemExit(str(error)) from None

    def url_prefix(self) -> str:
        """Absolute, so that Rasa's ``/webhooks/`` is not put before it."""
        return PREFIX

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """The API's routes."""
        return api_blueprint(self._settings.api_requests_per_minute)
