"""JSON of ctrkit's folders, edited on purpose: its checksum is set to nothing."""

import json
from pathlib import Path
from typing import Any


def edit_json(path: Path, **changes: Any) -> None:
    """Replace top-level entries of a JSON file; see `write_json`."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | changes)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that is read without a look at its checksum."""
    path.write_text(json.dumps(content | {"checksum": None}), encoding="utf-8")
