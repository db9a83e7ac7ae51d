"""The picture of the rooms: ``python -m tests.architecture`` draws it from the table `ROOMS`.

The places are chosen by hand, the arrows follow from the table. Rooms of the ground floor are
named in small print in the rooms that import them. Of the other arrows, those are left out that
a chain of arrows implies.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PICTURE = Path(__file__).parents[1] / "docs/development/images/rooms.svg"

GROUND = ("fields", "options", "rows", "arrays", "files", "machine")

PLACES = {
    "cli": (1.75, 0),
    "distill": (2.25, 1),
    "runs": (1.75, 2),
    "synthetic": (0, 3),
    "training": (2.5, 3),
    "data": (0.6, 4),
    "metrics": (1.9, 4),
    "models": (3.1, 4),
    "embedding": (2.6, 5),
    "ops": (3.6, 5),
}
"""Where a room stands: columns from the left, floors from the top."""

COLOURS = {
    "#e4ecf8": ("cli", "distill", "runs"),
    "#e2f2e7": ("synthetic", "data"),
    "#fceedb": ("training", "models", "embedding", "ops"),
    "#f0f0f2": ("metrics", *GROUND),
}

COLUMN, FLOOR, WIDTH, HEIGHT, MARGIN = 184, 96, 166, 58, 20
BASE = 6 * FLOOR + MARGIN

Rooms = Mapping[str, set[str]]


def drawn_arrows(rooms: Rooms) -> list[tuple[str, str]]:
    """Return the arrows between rooms above the ground that no chain of other arrows implies.

    Raises:
        ValueError: if a room has no place, or an arrow would not lead down.
    """
    if {*PLACES, *GROUND} != set(rooms):
        raise ValueError(f"give a place to {set(rooms) ^ {*PLACES, *GROUND}}")

    def below(room: str) -> set[str]:
        return {name for direct in rooms[room] for name in {direct} | below(direct)}

    arrows = []
    for room, direct in rooms.items():
        upper = direct - set(GROUND)
        if room in GROUND and upper:
            raise ValueError(f"{room} must stand above the ground: it imports {sorted(upper)}")
        for to in sorted(upper - {name for other in direct for name in below(other)}):
            if PLACES[room][1] >= PLACES[to][1]:
                raise ValueError(f"{room} must stand above {to}, which it imports")
            arrows.append((room, to))
    return arrows


def draw(table: Mapping[str, str]) -> str:
    """Return the picture of the table `ROOMS`, as SVG."""
    rooms = {room: set(names.split()) for room, names in table.items()}
    arrows = drawn_arrows(rooms)
    width = max(x for x, _ in PLACES.values()) * COLUMN + WIDTH + 2 * MARGIN
    height = BASE + HEIGHT + MARGIN
    step = (width - 2 * MARGIN) / len(GROUND)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" font-family="sans-serif" font-size="17" '
            'text-anchor="middle">',
            "<title>Rooms of ctrkit. An arrow leads to a room that is imported.</title>",
            '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#778"/></marker>',
            f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>',
            *(_line(arrow, arrows) for arrow in arrows),
            *(_room(name, sorted(rooms[name] & set(GROUND))) for name in PLACES),
            f'<text x="{MARGIN}" y="{BASE - 8:g}" font-size="12" fill="#667" text-anchor="start">'
            "ground floor: named in small print where it is imported</text>",
            *(
                _box(name, MARGIN + step * number, BASE, step - 8, HEIGHT - 8)
                + _words(name, sorted(rooms[name]), MARGIN + step * (number + 0.5) - 4, BASE - 4)
                for number, name in enumerate(GROUND)
            ),
            "</svg>\n",
        ]
    )


def _corner(room: str) -> tuple[float, float]:
    return MARGIN + PLACES[room][0] * COLUMN, MARGIN + PLACES[room][1] * FLOOR


def _room(room: str, ground: list[str]) -> str:
    x, y = _corner(room)
    return _box(room, x, y, WIDTH, HEIGHT) + _words(room, ground, x + WIDTH / 2, y)


def _box(room: str, x: float, y: float, width: float, height: float) -> str:
    (colour,) = [colour for colour, members in COLOURS.items() if room in members]
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height}" rx="7" '
        f'fill="{colour}" stroke="#889"/>'
    )


def _words(name: str, ground: list[str], x: float, y: float) -> str:
    """Return the name of a room, and below it, in lines of three, what it imports."""
    lines = [ground[start : start + 3] for start in range(0, len(ground), 3)]
    first = y + 35 - 8 * len(lines)
    return f'<text x="{x:g}" y="{first:g}" fill="#112">{name}</text>' + "".join(
        f'<text x="{x:g}" y="{first + 17 + 14 * number:g}" font-size="12" fill="#556">'
        f"{' · '.join(words)}</text>"
        for number, words in enumerate(lines)
    )


def _line(arrow: tuple[str, str], arrows: list[tuple[str, str]]) -> str:
    room, to = arrow
    start = _port(room, to, [below for above, below in arrows if above == room])
    end = _port(to, room, [above for above, below in arrows if below == to])
    top, bottom = _corner(room)[1] + HEIGHT, _corner(to)[1]
    bend = (bottom - top) / 2
    return (
        f'<path d="M{start:g} {top:g}C{start:g} {top + bend:g} {end:g} {bottom - bend:g} '
        f'{end:g} {bottom:g}" fill="none" stroke="#778" stroke-width="1.3" '
        'marker-end="url(#tip)"/>'
    )


def _port(room: str, other: str, others: list[str]) -> float:
    """Return where an arrow meets a box: those of one side stand in the order of their ends."""
    ranked = sorted(others, key=lambda name: PLACES[name])
    return _corner(room)[0] + WIDTH * (ranked.index(other) + 1) / (len(ranked) + 1)


if __name__ == "__main__":
    from tests.test_imports import ROOMS

    PICTURE.write_text(draw(ROOMS), encoding="utf-8")
    print(f"{PICTURE} written")
