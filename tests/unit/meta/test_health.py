"""What `omnicrm doctor` learns from Graph."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.meta.platform import Instagram as instagram
from connectors.meta.platform import Messenger as messenger
from connectors.platform import Finding
from omnicrm.settings import Settings

PAGE, IG, APP = "104098558513421", "17841470026191358", "123456789"
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
SETTINGS = Settings(
    meta_access_token="EAAtoken", meta_page_id=PAGE, meta_ig_account_id=IG, meta_app_secret=("s",), meta_verify_token="v",
    meta_app_id=APP, meta_graph_url="https://graph.test",
)  # fmt: skip
SCOPES = ["pages_messaging", "instagram_basic", "instagram_manage_messages"]
README = Path(__file__).parents[3] / "README.md"
# As the README subscribes the Page.
FIELDS = re.findall(r"subscribed_fields=([a-z_,]+)", README.read_text(encoding="utf-8"))[0].split(",")
GOOD: dict[str, Any] = {
    "debug_token": {"data": {
        "app_id": APP, "is_valid": True, "expires_at": 0, "data_access_expires_at": 0, "profile_id": PAGE, "scopes": SCOPES,
        "granular_scopes": [{"scope": "pages_messaging", "target_ids": [PAGE]}],
    }},
    "me": {"id": PAGE, "name": "EXTRACTOS EUM"},
    f"{PAGE}/subscribed_apps": {"data": [{"id": APP, "subscribed_fields": FIELDS}]},
    PAGE: {"instagram_business_account": {"id": IG}, "id": PAGE},
}  # fmt: skip
ERROR = {"error": {"message": "nope", "code": 190}}


async def check(build: Any = instagram, settings: Settings = SETTINGS, **changed: Any) -> list[Finding]:
    answers = {**GOOD, **{name.replace("subscribed_apps", f"{PAGE}/subscribed_apps"): value for name, value in changed.items()}}
    if "page" in changed:
        answers[PAGE] = changed["page"]

    def graph(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers[request.url.path.removeprefix("/v25.0/")])

    return await build(settings, httpx.AsyncClient(transport=httpx.MockTransport(graph)), clock=lambda: NOW).check()  # type: ignore[no-any-return]


def token(**changes: Any) -> dict[str, Any]:
    return {"data": {**GOOD["debug_token"]["data"], **changes}}


def worst(findings: list[Finding]) -> Finding:
    return max(findings, key=lambda finding: ["ok", "warning", "error"].index(finding.level))


@pytest.mark.parametrize("build", [instagram, messenger])
async def test_all_is_well(build: Any) -> None:
    findings = await check(build)
    assert [finding.level for finding in findings] == ["ok"] * len(findings)
    assert len(findings) == (4 if build is instagram else 3)


async def test_without_app_id_the_token_is_tried_and_the_rest_recommended() -> None:
    findings = await check(settings=replace(SETTINGS, meta_app_id=""))
    assert [finding.level for finding in findings] == ["ok", "warning", "ok", "ok"]
    assert "EXTRACTOS EUM" in findings[0].text and "META_APP_ID" in findings[1].text


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"debug_token": ERROR}, "error", "META_ACCESS_TOKEN"),
        ({"debug_token": token(is_valid=False)}, "error", "ya no es válido"),
        ({"debug_token": token(profile_id="9")}, "error", "página 9"),
        ({"debug_token": token(app_id="9")}, "error", "META_APP_ID"),
        ({"debug_token": token(expires_at=int(NOW.timestamp()) + 5 * 86400)}, "warning", "vence el 2026-11-28"),
        ({"debug_token": token(data_access_expires_at=int(NOW.timestamp()) + 86400)}, "warning", "vence el 2026-11-24"),
        ({"debug_token": token(scopes=["pages_messaging"])}, "error", "instagram_basic, instagram_manage_messages"),
        ({"debug_token": token(granular_scopes=[{"scope": "instagram_basic", "target_ids": ["9"]}])}, "error", "autoriza"),
        ({"subscribed_apps": {"data": []}}, "error", "subscribed_apps"),
        ({"subscribed_apps": {"data": [{"id": "9", "subscribed_fields": ["messages"]}]}}, "error", "subscribed_apps"),
        ({"subscribed_apps": ERROR}, "warning", "suscripción"),
        ({"page": {"id": PAGE}}, "error", "vincúlala"),
        ({"page": {"instagram_business_account": {"id": "9"}}}, "error", "META_IG_ACCOUNT_ID"),
    ],
)
async def test_each_trouble_says_what_to_do(changed: dict[str, Any], level: str, words: str) -> None:
    finding = worst(await check(**changed))
    assert finding.level == level
    assert words in finding.text
    assert "EAAtoken" not in finding.text


@pytest.mark.parametrize("wrong", [{"meta_app_secret": ("0123abcd…",)}, {"meta_app_id": "123…"}])
async def test_an_apps_id_or_secret_that_was_copied_badly_is_to_be_copied_again(wrong: dict[str, Any]) -> None:
    (finding,) = await check(settings=replace(SETTINGS, **wrong))
    assert finding.level == "error" and "META_APP_ID o META_APP_SECRET" in finding.text and "…" not in finding.text


@pytest.mark.parametrize("missing", FIELDS)
async def test_messenger_says_which_field_is_missing(missing: str) -> None:
    others = [name for name in FIELDS if name != missing]
    finding = worst(await check(messenger, subscribed_apps={"data": [{"id": APP, "subscribed_fields": others}]}))
    assert finding.level == "warning"
    assert f"A la suscripción de la página le falta {missing}: suscríbela con POST" in finding.text


async def test_a_token_of_another_page_is_found_without_app_id_too() -> None:
    finding = worst(await check(settings=replace(SETTINGS, meta_app_id=""), me={"id": "9", "name": "Otra"}))
    assert finding.level == "error" and "Otra" in finding.text
