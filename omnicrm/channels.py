"""The channels by the names that people read."""

from __future__ import annotations

CHANNELS = {"instagram": "Instagram", "messenger": "Messenger", "whatsapp": "WhatsApp", "email": "Correo"}
# Where all that the bot says in a turn comes as one message.
ONE_MESSAGE = frozenset({"email"})
