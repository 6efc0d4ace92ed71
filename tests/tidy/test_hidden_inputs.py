"""Time, chance and threads come from a Runtime: the second line behind the linter's bans."""

from __future__ import annotations

import ast

import pytest

BANNED_MODULES = {"time", "random", "uuid", "secrets", "threading", "_thread"}
BANNED_CALLS = {
    "os.urandom",
    "os.getrandom",
    "date.today",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
}
_DYNAMIC_IMPORTS = {"__import__", "import_module", "importlib.import_module"}


def hidden_inputs(tree):
    """Every node that reads time, chance or threads past the Runtime, with what it reads."""
    for node in ast.walk(tree):
        for name in _names(node):
            if name in BANNED_CALLS or name.split(".")[0] in BANNED_MODULES:
                yield node, name


def _names(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Attribute) and f"{ast.unparse(node)}" in BANNED_CALLS:
        return [ast.unparse(node)]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in _DYNAMIC_IMPORTS:
        return [str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)]
    return []


@pytest.mark.parametrize(
    "text",
    [
        "import time",
        "def f():\n    from random import choice",
        "import os\nos.urandom(8)",
        "from os import urandom",
        "from datetime import datetime, UTC\ndatetime.now(UTC)",
        "__import__('threading')",
        "import importlib\nimportlib.import_module('uuid')",
    ],
)
def test_the_scan_finds(text):
    assert list(hidden_inputs(ast.parse(text)))


@pytest.mark.parametrize(
    "text", ["import os\nos.stat('x')", "runtime.time()", "from x import time"]
)
def test_the_scan_lets_pass(text):
    assert list(hidden_inputs(ast.parse(text))) == []


def test_no_hidden_inputs(product):
    hidden = [
        f"{source.at(node)} uses {name}"
        for source in product
        if not source.module.startswith("tierstore.runtime")
        for node, name in hidden_inputs(source.tree)
    ]
    assert not hidden, "\n".join(hidden)
