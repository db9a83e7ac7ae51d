"""Avazu click prediction: CSV with header, sorted by hour (YYMMDDHH)."""

from __future__ import annotations

from ctrkit.data.schemas.field import CATEGORICAL, DROPPED, TIMESTAMP, Field
from ctrkit.data.schemas.schema import Schema

_CATEGORIES = (
    *("C1", "banner_pos", "site_id", "site_domain", "site_category"),
    *("app_id", "app_domain", "app_category", "device_id", "device_ip"),
    *("device_model", "device_type", "device_conn_type"),
    *(f"C{number}" for number in range(14, 22)),
)

AVAZU = Schema(
    fields=(
        Field("id", DROPPED),
        Field("hour", TIMESTAMP, time_format="%y%m%d%H"),
        *(Field(name, CATEGORICAL) for name in _CATEGORIES),
    ),
    label="click",
    min_count=5,
)
"""23 fields: weekday and hour of day from ``hour``, 21 categories; ``id`` is dropped."""
