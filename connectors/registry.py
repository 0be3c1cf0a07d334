"""Which platforms there are. A new one adds its line here, and its class at the end of ``connectors/channel.py``."""

from __future__ import annotations

from importlib import import_module

import httpx

from connectors.platform import Platform
from omnicrm.settings import Settings

# Name of the channel -> its `(settings, http) -> Platform`. Imported on use, so that one platform's trouble stays its own.
PLATFORMS = {
    "instagram": "connectors.meta:instagram",
    "messenger": "connectors.meta:messenger",
}


def build(name: str, settings: Settings, http: httpx.AsyncClient) -> Platform:
    """Make one platform. Raises ``SettingsError`` naming what it misses."""
    module, function = PLATFORMS[name].split(":")
    platform: Platform = getattr(import_module(module), function)(settings, http)
    return platform
