"""The settings as documents: ``python -m omnicrm.env_example`` writes ``.env.example`` and the README's table anew."""

from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from omnicrm.settings import SECTIONS, Settings

HEAD = """\
# Every setting of the bot. Copy this file to .env and fill in what you need: `make run` needs nothing of it.
# The environment wins over .env. Where # stands before a name, its default follows: take the # away to change it.
"""


def shown_default(spec: Field[Any]) -> str:
    """A setting's default as it is written in the environment; empty for none."""
    if spec.default is None:
        return ""
    if isinstance(spec.default, float):
        return f"{spec.default:g}"
    return ",".join(spec.default) if isinstance(spec.default, tuple) else str(spec.default)


def example_file() -> str:
    """The whole file."""
    parts = [HEAD]
    for section in SECTIONS:
        title = (section.__doc__ or "").partition("\n")[0].rstrip(".")
        parts.append(f"\n# --- {title} ---\n")
        parts += [_entry(spec) for spec in fields(section)]
    return "".join(parts)


def _entry(spec: Field[Any]) -> str:
    default = shown_default(spec)
    name = spec.name.upper()
    example, meaning = spec.metadata["example"], spec.metadata["meaning"]
    shown = f"{meaning}. Default: {default or 'none'}"
    if example != default:
        shown += f". Example: {example}"
    return f"\n# {shown}\n{f'# {name}={default}' if default else f'{name}='}\n"


TABLE_START, TABLE_END = "<!-- settings: python -m omnicrm.env_example -->\n", "<!-- end of settings -->\n"


def markdown_table() -> str:
    """The table of all settings."""
    rows = ["| name | meaning | default | example |", "| --- | --- | --- | --- |"]
    for spec in fields(Settings):
        default = shown_default(spec)
        shown = f"`{default}`" if default else "none"
        rows.append(f"| `{spec.name.upper()}` | {spec.metadata['meaning']} | {shown} | `{spec.metadata['example']}` |")
    return "\n".join(rows) + "\n"


def with_table(readme: str) -> str:
    """The README with its table of settings made anew."""
    before, rest = readme.split(TABLE_START)
    _, after = rest.split(TABLE_END)
    return f"{before}{TABLE_START}{markdown_table()}{TABLE_END}{after}"


def write(project: Path) -> None:
    """Write both documents."""
    (project / ".env.example").write_text(example_file(), encoding="utf-8")
    readme = project / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).resolve().parent.parent)
