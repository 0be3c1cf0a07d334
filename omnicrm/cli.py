"""The command line: ``omnicrm …``. Each command imports what it needs, so that ``--help`` answers at once."""
from __future__ import annotations
def main() -> None:
    """Run the command line."""
