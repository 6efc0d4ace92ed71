"""What is in the tree is in the source distribution."""

from __future__ import annotations

import tomllib

_OF_NO_DISTRIBUTION = {"build", "dist"}


def test_every_folder_of_sources_is_in_the_sdist(root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"])
    present = {
        path.name
        for path in root.iterdir()
        if path.is_dir() and not path.name.startswith(".") and any(path.rglob("*.py"))
    }
    assert present - listed - _OF_NO_DISTRIBUTION == set()
