"""Every code block in a docstring runs: `>>>` examples and fenced python."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import textwrap

import pytest

_FENCED = re.compile(r"^([ ]*)```python\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings(source):
    for node in ast.walk(source.tree):
        if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node)):
            yield source.at(node), text


def run_blocks(name, text, namespace):
    """Run every code block of `text`, or raise the first failure with its place."""
    for match in _FENCED.finditer(text):
        exec(compile(textwrap.dedent(match[2]), name, "exec"), namespace)
    examples = doctest.DocTestParser().get_doctest(text, namespace, name, None, 0)
    doctest.DebugRunner(optionflags=doctest.ELLIPSIS).run(examples)


def test_fenced_blocks_run():
    with pytest.raises(ZeroDivisionError):
        run_blocks("sample", "Text.\n\n```python\n1 / 0\n```\n", {})


def test_examples_run():
    with pytest.raises(doctest.DocTestFailure):
        run_blocks("sample", ">>> 1 + 1\n3\n", {})


def test_every_docstring_block_runs(product, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source in product:
        blocks = [(at, text) for at, text in docstrings(source) if ">>>" in text or "```" in text]
        for at, text in blocks:
            namespace = dict(vars(importlib.import_module(source.module)))
            namespace["tierstore"] = importlib.import_module("tierstore")
            run_blocks(at, text, namespace)
