"""The channels by the names that people read."""

from __future__ import annotations

CHANNELS = {"instagram": "Instagram", "messenger": "Messenger", "whatsapp": "WhatsApp", "email": "Correo"}
# By the codes that the database has for them.
NAMES = {"WA": "WhatsApp", "IG": "Instagram", "FB": "Messenger", "EMAIL": "correo", "TT": "TikTok", "SHELL": "prueba local"}
# Where all that the bot says in a turn comes as one message.
ONE_MESSAGE = frozenset({"email"})
