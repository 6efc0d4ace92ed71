"""Every module of the product is imported by another one, by a script or by users."""

from __future__ import annotations

import ast
import re
import tomllib

# Users import these by name; nothing inside does.
PUBLIC_MODULES = {
    "tierstore",
    "tierstore.errors",
    "tierstore.testing",
    "tierstore.testing.checkers",
    "tierstore.testing.conformance",
    "tierstore.testing.conformance.models",
    "tierstore.testing.edn",
    "tierstore.testing.history",
    "tierstore.testing.laws",
    "tierstore.testing.models",
    "tierstore.testing.simulation",
    "tierstore.testing.mutants",
}
_REFERENCE = re.compile(r"^(tierstore\w*(?:\.\w+)*)(?::\w+)?$")


def imported(source):
    """Dotted names that `source` imports, also by strings such as "tierstore_sql.region:Sql"."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and (match := _REFERENCE.match(str(node.value))):
            yield match[1]


def uses(source, name):
    """The modules that importing `name` uses; a package is not used by its own inside."""
    parts = name.split(".")
    modules = {".".join(parts[: end + 1]) for end in range(len(parts))}
    return {module for module in modules if not f"{source.module}.".startswith(f"{module}.")}


def test_no_module_is_dead(product, root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    used = {target.split(":")[0] for target in project["scripts"].values()} | PUBLIC_MODULES
    for source in product:
        used = used.union(*(uses(source, name) for name in imported(source)))
    dead = [s.module for s in product if s.module not in used and not s.module.endswith("__main__")]
    assert not dead, "\n".join(dead)
