"""The sources of a resource's rules, read as text: what the rules hash covers, and what it must.

A rule that reads a clock, a file or a set of floats settles differently on another machine. Imports
are followed from the module where `verify` and `market` stand, through the resource's own package.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Final

from commonworks.conformance.findings import Finding, Rule
from commonworks.resources.base import Resource
from commonworks.settlement.rules import KERNEL_MODULES

STANDARD: Final = frozenset(
    {
        "__future__", "abc", "bisect", "collections", "contextlib", "copy", "dataclasses", "enum",
        "functools", "hashlib", "heapq", "itertools", "math", "operator", "re", "string", "struct",
        "types", "typing",
    }
)  # fmt: skip
"""Modules of the standard library that rules may import: pure, the same on every machine."""
HOUSE: Final = (
    "commonworks.errors",
    *(name for name in KERNEL_MODULES if not name.startswith("commonworks.settlement.")),
)
"""What rules may import of Commonworks: what the rules hash covers, below the settlement."""
FORBIDDEN_CALLS: Final = frozenset(
    {"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint", "id", "hash"}
)
FORBIDDEN_NAMES: Final = frozenset({"float", "complex"})
INTEGER_MATH: Final = frozenset({"comb", "factorial", "gcd", "isqrt", "lcm", "perm", "prod"})
"""What of `math` works on integers."""


def check_sources(resource: Resource) -> Iterator[Finding]:
    """Yield what is wrong with the sources of the rules."""
    listed = resource.rules.modules
    if len(set(listed)) != len(listed):
        yield Finding(rule=Rule.MODULES, where="rules.modules", message="lists a module twice")
    entries = sorted({resource.rules.verify.__module__, resource.rules.market.__module__})
    package = entries[0].rpartition(".")[0] or entries[0]
    if package in ("commonworks", "commonworks.resources"):
        package = entries[0]
    waiting, reached = [*listed, *entries], set(listed)
    trees: dict[str, ast.Module] = {}
    while waiting:
        module = waiting.pop()
        if module in trees:
            continue
        source = _source(module)
        if source is None:
            yield Finding(rule=Rule.MODULES, where=module, message="has no source to hash")
            continue
        trees[module] = ast.parse(source)
        for line, imported in _imports(module, trees[module]):
            own = _own(imported, package)
            if own is not None:
                reached.add(own)
                waiting.append(own)
            elif not _pure(imported):
                where = f"{module}:{line}"
                message = f"imports {imported}, which is not pure or not in the rules hash"
                yield Finding(rule=Rule.PURE, where=where, message=message)
    for missing in sorted((reached | set(entries)) - set(listed)):
        message = "the rules use it and rules.modules does not list it"
        yield Finding(rule=Rule.MODULES, where=missing, message=message)
    for module, tree in sorted(trees.items()):
        yield from _statements(module, tree)


def _source(module: str) -> str | None:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    return Path(spec.origin).read_text(encoding="utf-8")


def _imports(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of everything that a module imports, `from` parts included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                spec = find_spec(module)
                inside = module if spec and spec.submodule_search_locations else ""
                parent = inside or module.rpartition(".")[0]
                base = resolve_name("." * node.level + base, parent)
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def _own(imported: str, package: str) -> str | None:
    """Return the module of the resource's package that an import means; None for a foreign one."""
    if imported != package and not imported.startswith(f"{package}."):
        return None
    parent = imported.rpartition(".")[0]
    try:
        is_module = find_spec(imported) is not None
    except (ImportError, ValueError):
        is_module = False
    return imported if is_module or not parent else parent


def _pure(imported: str) -> bool:
    if imported.split(".", maxsplit=1)[0] in STANDARD:
        return True
    return any(imported == name or imported.startswith(f"{name}.") for name in HOUSE)


def _statements(module: str, tree: ast.Module) -> Iterator[Finding]:
    """Yield calls that reach outside, and floats."""
    for node in ast.walk(tree):
        where = f"{module}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in FORBIDDEN_CALLS:
                yield Finding(rule=Rule.PURE, where=where, message=f"calls {node.func.id}()")
        elif isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield Finding(rule=Rule.INTEGERS, where=where, message=f"holds {node.value}")
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield Finding(rule=Rule.INTEGERS, where=where, message="divides into a float")
        elif isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES:
            yield Finding(rule=Rule.INTEGERS, where=where, message=f"names {node.id}")
        elif (used := _of_math(node)) and used not in INTEGER_MATH:
            yield Finding(rule=Rule.INTEGERS, where=where, message=f"uses math.{used}")


def _of_math(node: ast.AST) -> str:
    """Return what a node takes from `math`, the first that is not for integers; else nothing."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "math" else ""
    if isinstance(node, ast.ImportFrom) and node.module == "math":
        return next((a.name for a in node.names if a.name not in INTEGER_MATH), "")
    return ""
