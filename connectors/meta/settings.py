"""The settings of Instagram and Messenger."""

from __future__ import annotations

from dataclasses import dataclass

from omnicrm.setting import listed, setting, url


@dataclass(frozen=True, kw_only=True)
class MetaSettings:
    """Meta: Instagram and Messenger."""

    meta_access_token: str = setting("", "Long-lived Page access token", secret=True, example="EAAG…")
    meta_page_id: str = setting("", "Facebook Page id (Messenger, and sending for Instagram)", example="104098558513421")
    meta_ig_account_id: str = setting("", "Instagram professional account id", example="17841470026191358")
    meta_app_secret: tuple[str, ...] = setting(
        (),
        "App secret that signs webhooks and calls; during a rotation several, comma-separated, the newest first",
        listed,
        secret=True,
        example="0123abcd…",
    )
    meta_verify_token: str = setting(
        "", "Word that you choose and repeat in the App Dashboard's webhook form", secret=True, example="a-long-random-word"
    )
    meta_app_id: str = setting(
        "", "App id; tells our own Messenger echoes from other apps' at once", example="123456789012345"
    )
    meta_graph_url: str = setting(
        "https://graph.facebook.com", "Graph API address", url, example="https://graph.facebook.com"
    )
    meta_graph_version: str = setting("v25.0", "Graph API version", example="v25.0")
