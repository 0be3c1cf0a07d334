"""Which platforms there are.

A new one adds its line here, its settings to ``omnicrm/settings.py``, and its class at the end of ``connectors/channel.py``.
"""

from __future__ import annotations

from importlib import import_module

import httpx

from connectors.platform import Platform
from omnicrm.settings import Settings

# Name of the channel -> the class of its platform, made with `(settings, http)`. Imported on use: one's trouble is its own.
PLATFORMS = {
    "instagram": "connectors.meta.platform:Instagram",
    "messenger": "connectors.meta.platform:Messenger",
}


def build(name: str, settings: Settings, http: httpx.AsyncClient) -> Platform:
    """Make one platform. Raises ``SettingsError`` naming what it misses."""
    module, class_name = PLATFORMS[name].split(":")
    platform: Platform = getattr(import_module(module), class_name)(settings, http)
    return platform
