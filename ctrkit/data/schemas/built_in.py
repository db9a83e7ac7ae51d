"""The schemas of known logs, by name."""

from __future__ import annotations

from ctrkit.data.schemas.avazu import AVAZU
from ctrkit.data.schemas.criteo import CRITEO
from ctrkit.data.schemas.schema import Schema
from ctrkit.options import check_choice

BUILT_IN = {"criteo": CRITEO, "avazu": AVAZU}


def built_in_schema(name: str) -> Schema:
    """Return the schema of a known log, ``"criteo"`` or ``"avazu"``.

    Raises:
        ValueError: if there is none of that name.
    """
    check_choice("schema", name, BUILT_IN)
    return BUILT_IN[name]
