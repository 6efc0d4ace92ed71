"""Keys: what is one, and how parts become one.

A key is a `str` of 1 to 1,024 bytes of UTF-8. Every character is allowed except lone surrogates,
and none is ever normalised: two keys are equal only if their characters are.

A subclass of `str` is no key, as it may compare otherwise than its characters do. Only a `get` of a
resident key, which looks at no class, takes one that equals the key.
"""

from __future__ import annotations

from tierstore.errors import InvalidKeyError

KEY_BYTES_MAX = 1024


def check_key(key: object) -> None:
    """Nothing, if `key` is one.

    Raises InvalidKeyError, which names what is wrong and does not repeat the key.
    """
    if type(key) is str and key.isascii() and 0 < len(key) <= KEY_BYTES_MAX:
        return
    if _size_bytes(key, "key") == 0:
        raise InvalidKeyError(f"key: empty; a key has 1 to {KEY_BYTES_MAX:,} bytes")


def check_prefix(prefix: object) -> None:
    """Nothing, if `prefix` may begin a key; the empty prefix begins every key.

    Raises InvalidKeyError.
    """
    _size_bytes(prefix, "prefix")


def key(*parts: str | int) -> str:
    """The key made of `parts` joined by `/`; different parts make different keys.

    A `/` inside a part becomes `%2F` and a `%` becomes `%25`, so each part stays one segment for
    the patterns of a policy. An int is written in decimal.

    >>> key("user", 7, "a/b")
    'user/7/a%2Fb'

    Raises InvalidKeyError.
    """
    text = "/".join([_escape(part) for part in parts])
    check_key(text)
    return text


def split_key(text: str) -> list[str]:
    """The parts that `key` joined to `text`, as `str`.

    >>> split_key("user/7/a%2Fb")
    ['user', '7', 'a/b']

    Raises InvalidKeyError if `text` is not a key, or has a `%` that `key` would not have written.
    """
    check_key(text)
    if text.count("%") != text.count("%2F") + text.count("%25"):
        raise InvalidKeyError("key: a `%` that is neither `%2F` nor `%25`; key() did not make it")
    return [part.replace("%2F", "/").replace("%25", "%") for part in text.split("/")]


def _escape(part: object) -> str:
    if type(part) is str:
        return part.replace("%", "%25").replace("/", "%2F")
    if type(part) is int:
        return str(part)
    raise InvalidKeyError(f"key: a part of type {type(part).__name__}; parts are str or int")


def _size_bytes(text: object, name: str) -> int:
    if type(text) is not str:
        raise InvalidKeyError(f"{name}: {type(text).__name__}; it must be exactly a str")
    if len(text) > KEY_BYTES_MAX:
        raise InvalidKeyError(
            f"{name}: {len(text):,} characters; at most {KEY_BYTES_MAX:,} bytes of UTF-8"
        )
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidKeyError(f"{name}: lone surrogate at character {error.start}") from None
    if size_bytes > KEY_BYTES_MAX:
        raise InvalidKeyError(f"{name}: {size_bytes:,} bytes of UTF-8; at most {KEY_BYTES_MAX:,}")
    return size_bytes
