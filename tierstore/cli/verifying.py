"""`verify`: the promises of a user's own policy, checked on scratch tiers and in simulation."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from tierstore.cli.failures import OK, OTHER
from tierstore.cli.output import emit, emit_text, note
from tierstore.cli.progress import StageBar
from tierstore.cli.settings import Settings, common_options
from tierstore.errors import PolicyError
from tierstore.policy import check as check_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.testing.verification import Extent, Verification

SEEDS = 100


seeds_option = click.option(
    "--seeds",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"How many runs to simulate (default: {SEEDS}; with --minutes no end).",
)
minutes_option = click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="M",
    help="How long to simulate at most.",
)


@click.command()
@seeds_option
@minutes_option
@click.option("--first-seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--no-conformance", is_flag=True, help="Leave the suites of the adapters out.")
@click.option("--behaviour", metavar="TEXT", help="Check behaviours with TEXT in their name only.")
@common_options
@click.pass_obj
def verify(
    settings: Settings,
    /,
    *,
    seeds: int | None,
    minutes: float | None,
    first_seed: int,
    no_conformance: bool,
    behaviour: str | None,
) -> int:
    """Check that the promises of the policy hold.

    Each adapter is held to its conformance suite, on scratch tiers of the same kind; the rules are
    simulated, with faults, in virtual time. Your own data are not touched. Exit 5 unless all that
    was to be checked holds.
    """
    from tierstore.testing.verification import Extent
    from tierstore.testing.verification import verify as verify_policy

    seeds = SEEDS if seeds is None and minutes is None else seeds
    extent = Extent(seeds, minutes, first_seed, not no_conformance, behaviour)
    _require_packages(extent)
    path = settings.policy_path()
    checked = check_policy(path)
    if checked.policy is None:
        raise PolicyError("\n".join(checked.faults), faults=checked.faults)
    for warning in checked.warnings if not settings.is_json else ():
        note(f"warning: {warning}")
    with StageBar() as bar:
        found = verify_policy(checked.policy, extent, bar.show)
    _tell(found, path, checked.warnings, is_json=settings.is_json)
    return OK if found.verdict == "ok" else OTHER


def _require_packages(extent: Extent) -> None:
    """Raises UsageError if what the extra installs is not there, or nothing is left to check."""
    if not extent.has_conformance and extent.seeds == 0:
        raise click.UsageError("nothing is left to check: drop --no-conformance or --seeds 0")
    needed = ["pytest"] if extent.has_conformance else []
    needed += ["greenlet"] if extent.seeds != 0 else []
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        names = " and ".join(missing)
        raise click.UsageError(f"verify needs {names}: pip install 'tierstore[testing]'")


def _tell(found: Verification, path: str | None, warnings: Sequence[str], *, is_json: bool) -> None:
    from tierstore.testing.verification import figures, telling

    def repeat(seed: int) -> str:
        named = [] if path is None else ["--policy", path]
        words = ["tierstore", "verify", *named, "--no-conformance", "--first-seed", str(seed)]
        return shlex.join([*words, "--seeds", "1"])

    if is_json:
        emit({"policy": path, "warnings": list(warnings), **figures.as_dict(found, repeat)})
    else:
        emit_text(f"policy: {path or 'the embedded default'}\n\n")
        emit_text(telling.render(found, repeat) + "\n")
