"""What the name of a column says about its content."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""A word of a name: ``userId``, ``user_id`` and ``USER-ID`` are all user and id."""

_IDENTIFIERS = (
    "id ids uid gid cid pid aid uuid guid code codes zip zipcode postcode postal hash key ip sku "
    "ean isbn asin"
)
_CODES = (
    f"{_IDENTIFIERS} no nr user item product movie song artist author seller shop store brand ad "
    "adv advertiser campaign creative banner site domain page app device model browser os channel "
    "category cat class type kind group cluster segment tier status state region city country "
    "hour weekday day dow dom month week quarter season position pos slot"
)
_AMOUNTS = (
    "age amount amt balance bid budget clicks cnt cost count counts days degrees discount distance "
    "duration earnings fee followers freq frequency gain gains height hits hours impressions "
    "income interval kilometers km lag length likes loss losses meters miles minutes mins months "
    "num number orders pages pct percent percentage population price prices profit purchases qty "
    "quantity rank rate rating ratio revenue salary sales score scores seconds secs shares size "
    "spend sum temp temperature tenure total views visits volume wage weeks weight width year "
    "years yrs"
)
_TIMES = (
    "time times timestamp ts date datetime day dt hour created updated modified at when epoch utc "
    "gmt clock"
)
_OF_IDENTIFIERS, _OF_CODES, _OF_AMOUNTS, _OF_TIMES = (
    frozenset(words.split()) for words in (_IDENTIFIERS, _CODES, _AMOUNTS, _TIMES)
)


def words_of(name: str) -> list[str]:
    """Return the words of a name, in small letters.

    Example:
        >>> words_of("hoursPerWeek"), words_of("C14"), words_of("USER_ID")
        (['hours', 'per', 'week'], ['c'], ['user', 'id'])
    """
    return [word.lower() for word in _WORD.findall(name)]


def is_named_as_time(name: str) -> bool:
    """Return whether a name is that of a time.

    Example:
        >>> [is_named_as_time(name) for name in ("created_at", "hour", "item_id")]
        [True, True, False]
    """
    words = words_of(name)
    return not _OF_TIMES.isdisjoint(words) and words[-1] not in _OF_IDENTIFIERS


def amount_by_name(name: str) -> bool | None:
    """Return whether a name is that of an amount (True) or of a code (False); None for neither.

    The last word that says something decides, of those before "per" or "of".

    Example:
        >>> [amount_by_name(name) for name in ("hours_per_week", "item_price", "C14", "house_no")]
        [True, True, None, False]
    """
    words = words_of(name)
    for joint in ("per", "of"):
        words = words[: words.index(joint)] if joint in words else words
    for word in reversed(words):
        if word in _OF_AMOUNTS or word in _OF_CODES:
            return word in _OF_AMOUNTS
    return None
