"""Compare NLU pipelines on our own examples; the table in docs/nlu.md is what this prints.

    .venv/bin/python scripts/nlu_benchmark.py                 # all candidates, one after the other
    .venv/bin/python scripts/nlu_benchmark.py ours diet       # some
    .venv/bin/python scripts/nlu_benchmark.py --folds 5
    .venv/bin/python scripts/nlu_benchmark.py --folds 0       # times and unseen lines alone, in a quarter of the time

Each candidate runs in a process of its own: k-fold cross-validation over data/nlu (stratified, fixed seed), then a training on
everything that is asked for the unseen lines of tests/nlu_holdout.yml and timed. Times are of the processor, so that other
work on the machine does not show in them. Nothing in the project is changed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
SEED = 20261123
CONFIDENT = 0.4
THREADS = "2"

_ENTITIES = [{"name": "RegexEntityExtractor"}, {"name": "EntitySynonymMapper"}]
_COUNTS = [
    {"name": "CountVectorsFeaturizer", "strip_accents": "unicode", "max_ngram": 2},
    {"name": "CountVectorsFeaturizer", "analyzer": "char_wb", "strip_accents": "unicode", "min_ngram": 1, "max_ngram": 4},
]
CANDIDATES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "ours": (
        "NgramIntentClassifier (config.yml)",
        [{"name": "nlu.intent_classifier.NgramIntentClassifier", "longest_piece": 4, "strength": 20}, *_ENTITIES],
    ),
    "words": (
        "words + LogisticRegressionClassifier",
        [{"name": "WhitespaceTokenizer"}, _COUNTS[0], {"name": "LogisticRegressionClassifier", "max_iter": 100}, *_ENTITIES],
    ),
    "logistic": (
        "words, letters, regex + LogisticRegressionClassifier",
        [
            {"name": "WhitespaceTokenizer"}, {"name": "RegexFeaturizer"}, *_COUNTS,
            {"name": "LogisticRegressionClassifier", "max_iter": 100}, *_ENTITIES,
        ],
    ),
    "diet": (
        "words, letters, regex + DIETClassifier (30 epochs)",
        [
            {"name": "WhitespaceTokenizer"}, {"name": "RegexFeaturizer"}, {"name": "LexicalSyntacticFeaturizer"}, *_COUNTS,
            {"name": "DIETClassifier", "epochs": 30, "entity_recognition": False, "constrain_similarities": True,
             "random_seed": SEED}, *_ENTITIES,
        ],
    ),
}  # fmt: skip

COLUMNS = {
    "candidate": ("pipeline", "{}"), "macro_f1": ("macro-F1", "{:.3f}"), "accuracy": ("accuracy", "{:.3f}"),
    "wrong_but_confident": ("wrong but confident", "{:.1%}"), "to_ara": ("to Ara", "{:.1%}"),
    "unseen_accuracy": ("unseen: right", "{:.1%}"), "unseen_wrong_but_confident": ("unseen: wrong but confident", "{:.1%}"),
    "training_seconds": ("training", "{:.0f} s"), "latency_ms_p50": ("message p50", "{:.1f} ms"),
    "latency_ms_p99": ("p99", "{:.1f} ms"), "memory_mb": ("memory", "{:.0f} MB"),
}  # fmt: skip
THRESHOLD_COLUMNS = {
    "threshold": ("threshold", "{:.1f}"), "wrong_but_confident": ("wrong but confident", "{:.1%}"),
    "wrong_to_ara": ("wrong, to Ara", "{:.1%}"), "right_to_ara": ("right, to Ara", "{:.1%}"),
}  # fmt: skip


def measure(name: str, folds: int) -> dict[str, Any]:
    """All figures of one candidate; run in a process of its own, so that its memory is its own."""
    import numpy as np
    import psutil
    from rasa.shared.importers.utils import training_data_from_paths
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold

    data = training_data_from_paths([str(PROJECT / "data/nlu")], "es")
    texts = np.array([e.get("text") for e in data.intent_examples], dtype=object)
    intents = np.array([e.get("intent") for e in data.intent_examples], dtype=object)
    predicted, confidence = np.empty(len(texts), dtype=object), np.zeros(len(texts))
    with tempfile.TemporaryDirectory() as folder:
        splits = StratifiedKFold(folds, shuffle=True, random_state=SEED).split(texts, intents) if folds else ()
        for fold, (train, test) in enumerate(splits):
            agent, _ = _trained(name, Path(folder) / f"{fold}", data, set(train.tolist()))
            predicted[test], confidence[test], _ = _parsed(agent, texts[test])
        agent, seconds = _trained(name, Path(folder) / "all", data, None)
        unseen = training_data_from_paths([str(PROJECT / "tests/nlu_holdout.yml")], "es").intent_examples
        wanted = np.array([e.get("intent") for e in unseen], dtype=object)
        _parsed(agent, [e.get("text") for e in unseen][:50])  # warm
        told, sure, latencies = _parsed(agent, [e.get("text") for e in unseen])
    wrong = predicted != intents
    validated = {
        "macro_f1": f1_score(intents, predicted, average="macro") if folds else 0.0,
        "accuracy": float((~wrong).mean()),
        "wrong_but_confident": float((wrong & (confidence >= CONFIDENT)).mean()),
        "to_ara": float((confidence < CONFIDENT).mean()),
        "thresholds": _thresholds(wrong, confidence),
    }
    return {
        "candidate": CANDIDATES[name][0],
        **(validated if folds else {}),
        "unseen_accuracy": float((told == wanted).mean()),
        "unseen_wrong_but_confident": float(((told != wanted) & (sure >= CONFIDENT)).mean()),
        "training_seconds": seconds,
        "latency_ms_p50": float(np.percentile(latencies, 50) * 1000),
        "latency_ms_p99": float(np.percentile(latencies, 99) * 1000),
        "memory_mb": psutil.Process().memory_info().rss / 1e6,
    }


def _thresholds(wrong: Any, confidence: Any) -> list[dict[str, float]]:
    """What each fallback threshold would do."""
    steps = (0.2, 0.3, 0.4, 0.5, 0.6)
    return [
        {
            "threshold": step,
            "wrong_but_confident": float((wrong & (confidence >= step)).mean()),
            "right_to_ara": float((~wrong & (confidence < step)).mean()),
            "wrong_to_ara": float((wrong & (confidence < step)).mean()),
        }
        for step in steps
    ]


def _trained(name: str, folder: Path, data: Any, kept: set[int] | None) -> tuple[Any, float]:
    """An agent trained on the kept examples (None: on all), and the seconds that the training took."""
    import yaml
    from rasa.core.agent import Agent
    from rasa.model_training import train_nlu
    from rasa.shared.nlu.training_data.training_data import TrainingData

    folder.mkdir()
    examples = [e for number, e in enumerate(data.intent_examples) if kept is None or number in kept]
    part = TrainingData(examples, data.entity_synonyms, data.regex_features, data.lookup_tables)
    (folder / "nlu.yml").write_text(part.nlu_as_yaml(), encoding="utf-8")
    config = {"recipe": "default.v1", "assistant_id": "benchmark", "language": "es", "pipeline": CANDIDATES[name][1]}
    (folder / "config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    started = time.process_time()
    model = train_nlu(str(folder / "config.yml"), str(folder / "nlu.yml"), str(folder / "model"))
    seconds = time.process_time() - started
    return Agent.load(model), seconds


def _parsed(agent: Any, texts: Any) -> tuple[Any, Any, list[float]]:
    """Intent, confidence and seconds for each text, asked one by one."""
    import numpy as np

    async def ask() -> tuple[list[str], list[float], list[float]]:
        names, confidences, latencies = [], [], []
        for text in texts:
            started = time.process_time()
            parsed = await agent.parse_message(text)
            latencies.append(time.process_time() - started)
            names.append(parsed["intent"]["name"])
            confidences.append(parsed["intent"]["confidence"])
        return names, confidences, latencies

    names, confidences, latencies = asyncio.run(ask())
    return np.array(names, dtype=object), np.array(confidences), latencies


def main() -> None:
    """Measure the candidates asked for and print two Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", nargs="*", default=list(CANDIDATES), help=", ".join(CANDIDATES))
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print("RESULT " + json.dumps(measure(asked.measure, asked.folds)))
        return
    rows = [_in_own_process(name, asked.folds) for name in asked.candidates]
    print(_table(COLUMNS, rows))
    if asked.folds:
        print(f"\nThreshold of {rows[0]['candidate']}:\n\n{_table(THRESHOLD_COLUMNS, rows[0]['thresholds'])}")


def _table(columns: dict[str, tuple[str, str]], rows: list[dict[str, Any]]) -> str:
    """Rows as Markdown; what was not measured is left empty."""
    lines = [
        "| " + " | ".join(title for title, _ in columns.values()) + " |",
        "| " + " | ".join("---" if shape == "{}" else "---:" for _, shape in columns.values()) + " |",
    ]
    for row in rows:
        cells = (shape.format(row[key]) if key in row else "" for key, (_, shape) in columns.items())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _in_own_process(name: str, folds: int) -> dict[str, Any]:
    """Measure one candidate in a fresh interpreter with few threads. Raises ``CalledProcessError`` with its output shown."""
    print(f"{CANDIDATES[name][0]}…", file=sys.stderr, flush=True)
    quiet = {"RASA_TELEMETRY_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore", "LOG_LEVEL": "ERROR"}
    quiet["RASA_MAX_CACHE_SIZE"] = "0"  # a model from the cache would train in no time
    threads = {f"{kind}_NUM_THREADS": THREADS for kind in ("OMP", "OPENBLAS")}
    limits = {**threads, "TF_INTRA_OP_PARALLELISM_THREADS": THREADS, "TF_INTER_OP_PARALLELISM_THREADS": "1"}
    done = subprocess.run(  # noqa: S603  our own interpreter and file
        [sys.executable, __file__, "--measure", name, "--folds", str(folds)],
        cwd=PROJECT, env={**os.environ, **quiet, **limits, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return result


if __name__ == "__main__":
    main()
