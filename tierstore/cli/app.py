"""The command line as a whole: which verbs there are, and how every one of them ends."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from tierstore.cli import failures
from tierstore.cli.output import flush_output, note, silence_output
from tierstore.cli.settings import Settings, common_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERBS = {
    "get": "tierstore.cli.reading:get",
    "ls": "tierstore.cli.listing:ls",
    "put": "tierstore.cli.writing:put",
    "rm": "tierstore.cli.writing:rm",
    "explain": "tierstore.cli.inspection:explain",
    "stats": "tierstore.cli.inspection:stats",
    "check": "tierstore.cli.inspection:check",
    "doctor": "tierstore.cli.doctor:doctor",
    "adapters": "tierstore.cli.doctor:adapters",
    "flush": "tierstore.cli.inspection:flush",
    "maintain": "tierstore.cli.inspection:maintain",
    "outcome": "tierstore.cli.inspection:outcome",
    "replicas": "tierstore.cli.replicas:replicas",
    "unflushed": "tierstore.cli.unflushed:unflushed",
    "queues": "tierstore.cli.queues:queues",
    "escrow": "tierstore.cli.escrow:escrow",
    "gc": "tierstore.cli.garbage:gc",
    "region": "tierstore.cli.region:region",
    "peers": "tierstore.cli.peers:peers",
    "link": "tierstore.cli.linking:link",
    "policy": "tierstore.cli.policies:policy",
    "verify": "tierstore.cli.verifying:verify",
    "replay": "tierstore.cli.replaying:replay",
    "demo": "tierstore.cli.replaying:demo",
}


class LateGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def __init__(self, *args: Any, targets: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._targets = targets

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the table, which is the order of use."""
        return list(self._targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None if there is none of that name."""
        target = self._targets.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """The exit code of the verb. A reader that went away, such as `head`, is no error."""
        try:
            code = super().invoke(ctx)
            flush_output()
        except BrokenPipeError:
            silence_output()
            return failures.OK
        return code

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and exit with the code that docs/operations.md gives to what happened."""
        words = list(sys.argv[1:] if args is None else args)
        extra.setdefault("obj", Settings())
        run = super().main
        if not standalone_mode:
            return run(words, prog_name, complete_var, standalone_mode=False, **extra)
        is_json = "--json" in itertools.takewhile(lambda word: word != "--", words)
        try:
            code = run(words, prog_name, complete_var, standalone_mode=False, **extra)
        except click.Abort as exc:
            note("interrupted")
            failures.tell_notes(exc.__cause__)
            code = failures.INTERRUPTED
        except Exception as exc:
            code = failures.report(exc, is_json=is_json)
        sys.exit(code or failures.OK)


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        import tierstore

        click.echo(f"tierstore {tierstore.__version__}")
        ctx.exit()


@click.group(cls=LateGroup, targets=VERBS, context_settings={"max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Print the version.",
)
@common_options
def main() -> None:
    """One key-value store over edge, regional and cold tiers, placed by a policy.

    The policy is --policy, else $TIERSTORE_POLICY, else ./tierstore.yaml, else the embedded
    default in ./tierstore-data.

    Exit codes: 0 ok, 1 absent, 2 usage or policy, 3 unavailable, 4 unknown outcome, 5 other.
    """
    if os.environ.get(failures.DEBUG_VARIABLE):
        return
    import logging

    # What is logged also reaches the user as an error or a note of the verb.
    logger = logging.getLogger("tierstore")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
