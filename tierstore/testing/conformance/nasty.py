"""Pairs of keys that some backend somewhere takes for one, or reads as something else.

Case, trailing blanks, NUL, composed and decomposed accents, width, paths, wildcards of LIKE and
GLOB, quotes, numbers, and characters whose order differs in UTF-8 and UTF-16.
"""

from __future__ import annotations

KEY_PAIRS = [
    ("a", "A"), ("a", "a "), ("a", " a"), ("a", "a\0"), ("\0", "\0\0"), ("é", "e\u0301"),
    ("ß", "ss"), ("ı", "i"), ("İ", "i\u0307"), ("a", "ａ"), ("../a", "a"), ("a/b", "a//b"),
    ("a/../b", "b"), ("/a", "a"), ("a/", "a"), ("a\\b", "a/b"), ("a%", "a_"), ("%", "%%"),
    ("_", "%"), ("a*", "a?"), ("[a]", "a"), ("'", "''"), ('"', '""'), ("a;--", "a"),
    ("1", "01"), ("1", "1.0"), ("1e3", "1000"), ("0x10", "16"), ("null", "NULL"), ("\x01", "\x7f"),
    ("\ufeffa", "a"), ("a\u200b", "a"), ("\u00a0", " "), ("\t", " "), ("\r\n", "\n"),
    ("😀", "😁"), ("👩‍👩", "👩👩"), ("\U0010ffff", "\uffff"), ("x" * 1024, "x" * 1023),
    ("é" * 512, "é" * 511 + "e"), ("\ue000", "\U00010000"), ("true", "True"), (".", ".."),
    ("%2F", "/"), ("a:b", "a"), ("{a}b", "{a}c"), ("con", "CON"),
]  # fmt: skip
NASTY_KEYS = sorted({key for pair in KEY_PAIRS for key in pair}, key=str.encode)
"""All of them, in byte order of UTF-8."""
