"""Instagram and Messenger through Meta's Graph API and webhooks."""

from __future__ import annotations

from connectors.meta.platform import Instagram as instagram
from connectors.meta.platform import Messenger as messenger

__all__ = ["instagram", "messenger"]
