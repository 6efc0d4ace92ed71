"""Forks while a thread imports a module of tierstore, which the child then imports, too.

    fork_importing.py FOLDER

Exits with 0 if the child did.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import tierstore

WAIT_S = 5
MODULE = "import __main__\n__main__.begun.set()\n__main__.may_end.wait()\n"
begun, may_end = threading.Event(), threading.Event()


class Told:
    """Lets the import go on once the fork is under way."""

    def before_fork(self):
        may_end.set()

    def after_fork_in_parent(self):
        pass

    def after_fork_in_child(self):
        pass


folder = Path(sys.argv[1])
(folder / "tierstore_late.py").write_text(MODULE, encoding="utf-8")
sys.path.append(str(folder))
tierstore.open({}, base_dir=folder).close()
from tierstore.runtime import fork  # noqa: E402 - which the store has hooked

told = Told()
fork.register(told)
thread = threading.Thread(target=__import__, args=("tierstore_late",))
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    signal.alarm(WAIT_S)
    import tierstore_late  # noqa: F401

    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
