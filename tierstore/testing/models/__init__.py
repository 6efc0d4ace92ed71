"""Models: what an object may answer if only one operation happens at a time.

A checker asks a model whether some order explains a history. Write your own for what you built:

>>> from tierstore.testing.history import Operation
>>> class Light(Model):
...     initial = "off"
...     def step(self, state, operation):
...         if operation.verb == "toggle":
...             return ("on",) if state == "off" else ("off",)
...         return answers(state, operation, state)
>>> Light().step("off", Operation("ann", "look", result="on"))
()
"""

from __future__ import annotations

from tierstore.testing.models.counter import Counter
from tierstore.testing.models.lease import Lease
from tierstore.testing.models.protocol import Model, answers
from tierstore.testing.models.register import CasRegister, Register
from tierstore.testing.models.sets import Set

__all__ = ["CasRegister", "Counter", "Lease", "Model", "Register", "Set", "answers"]
