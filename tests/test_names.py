"""One meaning per name: no two modules of the package define the same public name."""

import ast
from collections import defaultdict

from tests.test_imports import SOURCES, room_of, tree_of

SAME_BY_DESIGN = {"add_to", "run", "FORMAT_VERSION", "T"}
"""What every command has; the version of each format; type variables."""


def test_no_class_or_function_is_defined_twice():
    where = defaultdict(list)
    for module in SOURCES:
        for node in tree_of(module).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                where[node.name].append(module)
    twice = {
        name: modules
        for name, modules in where.items()
        if len(set(modules)) > 1 and name not in SAME_BY_DESIGN
    }
    assert twice == {}


def test_no_alias_of_a_type_is_defined_twice_in_different_rooms():
    where = defaultdict(set)
    for module in SOURCES:
        for node in tree_of(module).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            if isinstance(target, ast.Name) and target.id[0].isupper() and not target.id.isupper():
                where[target.id].add(room_of(module))
    twice = {name: rooms for name, rooms in where.items() if len(rooms) > 1}
    assert {name: rooms for name, rooms in twice.items() if name not in SAME_BY_DESIGN} == {}
