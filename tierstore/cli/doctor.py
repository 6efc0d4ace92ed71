"""`adapters` and `doctor`: what there is to connect to, and whether a policy gets what it needs."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import click

from tierstore.cli.failures import OK, describe, exit_code
from tierstore.cli.inspection import finding_as_json, finding_as_text
from tierstore.cli.output import emit, emit_text
from tierstore.cli.settings import Settings, common_options, timeout_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.cli.diagnosis import Diagnosis, TierDiagnosis
    from tierstore.tiers.catalogue import Adapter


@click.command()
@common_options
@click.pass_obj
def adapters(settings: Settings) -> int:
    """List the adapters: which urls they serve, whether they are installed, what they can do."""
    from tierstore.tiers.catalogue import adapters as known

    found = list(known())
    if settings.is_json:
        emit({"adapters": [_adapter_as_json(adapter) for adapter in found]})
        return OK
    for adapter in found:
        url = f"{adapter.scheme}:" + (f" ({adapter.client})" if adapter.client else "")
        emit_text(f"{adapter.tier:15} {url:22} {adapter.missing or _abilities(adapter)}\n")
    return OK


@click.command()
@timeout_option
@common_options
@click.pass_obj
def doctor(settings: Settings, timeout_s: float | None) -> int:
    """Connect to every tier of the policy, and tell what each rule gets and what is missing.

    The exit code is that of the first error, as for any verb: 3 if a tier does not answer.
    """
    from tierstore.cli.diagnosis import diagnose

    with settings.opened() as store:
        found = diagnose(store, timeout_s)
        if settings.is_json:
            emit({"policy": settings.policy_path(), **_as_json(found)})
        else:
            emit_text("".join(f"{line}\n" for line in _told(found)))
    return OK if found.error is None else exit_code(found.error)


def _abilities(adapter: Adapter) -> str:
    if adapter.capabilities is None:
        return ""
    declared = asdict(adapter.capabilities)
    named = [name for name, value in declared.items() if value is True]
    bounds = [f"{n} {v}" for n, v in declared.items() if v is not None and type(v) is not bool]
    return ", ".join([*named, *bounds])


def _adapter_as_json(adapter: Adapter) -> dict[str, Any]:
    return {
        "tier": adapter.tier,
        "scheme": adapter.scheme,
        "client": adapter.client,
        "adapter": adapter.name,
        "installed": adapter.missing is None,
        "missing": adapter.missing,
        "capabilities": None if adapter.capabilities is None else asdict(adapter.capabilities),
    }


def _as_json(found: Diagnosis) -> dict[str, Any]:
    return {
        "ok": found.error is None,
        "tiers": [_tier_as_json(tier) for tier in found.tiers],
        "rules": [asdict(rule) for rule in found.rules],
        "findings": [finding_as_json(finding) for finding in found.findings],
        "advice": found.advice,
    }


def _tier_as_json(tier: TierDiagnosis) -> dict[str, Any]:
    told = {field.name: getattr(tier, field.name) for field in fields(tier)}
    told["adapter"] = None if tier.adapter is None else _adapter_as_json(tier.adapter)
    told["error"] = None if tier.error is None else describe(tier.error)["error"]
    return told


def _told(found: Diagnosis) -> Iterator[str]:
    for tier in found.tiers:
        yield f"{tier.tier}: {tier.url}"
        for line in _of_tier(tier):
            yield f"  {line}"
    for rule in found.rules:
        patterns = " ".join(rule.match)
        yield f"rule {patterns}" if rule.rule == patterns else f"rule {rule.rule}: {patterns}"
        yield f"  a write has reached {rule.write_survives_in}"
        yield f"  copies at the edge: {rule.edge}; in the cold tier: {rule.cold}"
    yield from map(finding_as_text, found.findings)
    yield from (f"advice: {line}" for line in found.advice)


def _of_tier(tier: TierDiagnosis) -> Iterator[str]:
    if tier.adapter is not None:
        yield f"adapter {tier.adapter.name}: {_abilities(tier.adapter)}"
    if tier.server is not None:
        yield tier.server
    if tier.round_trip_ms is not None:
        yield f"a round trip takes {tier.round_trip_ms:.1f} ms"
    if tier.error is not None:
        yield f"WRONG {tier.error}"
