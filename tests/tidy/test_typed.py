"""Every package that ships tells type checkers so, and `adapters` itself stays no package."""

from __future__ import annotations

import ast


def test_every_package_ships_its_types(packages):
    assert [path.name for path in packages if not (path / "py.typed").is_file()] == []


def test_adapters_is_no_package(root):
    assert not (root / "adapters" / "__init__.py").exists()


def test_nothing_imports_through_adapters(root):
    """`adapters.tierstore_sql` would be a second copy of every class of `tierstore_sql`."""
    found = []
    for top in ("tierstore", "adapters", "tests", "benchmarks"):
        for path in (root / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                found += [
                    f"{path}:{node.lineno}" for name in names if name.split(".")[0] == "adapters"
                ]
    assert not found, "\n".join(found)
