"""What a script consists of, before it is played."""

from __future__ import annotations

from tierstore.testing.simulation import Options, draw_script

LULLING = Options(families=("cold",), lulls=0.2, windows=("crash",), window_count=20)


def test_faults_strike_from_the_first_operation_to_the_last_whatever_lulls_there_are():
    script = draw_script(1, LULLING)
    busy_ms = sum(step.pause_ms for step in script.steps) / (LULLING.nodes * LULLING.clients)
    quarters = {int(4 * fault.at_ms / busy_ms) for fault in script.faults}
    assert quarters == {0, 1, 2, 3}


def test_faults_wait_for_calls_that_take_their_time():
    quick = Options(pause_ms_max=5, windows=("crash",), window_count=20)
    slow = Options(pause_ms_max=5, windows=("crash",), window_count=20, latency_ms_max=200)
    last_ms = [max(fault.at_ms for fault in draw_script(1, o).faults) for o in (quick, slow)]
    assert last_ms[1] > 5 * last_ms[0]
