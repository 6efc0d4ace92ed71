"""Names of what is stored: everything of one tag has the tag in braces, so it lies in one slot.

What is in braces is a *home*: a tag, or one of three others that belong to no tag.

ts:{layout}           format and number of tags
ts:{3}:c:<key>        the copy of a key, or the placeholder of a fill
ts:{3}:l              in a cluster: the life in which its copies are good, and since when
ts:{3}:i              the identities of the tag, and what they count
ts:{3}:q:<replica>    the queue of an identity
ts:{3}:w:<key>        the changes in these queues of a key that is no register
ts:{standing}         what the workers know of the region
ts:{lead}:<work>      who does a kind of work
"""

from __future__ import annotations

from tierstore.errors import InvalidKeyError
from tierstore.region.shared import TAGS, tag_of

LAYOUT = b"2:%d" % TAGS
"""Format 2 of all that is stored, and the number of tags."""
EARLIER_LAYOUT = b"1:%d" % TAGS
"""Format 1 had no changes of other types than the register in its queues."""

STANDING, LEAD, LAYOUT_HOME = range(TAGS, TAGS + 3)
HOMES = (*(b"%d" % tag for tag in range(TAGS)), b"standing", b"lead", b"layout")
"""What is in braces; a home is a place in this list, and the home of a tag its number."""


class Names:
    """The names under one prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode()
        self.copies = [b"%s:{%d}:c:" % (self._prefix, tag) for tag in range(TAGS)]
        self._tags = {name: tag for tag, name in enumerate(self.copies)}
        self.waiting = [b"%s:{%d}:w:" % (self._prefix, tag) for tag in range(TAGS)]
        self.identities = [b"%s:{%d}:i" % (self._prefix, tag) for tag in range(TAGS)]
        self.lives = [b"%s:{%d}:l" % (self._prefix, tag) for tag in range(TAGS)]
        self.layout = b"%s:{layout}" % self._prefix
        self.standing = b"%s:{standing}" % self._prefix
        self.every_copy = b"%s:{*}:c:*" % self._prefix

    def copy(self, key: str, tag: int) -> bytes:
        """Of the copy of `key`, the tag of which is `tag`."""
        return self.copies[tag] + key.encode()

    def waits(self, key: str, tag: int) -> bytes:
        """Of the changes that wait for `key`, the tag of which is `tag`."""
        return self.waiting[tag] + key.encode()

    def queue(self, tag: int, replica: int) -> bytes:
        """Of the queue of an identity."""
        return b"%s:{%d}:q:%d" % (self._prefix, tag, replica)

    def lead(self, work: str) -> bytes:
        """Of the lease on a kind of work."""
        return b"%s:{lead}:%s" % (self._prefix, work.encode())

    def tag_of_copy(self, name: bytes) -> int | None:
        """The tag of the copy with this name; None if it is no copy's."""
        head, separator, _ = name.partition(b":c:")
        return self._tags.get(head + separator)

    def key_of(self, name: bytes) -> str | None:
        """The key whose copy has this name; None if it is no copy's."""
        head, separator, raw = name.partition(b":c:")
        if not separator:
            return None
        try:
            key = raw.decode()
        except UnicodeDecodeError:
            return None
        return key if head + separator == self.copies[tag_of(key)] else None


def tag_of_key(key: str) -> int:
    """The tag of a key. Raises InvalidKeyError if it is not UTF-8."""
    try:
        return tag_of(key)
    except UnicodeEncodeError as error:
        raise InvalidKeyError(f"key: lone surrogate at character {error.start}") from error
