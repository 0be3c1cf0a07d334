"""Which database the settings lead to, and what is wrong with settings that lead nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm.connect import open_crm
from crm.port import CrmMisconfigured
from crm.postgres import PostgresCrm
from crm.supabase import SupabaseCrm
from omnicrm.settings import Settings
from tests.support.postgrest import require_postgrest

URL, KEY = "https://abc.supabase.co", "sb_secret_x"


async def test_database_url_goes_before_supabase() -> None:
    crm = await open_crm(Settings(database_url="postgresql://u@h/d", supabase_url=URL, supabase_secret_key=KEY))
    assert isinstance(crm, PostgresCrm)
    await crm.close()


async def test_supabase_needs_no_database_url() -> None:
    crm = await open_crm(Settings(supabase_url=URL, supabase_secret_key=KEY))
    assert isinstance(crm, SupabaseCrm)
    await crm.close()


@pytest.mark.parametrize(
    ("settings", "missing"),
    [(Settings(supabase_url=URL), "SUPABASE_SECRET_KEY is not"), (Settings(supabase_secret_key=KEY), "SUPABASE_URL is not")],
    ids=["no-key", "no-url"],
)
async def test_half_of_supabases_settings_is_not_taken_for_none(settings: Settings, missing: str) -> None:
    with pytest.raises(CrmMisconfigured, match=missing):
        await open_crm(settings)


async def test_a_public_key_is_refused_at_once() -> None:
    with pytest.raises(CrmMisconfigured, match="publishable"):
        await open_crm(Settings(supabase_url=URL, supabase_secret_key="sb_publishable_x"))


@pytest.mark.parametrize("key", ["sb_secret_…", "sb_secret_a\tb", "a.b.c…"], ids=["example", "tab", "jwt"])
async def test_a_key_that_no_header_can_carry_is_refused_at_once(key: str) -> None:
    with pytest.raises(
        CrmMisconfigured, match="^SUPABASE_SECRET_KEY: the value is wrong: it holds characters that no key"
    ) as caught:
        await open_crm(Settings(supabase_url=URL, supabase_secret_key=key))
    assert key not in str(caught.value)


def test_a_missing_postgrest_is_loud_here_and_an_error_in_ci() -> None:
    assert require_postgrest(Path("/x"), ci=True) == Path("/x")
    with pytest.raises(pytest.skip.Exception, match="npm"):
        require_postgrest(None, ci=False)
    with pytest.raises(pytest.fail.Exception, match="npm"):
        require_postgrest(None, ci=True)
