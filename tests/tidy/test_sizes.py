"""Small functions, small files, shallow nesting, over the whole product."""

from __future__ import annotations

import ast

FUNCTION_LINES_MAX = 50
FUNCTION_LINES_P90_MAX = 30
FILE_LINES_MAX = 400
NESTING_MAX = 3

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def function_lines(node):
    """Lines of a function from `def` to its end, the docstring left out."""
    docstring = ast.get_docstring(node, clean=False)
    return node.end_lineno - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)


def nesting(node):
    """How deep blocks stand in each other below `node`; an `elif` is no deeper than its `if`."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        own = isinstance(child, _BLOCKS) and not is_elif
        deepest = max(deepest, nesting(child) + own)
    return deepest


def functions(product):
    for source in product:
        for node in ast.walk(source.tree):
            if isinstance(node, _FUNCTIONS):
                yield source, node


def test_the_measures_measure():
    tree = ast.parse(
        'def f(x):\n    """One\n    two."""\n    for i in x:\n        if i:\n            pass\n'
        "        elif x:\n            with x:\n                pass\n"
    )
    function = tree.body[0]
    assert function_lines(function) == 7
    assert nesting(function) == 3


def test_functions_are_short(product):
    long = [
        f"{source.at(node)} {node.name} has {function_lines(node)} lines"
        for source, node in functions(product)
        if function_lines(node) > FUNCTION_LINES_MAX
    ]
    assert not long, "\n".join(long)


def test_nine_functions_of_ten_are_shorter(product):
    lines = sorted(function_lines(node) for _, node in functions(product))
    assert lines[len(lines) * 9 // 10] <= FUNCTION_LINES_P90_MAX


def test_files_are_short(product):
    long = [
        f"{source.path} has {source.text.count(chr(10))} lines"
        for source in product
        if source.text.count("\n") > FILE_LINES_MAX
    ]
    assert not long, "\n".join(long)


def test_nesting_is_shallow(product):
    deep = [
        f"{source.at(node)} {node.name} nests {nesting(node)} deep"
        for source, node in functions(product)
        if nesting(node) > NESTING_MAX
    ]
    assert not deep, "\n".join(deep)
