"""`put` and `rm`: acknowledged first, then flushed."""

from __future__ import annotations

import difflib
import itertools
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from tierstore.cli.document import UnfitError, loads
from tierstore.cli.failures import OK
from tierstore.cli.output import emit
from tierstore.cli.settings import Settings, common_options, settle, timeout_option
from tierstore.errors import ValueTooLargeError

if TYPE_CHECKING:
    from typing import BinaryIO

INPUT_BYTES_MAX = 256 * 2**20
_LOOKS_LIKE_OPTION = re.compile(r"-(?!\.?\d)(?!$)", re.ASCII)


def _metadata(
    _: click.Context, __: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, str] | None:
    metadata = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"expected NAME=TEXT, got {pair!r}")
        metadata[name] = text
    return metadata or None


class NumbersCommand(click.Command):
    """A command to which `-5` is an argument, so that `put balance -5` needs no `--`."""

    ignore_unknown_options = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse `args`. Raises NoSuchOption for what is neither an option nor a number."""
        before = list(itertools.takewhile(lambda word: word != "--", args))
        rest = super().parse_args(ctx, args)
        for name in ("key", "value"):
            word = ctx.params.get(name)
            if isinstance(word, str) and word in before and _LOOKS_LIKE_OPTION.match(word):
                raise _no_such_option(self, ctx, word)
        return rest


def _no_such_option(command: click.Command, ctx: click.Context, word: str) -> click.NoSuchOption:
    known = [name for parameter in command.get_params(ctx) for name in parameter.opts]
    return click.NoSuchOption(
        word,
        f"No such option: {word}; write -- before a key or a value that starts with a dash.",
        difflib.get_close_matches(word, known),
        ctx,
    )


@click.command(cls=NumbersCommand)
@click.argument("key")
@click.argument("value", required=False)
@click.option("--file", "path", metavar="F", help="Take the value from this file.")
@click.option("--text", "kind", flag_value="text", help="Store text, even if it is JSON.")
@click.option("--raw", "kind", flag_value="raw", help="Store bytes.")
@click.option("--ttl", metavar="DURATION|none", help='Expire after, such as "30d".')
@click.option(
    "--metadata", multiple=True, metavar="NAME=TEXT", callback=_metadata, help="May be repeated."
)
@timeout_option
@common_options
@click.pass_obj
def put(
    settings: Settings,
    key: str,
    value: str | None,
    path: str | None,
    kind: str | None,
    ttl: str | None,
    metadata: dict[str, str] | None,
    timeout_s: float | None,
) -> int:
    """Store VALUE under KEY; `-` takes it from standard input.

    VALUE is JSON if it parses, else text, else (not UTF-8) bytes. {"$bytes": base64} and
    {"$datetime": iso} stand for what JSON lacks, as `get` prints them.
    """
    content = interpret(_input(value, path), kind)
    lifetime = {} if ttl is None else {"ttl": None if ttl == "none" else ttl}
    with settings.opened() as store:
        store.put(key, content, metadata=metadata, timeout=timeout_s, **lifetime)
        is_flushed = settle(store, timeout_s)
    if settings.is_json:
        emit({"key": key, "flushed": is_flushed})
    return OK


@click.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@timeout_option
@common_options
@click.pass_obj
def rm(settings: Settings, keys: tuple[str, ...], timeout_s: float | None) -> int:
    """Delete every KEY, whether it exists or not."""
    with settings.opened() as store:
        store.delete_many(keys, timeout=timeout_s)
        is_flushed = settle(store, timeout_s)
    if settings.is_json:
        emit({"keys": list(keys), "flushed": is_flushed})
    return OK


def interpret(data: bytes, kind: str | None) -> Any:
    """The value that `data` stands for: JSON if it parses, else text, else bytes."""
    if kind == "raw":
        return data
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        if kind == "text":
            raise click.UsageError(f"not UTF-8 at byte {exc.start}: use --raw") from None
        return data
    if kind == "text":
        return text
    try:
        return loads(text)
    except UnfitError as exc:
        raise click.UsageError(f"the value: {exc}; --text stores it as it is") from None
    except ValueError:
        return text


def _input(value: str | None, path: str | None) -> bytes:
    if (value is None) is (path is None):
        raise click.UsageError("give VALUE, `-` for standard input, or --file")
    if path is not None:
        try:
            with open(path, "rb") as file:
                return _read(file)
        except OSError as exc:
            raise click.UsageError(f"--file {path}: {exc.strerror}") from exc
    assert value is not None
    return _read(sys.stdin.buffer) if value == "-" else os.fsencode(value)


def _read(file: BinaryIO) -> bytes:
    data = file.read(INPUT_BYTES_MAX + 1)
    if len(data) > INPUT_BYTES_MAX:
        raise ValueTooLargeError(f"the input is longer than {INPUT_BYTES_MAX >> 20} MiB")
    return data
