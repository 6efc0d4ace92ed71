"""Laws of replicated types, for who writes one: lives of a key, drawn or all that are short.

>>> from tierstore.testing.laws import COUNTER, check
>>> check(COUNTER, cases=10).cases
10
"""

from __future__ import annotations

from tierstore.testing.laws.checking import LAWS, STEPS, Checked, check, check_script
from tierstore.testing.laws.documents import DOCUMENT
from tierstore.testing.laws.drawing import scripts
from tierstore.testing.laws.hashing import results_do_not_depend_on_hashes
from tierstore.testing.laws.joining import check_join
from tierstore.testing.laws.registers import REGISTER
from tierstore.testing.laws.samples import COUNTER, SAMPLES, SET
from tierstore.testing.laws.scope import explore
from tierstore.testing.laws.steps import (
    Delete,
    Deliver,
    Do,
    Look,
    Script,
    Send,
    Touch,
    Wait,
    draw_script,
)
from tierstore.testing.laws.under_test import Operation, TypeUnderTest

__all__ = [
    "COUNTER", "Checked", "DOCUMENT", "Delete", "Deliver", "Do", "LAWS", "Look", "Operation",
    "REGISTER", "SAMPLES", "SET", "STEPS", "Script", "Send", "Touch", "TypeUnderTest", "Wait",
    "check", "check_join", "check_script", "draw_script", "explore",
    "results_do_not_depend_on_hashes", "scripts",
]  # fmt: skip
