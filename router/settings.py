"""Settings of the API."""

from __future__ import annotations

from dataclasses import dataclass

from omnicrm.setting import integer, setting


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """The API for other software, /api/v1. Its keys are made with `omnicrm apikey create`."""

    api_requests_per_minute: int = setting(
        300, "Requests that one API key may make per minute, to each process of the bot", integer(1, 100_000), example="300"
    )
