"""The rules that an import contract cannot say: no I/O in pure packages, no word of a resource."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "commonworks"
PURE = (
    "errors.py", "units.py", "policy.py", "events.py", "stops.py", "model.py", "canonical.py",
    "crypto", "statements", "translog", "resources", "settlement", "proofs",
)  # fmt: skip
FORBIDDEN = {
    "asyncio", "datetime", "fcntl", "glob", "http", "io", "logging", "multiprocessing", "os",
    "pathlib", "random", "secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl",
    "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
FORBIDDEN_CALLS = {"open", "input", "print", "exec", "eval", "__import__", "breakpoint"}
# simulators and their data are loaded lazily and are no part of the rules
EXEMPT = {
    "resources/energy/simulate.py": set(),
    "resources/energy/street.py": {"importlib"},
}
KERNEL = (
    "errors.py", "units.py", "policy.py", "events.py", "stops.py", "model.py", "ports.py",
    "canonical.py", "crypto", "statements", "translog", "resources/base.py",
    "resources/simulator.py", "settlement", "gateway", "verifier", "agent", "relay", "explorer",
    "chain", "storage", "transport", "simulation", "conformance", "proofs",
)  # fmt: skip
RESOURCE_WORDS = re.compile(
    r"\b(energy|kwh|[a-z_]*_wh|watts?|smart.?meters?|photovoltaic|feeders?|kilowatt\w*)\b",
    re.IGNORECASE,
)


def modules(parts: tuple[str, ...]) -> list[Path]:
    found = []
    for part in parts:
        path = SOURCE / part
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    assert found, "the packages under test exist"
    return found


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("path", modules(PURE), ids=name_of)
def test_pure_modules_do_no_io(path: Path) -> None:
    allowed = EXEMPT.get(name_of(path), set())
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots = {(node.module or "").split(".")[0]}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS, f"{path}:{node.lineno} {node.func.id}()"
            continue
        else:
            continue
        assert not (roots & FORBIDDEN) - allowed, f"{path}:{node.lineno} imports {roots}"


@pytest.mark.parametrize("path", modules(KERNEL), ids=name_of)
def test_the_kernel_knows_no_resource(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        found = RESOURCE_WORDS.search(line)
        assert found is None, f"{path}:{number} says {found and found.group()!r}"


@pytest.mark.parametrize("path", modules(("settlement", "resources/energy")), ids=name_of)
def test_settlement_has_no_floats(path: Path) -> None:
    if name_of(path) in EXEMPT:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        line = getattr(node, "lineno", 0)
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), (
            f"{path}:{line} has a float"
        )
        assert not isinstance(node, ast.Div), f"{path}:{line} divides into a float"
        if isinstance(node, ast.Name):
            assert node.id != "float", f"{path}:{line} names float"


def test_modules_stay_readable() -> None:
    long = {
        name_of(path): count
        for path in SOURCE.rglob("*.py")
        if (count := len(path.read_text().splitlines())) > 500
    }
    assert not long, f"over 500 lines: {long}"
