"""Valid inputs made wrong: bytes, lines, words and values, each as a seed says."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable
from typing import Any

WORDS = [
    *(b"NaN", b"nan", b"inf", b"-Infinity", b"1e999", b"-1", b"0", b"1", b"2", b"1.5", b"0x10"),
    *(b"9" * 12, b"9" * 25, b"9" * 5000, b"1_000", b"\xd9\xa3", b"True", b"true", b"null"),
    *(b"", b" ", b"\t", b",", b'"', b'""', b"'", b"\\", b"\n", b"\r", b"\r\n", b"\0", b"\xff"),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"../../x",
        b"/dev/zero",
        b"\x1f\x8b\x08",
        b"PK\x03\x04",
        b"PAR1",
    ),
    *(
        b"[" * 2000,
        b'{"a":' * 1500,
        b"[]",
        b"{}",
        b"[[1]]",
        b"%Y",
        b"%",
        b"{0}",
        b"\xf0\x9f\x98\x80",
    ),
]
"""What stands in no file that ctrkit wrote, or means something else there."""

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 3, 255, 10**9, 10**12, 2**31, 2**63, 10**25, 0.0, 1.5, -0.5),
    *(1e-320, 1e308, "", "x", "0", "1", "nan", "../../../x", "/etc/passwd", "\0", "x" * 300, "é"),
    *([], [1], ["x"], [10**12], [[]], [None] * 5, {}, {"x": 1}, {"cardinality": 10**12}),
]
"""What may stand in JSON or TOML in place of a value."""


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Return content with one to three things wrong."""
    for _ in range(chance.choice([1, 1, 2, 3])):
        content = chance.choice(MUTATIONS)(content, chance)
    return content


def _flip(content: bytes, chance: random.Random) -> bytes:
    if not content:
        return b"\0"
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 4])):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _truncate(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randint(0, len(content))]


def _overwrite(content: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(content))
    number = chance.choice([b"\0" * 8, b"\xff" * 4, b"\xff" * 8, b"\x7f", b"\xff\xff\xff\x7f"])
    return content[:at] + number + content[at + len(number) :]


def _delete(content: bytes, chance: random.Random) -> bytes:
    start, end = _slice(content, chance)
    return content[:start] + content[end:]


def _splice(content: bytes, chance: random.Random) -> bytes:
    start, end = _slice(content, chance)
    at = chance.randint(0, len(content))
    return content[:at] + content[start:end] + content[at:]


def _slice(content: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randint(0, len(content))
    return start, min(start + chance.choice([1, 2, 8, 64, 1024]), len(content))


def _double_or_swap_lines(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b"\n"]
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    if chance.random() < 0.5:
        lines.insert(one, lines[other])
    else:
        lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _replace_word(content: bytes, chance: random.Random) -> bytes:
    words = list(re.finditer(rb"[\w.+-]+", content))
    if not words:
        return chance.choice(WORDS)
    start, end = chance.choice(words).span()
    return content[:start] + chance.choice(WORDS) + content[end:]


def _insert_word(content: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(content))
    return content[:at] + chance.choice(WORDS) + content[at:]


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [
    _flip,
    _truncate,
    _overwrite,
    _delete,
    _splice,
    _double_or_swap_lines,
    _replace_word,
    _insert_word,
]


def with_other_values(content: Any, chance: random.Random) -> Any:
    """Return plain data with one to three values replaced, removed or added."""
    changed = copy.deepcopy(content)
    for _ in range(chance.choice([1, 1, 2, 3])):
        holder = chance.choice([inner for inner in _holders(changed) if len(inner)] or [changed])
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        value = copy.deepcopy(chance.choice(VALUES))
        kind = chance.random()
        if isinstance(holder, list) and (not keys or kind < 0.1):
            holder.append(value)
        elif not keys or kind < 0.1:
            holder["x"] = value
        elif kind < 0.2:
            del holder[chance.choice(keys)]
        else:
            holder[chance.choice(keys)] = value
    return changed


def _holders(content: Any) -> list[Any]:
    if isinstance(content, dict):
        return [content, *(holder for value in content.values() for holder in _holders(value))]
    if isinstance(content, list):
        return [content, *(holder for value in content for holder in _holders(value))]
    return []
