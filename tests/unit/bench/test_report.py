from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import report
from bench.figures import Figure, under
from bench.measured import Machinery, Run, Talk, Throughput, figures

FIGURES = [
    under(700, name="memory", unit="MB", ours=570.23456, stock=1130.0),
    Figure(name="webhooks", unit="events/s", ours=312.5, better="higher"),
]


def a_run(*, train: bool = True) -> Run:
    def talk(milliseconds: float, growth: float, per_second: float, trained: float) -> Talk:
        windows = {5: [milliseconds / 1000] * 3, 60: [milliseconds / 1000] * 3, 200: [milliseconds * growth / 1000] * 3}
        return Talk(
            trained=trained if train else None, ready=20.0, memory=600.0, first=[0.05] * 3, windows=windows,
            crowd=Throughput(int(per_second * 10), 10.0), regulars=Throughput(int(per_second / 4), 1.0),
        )  # fmt: skip

    machinery = Machinery(
        actions_memory=130.0, question=[0.04] * 3, trips={"turn": 3.0}, webhooks=[0.02] * 100, flood=Throughput(900, 3.0),
        turns_in_flood=40.0,
    )  # fmt: skip
    return Run(stock=talk(50, 8, 18, 120), ours=talk(20, 1.2, 94, 40), machinery=machinery)


def test_results_are_a_list_of_objects_with_these_keys(tmp_path: Path) -> None:
    report.write(FIGURES, tmp_path / "new" / "results.json")
    assert json.loads((tmp_path / "new" / "results.json").read_text(encoding="utf-8")) == [
        {"name": "memory", "unit": "MB", "ours": 570.2, "stock": 1130.0, "ratio": 1.982, "goal": "under 700 MB", "met": True},
        {"name": "webhooks", "unit": "events/s", "ours": 312.5, "stock": None, "ratio": None, "goal": "", "met": None},
    ]


def test_new_results_replace_the_old_ones_and_leave_nothing_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("[]", encoding="utf-8")
    report.write(FIGURES, path)
    assert len(json.loads(path.read_text(encoding="utf-8"))) == len(FIGURES)
    assert list(tmp_path.iterdir()) == [path]


def test_the_table_shows_every_figure_with_its_goal() -> None:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(report.table(FIGURES))
    lines = capture.get().splitlines()
    assert lines[1].split() == ["memory", "MB", "570", "1,130", "1.98×", "under", "700", "MB", "yes"]
    assert lines[2].split() == ["webhooks", "events/s", "312", "–"]


def test_the_markdown_table_is_the_one_of_the_documentation() -> None:
    assert report.markdown(FIGURES).splitlines()[2:] == [
        "| memory | MB | 570 | 1,130 | 1.98× | under 700 MB | yes |",
        "| webhooks | events/s | 312 | – |  |  |  |",
    ]


def test_the_page_keeps_its_text_and_gets_the_new_table(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("# Benchmarks\n\n## Last run\n\nlong ago\n", encoding="utf-8")
    report.into_page(FIGURES, page, "2026-11-23, 2 cores.")
    text = page.read_text(encoding="utf-8")
    assert text == f"# Benchmarks\n\n## Last run\n\n2026-11-23, 2 cores.\n\n{report.markdown(FIGURES)}"


def test_a_page_without_the_heading_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("# Something else\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no heading"):
        report.into_page(FIGURES, page, "")
    assert page.read_text(encoding="utf-8") == "# Something else\n"


def test_every_goal_is_judged() -> None:
    judged = {figure.name: figure.met for figure in figures(a_run()) if figure.goal}
    assert judged == {
        "memory of the bot": True,
        "turn 200 over turn 5, p50": True,
        "turns at 20 concurrent, new senders": True,
        "turns at 20 concurrent, after 30 turns": True,
        "webhook at full rate, p99": True,
        "round trips, turn": True,
    }


def test_seconds_are_reported_as_milliseconds() -> None:
    found = {figure.name: figure for figure in figures(a_run())}["turn 5 of a sender, p50"]
    assert (found.unit, found.ours, found.stock, found.ratio) == ("ms", 20.0, 50.0, 2.5)


def test_a_run_that_did_not_train_says_nothing_of_training() -> None:
    assert "training" in {figure.name for figure in figures(a_run())}
    assert "training" not in {figure.name for figure in figures(a_run(train=False))}
