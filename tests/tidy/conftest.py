"""The product's source, read once for all tidy tests."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Source:
    """One file of the product: its path, dotted module name and text."""

    path: Path
    module: str

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    def at(self, node: ast.AST) -> str:
        """Where `node` stands, as an editor understands it."""
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def _sources(top: Path) -> list[Source]:
    found = []
    for path in sorted(top.rglob("*.py")):
        parts = path.relative_to(top.parent).with_suffix("").parts
        found.append(Source(path, ".".join(parts).removesuffix(".__init__")))
    return found


@pytest.fixture(scope="session")
def root() -> Path:
    """The directory that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def packages() -> list[Path]:
    """The import packages that ship: tierstore and each adapter."""
    adapters = (path for path in (ROOT / "adapters").iterdir() if path.is_dir())
    return [ROOT / "tierstore", *sorted(path for path in adapters if path.name[0] not in "._")]


@pytest.fixture(scope="session")
def product(packages: list[Path]) -> list[Source]:
    """Every Python file that ships."""
    return [source for package in packages for source in _sources(package)]
