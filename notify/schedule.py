"""When a delivery that failed is tried again. Pure; ``jitter`` is in [0, 1)."""

from __future__ import annotations

# Standard Webhooks 1.0.0, "Deliverability and reliability": after each failed try, in seconds. About four days in all.
WEBHOOK_DELAYS = tuple(
    float(seconds) for seconds in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
# An event that failed this often does not hold up those behind it any more.
TRIES_IN_ORDER = 3

FIRST_NOTICE_SECONDS = 10.0
LONGEST_NOTICE_SECONDS = 1800.0
# About eight hours: who reads an older notice has found out by other means.
NOTICE_TRIES = 20


def webhook_delay(attempts: int, jitter: float, wanted: float | None = None) -> float | None:
    """Seconds until try ``attempts + 1`` of an event; None when there is none. ``wanted``: what the receiver asked for."""
    if attempts > len(WEBHOOK_DELAYS):
        return None
    delay = WEBHOOK_DELAYS[attempts - 1]
    return max(delay * (0.9 + jitter / 5), min(wanted or 0.0, WEBHOOK_DELAYS[-1]))


def notice_delay(attempts: int, jitter: float, wanted: float | None = None) -> float:
    """Seconds until try ``attempts + 1`` of a notice: doubling, with full jitter in its upper half."""
    longest = min(LONGEST_NOTICE_SECONDS, FIRST_NOTICE_SECONDS * 2.0 ** (attempts - 1))
    return max(longest * (0.5 + jitter / 2), min(wanted or 0.0, LONGEST_NOTICE_SECONDS))
