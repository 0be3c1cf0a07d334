"""``python -m omnicrm`` is ``omnicrm``."""

from __future__ import annotations

from omnicrm.cli import main

main()
