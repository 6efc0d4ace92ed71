"""Forks while a thread imports a module of tierstore, which the child then imports, too.

    fork_importing.py FOLDER PHASE

PHASE is `finding` while the module is looked for, `running` while it runs. Exits with 0 if the
child did.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import tierstore

WAIT_S, SOON_S = 5, 0.2
NAME = "tierstore_late"
begun, may_end = threading.Event(), threading.Event()


class Slow:
    """Stays in its phase until it may end."""

    def __init__(self, phase):
        self._phase = phase

    def find_spec(self, name, path, target=None):
        if name == NAME:
            self.reach("finding")
        return None  # others find it

    def reach(self, phase):
        if phase == self._phase:
            begun.set()
            may_end.wait()


class Told:
    """Lets the import go on soon after the fork has begun, if that waits for it."""

    def before_fork(self):
        threading.Timer(SOON_S, may_end.set).start()

    def after_fork_in_parent(self):
        pass

    def after_fork_in_child(self):
        pass


folder, slow = Path(sys.argv[1]), Slow(sys.argv[2])
module = 'import __main__\n__main__.slow.reach("running")\n'
(folder / f"{NAME}.py").write_text(module, encoding="utf-8")
sys.path.append(str(folder))
sys.meta_path.insert(0, slow)
tierstore.open({}, base_dir=folder).close()
from tierstore.runtime import fork  # noqa: E402 - which the store has hooked

told = Told()
fork.register(told)
thread = threading.Thread(target=__import__, args=(NAME,))
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    signal.alarm(WAIT_S)
    __import__(NAME)
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
