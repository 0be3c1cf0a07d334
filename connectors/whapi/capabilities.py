"""What WhatsApp shows and carries through Whapi. Source: Whapi's help desk, and WhatsApp's Cloud API where it is silent."""

from __future__ import annotations

from dataclasses import replace

from connectors.message import Capabilities

# A tap on a link button of Whapi's tells nobody, and whether one message may mix both kinds is documented nowhere: links are
# lines of text. Whapi publishes no limits for texts, lists and ids: these are the Cloud API's.
INTERACTIVE = Capabilities(
    text_limit=4096,
    buttons=3,
    button_text_limit=1024,
    button_title=25,
    button_urls=False,
    # Rendered as a list of rows.
    quick_replies=10,
    quick_reply_title=24,
    payload_limit=200,
    media=frozenset({"image", "video", "audio", "file"}),
    # WhatsApp bans numbers that behave like machines.
    lookups_per_second=0.5,
)
# WhatsApp does not promise to show buttons of such numbers. Numbered lines always arrive.
TEXT = replace(INTERACTIVE, buttons=0, quick_replies=0)
