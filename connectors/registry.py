"""Which platforms there are.

A new one adds its line here, its settings to ``omnicrm/settings.py``, and its class at the end of ``connectors/channel.py``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from connectors.platform import Platform
    from omnicrm.settings import Settings

# Name of the channel -> the class of its platform, made with `(settings, http)`. Imported on use: one's trouble is its own.
PLATFORMS = {
    "instagram": "connectors.meta.platform:Instagram",
    "messenger": "connectors.meta.platform:Messenger",
    "whatsapp": "connectors.whapi.platform:Whatsapp",
    "email": "connectors.email.platform:Email",
}
# What platforms add to the command line.
COMMANDS = ("connectors.whapi.cli:app",)


def build(name: str, settings: Settings, http: httpx.AsyncClient) -> Platform:
    """Make one platform. Raises ``SettingsError`` naming what it misses."""
    platform: Platform = _named(PLATFORMS[name])(settings, http)
    return platform


def commands() -> list[Any]:
    """The platforms' own commands, as typer applications."""
    return [_named(command) for command in COMMANDS]


def _named(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(module), name)
