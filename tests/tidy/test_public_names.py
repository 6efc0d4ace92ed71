"""The public names of tierstore are exactly the ones it lists."""

from __future__ import annotations

import tomllib
from types import ModuleType

import tierstore
from tierstore import errors


def error_classes():
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.TierStoreError)
    }


def test_all_is_sorted_and_without_repetition():
    assert list(tierstore.__all__) == sorted(set(tierstore.__all__))


def test_every_listed_name_can_be_imported():
    missing = [name for name in tierstore.__all__ if not hasattr(tierstore, name)]
    assert not missing, "\n".join(missing)


def test_nothing_else_is_public():
    allowed = {*tierstore.__all__, "annotations", "TYPE_CHECKING"}
    public = {
        name
        for name, value in vars(tierstore).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public - allowed == set()


def test_every_error_is_public():
    assert set(error_classes()) - set(tierstore.__all__) == set()


def test_the_version_is_the_distributions(root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert tierstore.__version__ == project["version"]


def test_the_drawn_error_tree_is_the_real_one():
    drawn = [
        line.lstrip(" │├└─").split()[0].rstrip(":")
        for line in (errors.__doc__ or "").splitlines()
        if line.startswith("    ")
    ]
    assert sorted(drawn) == sorted(error_classes())
