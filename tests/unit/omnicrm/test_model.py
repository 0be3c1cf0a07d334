from __future__ import annotations

import os
from pathlib import Path

import pytest

from omnicrm import model


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "config.yml": "pipeline:\n- name: nlu_parts.words.Words\n- name: RegexFeaturizer\n",
        "domain.yml": "intents: [saludar]\n",
        "data/nlu/cortesia.yml": "nlu: []\n",
        "data/lookups/productos.txt": "árnica\n",
        "data/knowledge/precios.yml": "precio: 120\n",
        "nlu_parts/words.py": "class Words: ...\n",
        "credentials.yml": "x:\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["config.yml", "domain.yml", "data/nlu/cortesia.yml", "data/lookups/productos.txt", "nlu_parts/words.py"]
)
def test_a_change_of_what_the_model_is_made_of_asks_for_a_new_one(project: Path, name: str) -> None:
    before = model.digest(project)
    (project / name).write_text((project / name).read_text(encoding="utf-8") + "# x\n", encoding="utf-8")
    assert model.digest(project) != before


def test_a_new_or_renamed_data_file_asks_for_a_new_model(project: Path) -> None:
    first = model.digest(project)
    (project / "data/rules.yml").write_text("rules: []\n", encoding="utf-8")
    second = model.digest(project)
    (project / "data/rules.yml").rename(project / "data/reglas.yml")
    assert len({first, second, model.digest(project)}) == 3


@pytest.mark.parametrize("name", ["data/knowledge/precios.yml", "credentials.yml"])
def test_what_training_does_not_read_leaves_the_model_alone(project: Path, name: str) -> None:
    before = model.digest(project)
    (project / name).write_text("changed: true\n", encoding="utf-8")
    assert model.digest(project) == before


def test_the_digest_does_not_depend_on_where_the_project_lies_or_on_times(project: Path, tmp_path: Path) -> None:
    before = model.digest(project)
    moved = tmp_path.parent / (tmp_path.name + "-moved")
    project.rename(moved)
    os.utime(moved / "config.yml", (1, 1))
    assert model.digest(moved) == before


def test_a_model_of_the_present_inputs_is_used_without_training_and_made_the_newest(project: Path) -> None:
    ours = model.path_of(project)
    ours.parent.mkdir()
    ours.write_bytes(b"model")
    os.utime(ours, (1, 1))
    (ours.parent / "experiment.tar.gz").write_bytes(b"older inputs, newer file")
    assert model.ensure(project, project / "train.log") == ours
    assert not (project / "train.log").exists()
    assert model.latest(project) == ours


def test_a_training_that_fails_says_what_rasa_said(project: Path) -> None:
    (project / "config.yml").write_text("pipeline: nonsense\n", encoding="utf-8")
    with pytest.raises(model.TrainingFailed, match=r"train\.log"):
        model.ensure(project, project / "train.log")
    assert not list((project / "models").glob("*.tar.gz"))
