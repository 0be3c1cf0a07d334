from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import httpx
import pytest

from omnicrm.env_example import example_file
from omnicrm.setting import url
from omnicrm.settings import Settings, SettingsError, read_dotenv


def load(environment: dict[str, str]) -> Settings:
    return Settings.load(environment, dotenv=None)


def test_nothing_set_gives_the_defaults() -> None:
    assert load({}) == Settings()


def test_a_setting_is_read_by_its_name_in_capitals() -> None:
    settings = load({"META_APP_SECRET": "new, old", "BURST_SECONDS": "0.5", "WORKER_CONCURRENCY": "3", "DATA_DIR": "/srv/bot"})
    assert settings.meta_app_secret == ("new", "old")
    assert (settings.burst_seconds, settings.worker_concurrency, settings.data_dir) == (0.5, 3, Path("/srv/bot"))


def test_an_empty_or_blank_value_is_the_default() -> None:
    assert load({"BURST_SECONDS": "", "ARA_MODEL": "  "}) == Settings()


def test_every_wrong_setting_is_one_line_with_its_name_and_an_example() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"BURST_SECONDS": "soon", "LEASE_SECONDS": "9999", "ARA_BASE_URL": "api.openai.com", "LOG_LEVEL": "LOUD"})
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["BURST_SECONDS", "ARA_BASE_URL", "LEASE_SECONDS", "LOG_LEVEL"]
    assert all("Example: " in line for line in lines)


def test_a_channel_may_have_a_limit_of_its_own() -> None:
    given = {"BURST_SECONDS": "2", "BURST_BY_CHANNEL": "email=0, WA=3.5", "REPLY_MAX_AGE_BY_CHANNEL": "EMAIL=86400"}
    settings = load(given)
    assert [settings.burst_of(channel) for channel in ("EMAIL", "WA", "IG")] == [0, 3.5, 2]
    assert [settings.reply_max_age_of(channel) for channel in ("EMAIL", "WA")] == [86400, 21600]
    for wrong in ("EMAIL", "SMS=2", "WA=31", "WA=soon"):
        with pytest.raises(SettingsError, match="BURST_BY_CHANNEL"):
            load({"BURST_BY_CHANNEL": wrong})


def test_the_environment_wins_over_the_file_and_can_empty_it(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("META_PAGE_ID=1\nMETA_IG_ACCOUNT_ID=2\nARA_API_KEY=key\n", encoding="utf-8")
    settings = Settings.load({"META_PAGE_ID": "10", "ARA_API_KEY": ""}, dotenv=file)
    assert (settings.meta_page_id, settings.meta_ig_account_id, settings.ara_api_key) == ("10", "2", "")


def test_secrets_stay_out_of_repr_and_of_errors() -> None:
    secret = "EAAGverysecret"
    shown = repr(load({"META_ACCESS_TOKEN": secret, "META_APP_SECRET": secret, "ARA_API_KEY": secret, "DATABASE_URL": secret}))
    assert secret not in shown
    with pytest.raises(SettingsError) as caught:
        load({"ARA_TIMEOUT_SECONDS": "x", "SUPABASE_URL": "abc"})
    assert "SUPABASE_URL: 'abc'" in str(caught.value)


@pytest.mark.parametrize("spec", fields(Settings), ids=lambda spec: spec.name)
def test_every_setting_has_a_meaning_and_an_example_that_it_takes(spec) -> None:  # type: ignore[no-untyped-def]
    assert spec.metadata["meaning"]
    example = spec.metadata["example"]
    assert example
    spec.metadata["read"](example)


URLS = [spec.name.upper() for spec in fields(Settings) if spec.metadata["read"] is url]


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "address",
    ["https://graph….facebook.com", "https://h\tx", "https://h x", "https://[::g]/", "https://1.2.3.999", "https://xn--/"],
)
def test_an_address_that_nothing_can_call_is_refused(name: str, address: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: ") as caught:
        load({name: address})
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("address", ["https://h", "http://127.0.0.1:4321", "https://[::1]:8443/v1", "https://h/a/b?c=d"])
def test_an_address_that_can_be_called_is_taken(address: str) -> None:
    assert httpx.URL(load({"META_GRAPH_URL": address}).meta_graph_url) == httpx.URL(address)


@pytest.mark.parametrize(
    "name", ["META_PAGE_ID", "META_GRAPH_VERSION", "META_IG_ACCOUNT_ID", "META_APP_ID", "WHAPI_CHANNEL_ID"]
)
@pytest.mark.parametrize("value", ["1\t2", "1\n2", "1\u200b2"])
def test_what_becomes_part_of_an_address_stands_on_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: '1.*2' is wrong: holds a tab, a line break or "):
        load({name: value})


def test_a_name_with_accents_and_a_password_with_spaces_are_taken() -> None:
    settings = load({"EMAIL_SENT_FOLDER": "Envíados 📤", "EMAIL_PASSWORD": "abcd efgh ñ"})
    assert (settings.email_sent_folder, settings.email_password) == ("Envíados 📤", "abcd efgh ñ")


def test_a_file_that_is_not_utf_8_is_one_line_that_says_where(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes("ARA_MODEL=x\nEMAIL_NAME=Botánica\n".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"^.*/\.env: line 2 is not UTF-8\. Save the file as UTF-8$"):
        Settings.load({}, dotenv=file)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match=r"^.*/\.env: cannot be read: Is a directory\. Make it a file"):
        Settings.load({}, dotenv=tmp_path / ".env")


def test_the_example_of_env_shows_each_default_and_changes_nothing(tmp_path: Path) -> None:
    copied, bare = tmp_path / "copied.env", tmp_path / "bare.env"
    copied.write_text(example_file(), encoding="utf-8")
    # Every # before a name taken away, as the first lines of the file say.
    bare.write_text(re.sub(r"^# (?=[A-Z_]+=)", "", example_file(), flags=re.MULTILINE), encoding="utf-8")
    assert set(read_dotenv(bare)) == {spec.name.upper() for spec in fields(Settings)}
    assert Settings.load({}, dotenv=copied) == Settings()
    assert Settings.load({}, dotenv=bare) == Settings()
