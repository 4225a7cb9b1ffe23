"""Settings: luigi.cfg, the environment over it, and clear words for what can't be used."""

from __future__ import annotations

import configparser
import re
from datetime import date

import pytest

from pipeline.config import PROJECT, ConfigError, eduflow, settings

pytestmark = pytest.mark.usefixtures("no_earlier_clone")


def test_without_anything_set_the_defaults_are_those_of_the_cfg(monkeypatch):
    for key in ("DATA_DIR", "OUTPUT_DIR", "DATABASE", "DATABASE_DIR", "AS_OF"):
        monkeypatch.delenv(f"EDUFLOW_{key}", raising=False)
    found = settings()
    assert found.data_dir == PROJECT / "data"
    assert found.output_dir == PROJECT / "output"
    assert (found.as_of, found.workers, found.chunk_rows) == (None, 1, 100_000)


def test_the_cfg_repeats_the_defaults_of_the_code():
    """Every key has its line there, so that a school sees what it can set, and no line says anything else."""
    given = configparser.ConfigParser()
    given.read(PROJECT / "luigi.cfg")
    assert dict(given["eduflow"]) == {name: parameter._default for name, parameter in eduflow.get_params()}


def test_a_language_model_is_off_until_the_school_says_on(monkeypatch):
    monkeypatch.delenv("EDUFLOW_LLM", raising=False)
    monkeypatch.setenv("GROQ_API_KEY", "gsk_test")
    assert settings().llm == "off"
    monkeypatch.setenv("EDUFLOW_LLM", "")
    assert settings().llm == "off"
    assert "EDUFLOW_LLM" not in (PROJECT / "docker-compose.yml").read_text(), "compose has no default of its own"
    assert not re.search(r"^EDUFLOW_LLM", (PROJECT / ".env.example").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    "key, text, name, value",
    [
        ("AS_OF", "2024-02-08", "as_of", date(2024, 2, 8)),
        ("WORKERS", "2", "workers", 2),
        ("PHONE_COUNTRY_CODE", "44", "phone_country_code", "44"),
        ("DATA_DIR", "somewhere else", "data_dir", PROJECT / "somewhere else"),
        ("DATA_DIR", "/srv/é x", "data_dir", PROJECT / "/srv/é x"),
    ],
)
def test_the_environment_wins(monkeypatch, key, text, name, value):
    monkeypatch.setenv(f"EDUFLOW_{key}", text)
    assert getattr(settings(), name) == value


@pytest.mark.parametrize(
    "key, text, said",
    [
        ("AS_OF", "yesterday", "as_of must be a date"),
        ("WORKERS", "none", "workers must be a whole number"),
        ("CHUNK_ROWS", "0", "chunk_rows must be a whole number above 0"),
        ("CHUNK_ROWS", "-5", "chunk_rows"),
        ("PHONE_DIGITS", "1_0", "phone_digits"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_key(monkeypatch, key, text, said):
    monkeypatch.setenv(f"EDUFLOW_{key}", text)
    with pytest.raises(ConfigError, match=said):
        settings()


def test_no_setting_shows_the_database_password(monkeypatch):
    monkeypatch.setenv("EDUFLOW_DATABASE", "postgresql+psycopg2://someone:hidden@nowhere/db")
    found = settings()
    assert "hidden" not in repr(found) and "hidden" not in str(found.database)
