"""Files that Meta refuses go out as links, those that it takes as themselves."""

from __future__ import annotations

import pytest

from connectors.fit import fit
from connectors.message import Media, Outgoing
from connectors.meta.capabilities import INSTAGRAM, MESSENGER

TAKEN = {
    "image": ("png", "jpg", "jpeg", "gif", "JPG"),
    "video": ("mp4", "ogg", "avi", "mov", "webm"),
    "audio": ("aac", "m4a", "wav", "mp4"),
    "file": ("pdf",),
}
REFUSED = {"image": ("webp", "svg", "mp4"), "video": ("mkv", "gif"), "audio": ("mp3", "oga"), "file": ("docx", "png")}
BARE = "https://x.example/v1.2/archivo"


def is_shown(kind: str, url: str) -> list[bool]:
    """On Instagram, and on Messenger."""
    media = Media(kind=kind, url=url)  # type: ignore[arg-type]
    results = []
    for capabilities in (INSTAGRAM, MESSENGER):
        parts = fit(Outgoing(media=media), capabilities)
        assert parts in ([Outgoing(media=media)], [Outgoing(text=url)])
        results.append(parts[0].media is not None)
    return results


@pytest.mark.parametrize("kind", TAKEN)
def test_instagram_shows_the_formats_that_it_lists(kind: str) -> None:
    assert {end: is_shown(kind, f"{BARE}.{end}")[0] for end in (*TAKEN[kind], *REFUSED[kind])} == {
        **dict.fromkeys(TAKEN[kind], True),
        **dict.fromkeys(REFUSED[kind], False),
    }


@pytest.mark.parametrize("kind", TAKEN)
def test_messenger_lists_no_formats(kind: str) -> None:
    assert all(is_shown(kind, f"{BARE}.{end}")[1] for end in (*TAKEN[kind], *REFUSED[kind]))


@pytest.mark.parametrize("kind", TAKEN)
def test_an_address_without_an_ending_is_for_meta_to_look_at_but_for_instagrams_files(kind: str) -> None:
    assert is_shown(kind, BARE) == [kind != "file", True]


@pytest.mark.parametrize("kind", TAKEN)
def test_meta_fetches_over_https_alone(kind: str) -> None:
    assert is_shown(kind, f"http://x.example/a.{TAKEN[kind][0]}") == [False, False]
