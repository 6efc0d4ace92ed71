"""One I/O of a mover that goes wrong, and what has to be as it was."""

from __future__ import annotations

from tierstore.errors import TierStoreError
from tierstore.testing import Crash


def fail_once(site, process, n, kind, state, **fields):
    """The `n`-th I/O of `process`, which went wrong; None if there are fewer.

    What `state` tells of the site stays as it was. `fields` are those of the policy.
    """
    before, position = state(site), site.region.connect(1.0)
    process.plan.arm(n, kind)
    try:
        for _ in range(3):
            process.step()
    except (TierStoreError, Crash):
        pass
    fired = process.plan.fired
    if process.plan.crashed:
        process.crash()
    else:
        process.plan.arm(0, "error")
        process.step(2)  # it goes on by itself as well
    assert state(site) == before
    site.check_objects(is_swept=False)
    site.settle(**fields)
    assert state(site) == before
    assert site.region.connect(1.0) == position
    site.check_objects()
    return fired
