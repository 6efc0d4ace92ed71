"""The directory of journal files: taking a free one, and finding those of dead processes."""

from __future__ import annotations

import os

from tierstore.errors import UnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.tiers.journal.content import JournalState
    from tierstore.tiers.journal.file import JournalFile

SUFFIX = ".journal"
LOCK_SUFFIX = f"{SUFFIX}-lock"
NETWORK_FILE_SYSTEMS = frozenset(
    "nfs nfs4 cifs smb3 smbfs afs ceph glusterfs fuse.glusterfs fuse.sshfs lustre beegfs".split()
)


class JournalDirectory:
    """A directory with one journal file per process that uses it."""

    def __init__(self, path: str, *, sync_always: bool = False) -> None:
        self.path = path
        self._sync_always = sync_always

    def take(self, new_replica: int) -> tuple[JournalFile, JournalState]:
        """A free file and its content: one with unflushed entries, else any, else a new one.

        Raises UnavailableError if the directory cannot be used, CorruptionError naming a free
        file that is damaged.
        """
        self._prepare()
        spare: tuple[JournalFile, JournalState] | None = None
        for journal in self._free_files():
            try:
                state = journal.load(0 if spare else new_replica)  # no two files get one identity
            except BaseException:
                journal.close()
                if spare is not None:
                    spare[0].close()
                raise
            if state.unflushed or spare is None:
                if spare is not None:
                    spare[0].close()
                spare = journal, state
            else:
                journal.close()
            if spare[1].unflushed:
                return spare
        return spare or self._create(new_replica)

    def is_unused(self) -> bool:
        """Whether nothing was ever journaled here, so that there is nothing to restore."""
        try:
            return not any(name.endswith(SUFFIX) for name in os.listdir(self.path))
        except FileNotFoundError:
            return True
        except OSError as exc:
            raise UnavailableError(f"journal {self.path}: {exc.strerror or exc}") from exc

    def create(self, replica: int) -> tuple[JournalFile, JournalState]:
        """A new file for `replica`; raises what `take` raises."""
        self._prepare()
        return self._create(replica)

    def last_stamp(self) -> int:
        """The highest stamp that any user of this directory is known to have reached.

        As far as it can be read, and not quite to the last one of a process that was killed.
        """
        from tierstore.tiers.journal.lock import read_stamp

        try:
            names = [name for name in os.listdir(self.path) if name.endswith(LOCK_SUFFIX)]
        except OSError:
            return 0
        return max((read_stamp(os.path.join(self.path, name)) for name in names), default=0)

    def orphans(self) -> Iterator[JournalFile]:
        """Each file that no process holds, locked; the caller closes it."""
        if os.path.isdir(self.path):
            yield from self._free_files()

    def open_file(self, path: str) -> JournalFile | None:
        """The file at `path`, locked, which the caller closes; None if it is in use."""
        return self._try_open(path)

    def _free_files(self) -> Iterator[JournalFile]:
        from tierstore.tiers.journal.errors import translated

        with translated(self.path):
            names = sorted(name for name in os.listdir(self.path) if name.endswith(SUFFIX))
        for name in names:
            journal = self._try_open(os.path.join(self.path, name))
            if journal is not None:
                yield journal

    def _create(self, new_replica: int) -> tuple[JournalFile, JournalState]:
        number = 1
        while True:
            path = os.path.join(self.path, f"worker-{number:04}{SUFFIX}")
            journal = None if os.path.exists(path) else self._try_open(path)
            if journal is not None:
                try:
                    journal.begin()
                    return journal, journal.load(new_replica)
                except BaseException:
                    journal.discard()
                    raise
            number += 1

    def _try_open(self, path: str) -> JournalFile | None:
        from tierstore.tiers.journal.errors import translated
        from tierstore.tiers.journal.file import JournalFile
        from tierstore.tiers.journal.lock import FileLock

        with translated(path):
            lock = FileLock.try_acquire(path.removesuffix(SUFFIX) + LOCK_SUFFIX)
        return None if lock is None else JournalFile(path, lock, sync_always=self._sync_always)

    def _prepare(self) -> None:
        from tierstore.tiers.journal.errors import translated

        with translated(self.path):
            os.makedirs(self.path, mode=0o700, exist_ok=True)
        kind = file_system_of(self.path)
        if kind in NETWORK_FILE_SYSTEMS:
            raise UnavailableError(
                f"journal {self.path} is on a network file system ({kind}), where SQLite's locks"
                " do not hold: set tiers.edge.journal to a local folder"
            )


def file_system_of(path: str) -> str | None:
    """The type of the file system that holds `path`, where the system tells."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            entries = [line.split()[1:3] for line in mounts]
    except OSError:
        return None
    real = os.path.realpath(path)
    holding = [e for e in entries if len(e) == 2 and _is_below(real, e[0])]
    return max(holding, key=lambda entry: len(entry[0]))[1] if holding else None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
