"""What Messenger and Instagram show and carry. Source: Meta's Send API reference and Instagram messaging pages, v25.0."""

from __future__ import annotations

from connectors.message import Capabilities

# Audio and video: 10 a second for an account, on either channel.
MEDIA_PER_SECOND = 8.0

MESSENGER = Capabilities(
    # "Must be less than 2000 characters".
    text_limit=1999,
    buttons=3,
    button_text_limit=640,
    button_title=20,
    quick_replies=13,
    quick_reply_title=20,
    payload_limit=1000,
    cards=10,
    card_title=80,
    card_subtitle=80,
    card_buttons=3,
    # Any format: Meta lists none here.
    media=frozenset({"image", "video", "audio", "file"}),
    # 300 a second are allowed, but over 40 messages a second Meta freezes the inbox and sending until it drops.
    sends_per_second=30.0,
    media_per_second=MEDIA_PER_SECOND,
    # Hundreds a second are allowed to a Page: this leaves them to those who write now.
    lookups_per_second=2.0,
)

# By the endings of the formats that Instagram's send page lists; GIF is on the page for accounts with a linked Page alone.
# Where the address has no ending, Meta looks at what it fetches; of files it takes PDF only, since 2025-12-19.
_INSTAGRAM_FILES = {
    "image": ("", "png", "jpg", "jpeg", "gif"),
    "video": ("", "mp4", "ogg", "avi", "mov", "webm"),
    "audio": ("", "aac", "m4a", "wav", "mp4"),
    "file": ("pdf",),
}

INSTAGRAM = Capabilities(
    # "Message text must be UTF-8 and 1000 bytes or less".
    text_limit=1000,
    text_unit="bytes",
    buttons=3,
    button_text_limit=640,
    button_title=20,
    quick_replies=13,
    quick_reply_title=20,
    payload_limit=1000,
    cards=10,
    card_title=80,
    card_subtitle=80,
    card_buttons=3,
    media=frozenset(f"{kind}:{ending}" for kind, endings in _INSTAGRAM_FILES.items() for ending in endings),
    # 100 a second are allowed, but over 72,000 messages, received ones included, Meta freezes inbox and sending.
    sends_per_second=15.0,
    media_per_second=MEDIA_PER_SECOND,
    lookups_per_second=2.0,
)
