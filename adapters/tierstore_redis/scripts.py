"""The scripts by which the edge is changed: each is one atomic step on one tag.

What a script needs comes as KEYS and ARGV; the texts are constant, so a server compiles each once.
Those with `allow-oom` only free room, or need next to none, so that a full server can be drained;
the others are refused by a full server before they begin. Strings are compared byte by byte by
`cmp`: `<` of Lua follows the collation of the server's locale.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the digest by which a server knows it."""

    text: bytes
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()
        object.__setattr__(self, "digest", digest.encode())


# `rest` is the head of a copy without format and check: number 1-8, identity 9-16, fetched 17-24,
# version 25-48, expiry 49-56, tail 57-65.
_COMMON = r"""
local zero = string.rep('\0', 8)
local byte, sub = string.byte, string.sub
local function cmp(a, b)
  if a == b then return 0 end
  for at = 1, #a do
    local x, y = byte(a, at), byte(b, at)
    if x ~= y then return x < y and -1 or 1 end
  end
  return 0
end
local function max(a, b) return cmp(a, b) < 0 and b or a end
local function seal(rest) return '\1' .. sub(redis.sha1hex(rest), 1, 8) .. rest end
local function look(key)
  local head = redis.pcall('GETRANGE', key, 0, 73)
  if type(head) ~= 'string' or head == '' then return 'nothing' end
  if byte(head, 1) == 0 then return 'placeholder', head end
  local rest = sub(head, 10)
  if #head < 74 or seal(rest) ~= head then return 'damaged' end
  return 'copy', rest
end
local function is_clean(rest) return sub(rest, 1, 8) == zero end
local function place(key, rest, fetched, ttl, version, expires, tail, body)
  local order = cmp(sub(rest, 25, 48), version)
  if order > 0 then return false end
  if order < 0 then
    local made = seal(zero .. zero .. fetched .. version .. expires .. tail)
    redis.call('SET', key, made .. body, 'PX', ttl)
    return true
  end
  if cmp(sub(rest, 17, 24), fetched) < 0 then
    redis.call('SETRANGE', key, 0, seal(sub(rest, 1, 16) .. fetched .. sub(rest, 25)))
  end
  if is_clean(rest) then redis.call('PEXPIRE', key, ttl) end
  return true
end
"""


def script(flags: str, text: str) -> Script:
    first = f"#!lua flags={flags}" if flags else "#!lua"
    return Script((first + _COMMON + text.lstrip("\n")).encode())


LEASE = script(
    "",
    """
for at, key in ipairs(KEYS) do
  local kind = look(key)
  if kind == 'nothing' or kind == 'placeholder' then
    redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
  end
end
return 0
""",
)
"""KEYS: copies. ARGV: the placeholder, its lifetime."""

FILL = script(
    "",
    """
local placeholder, fetched, ttl = ARGV[1], ARGV[2], ARGV[3]
local shown = {}
for at, key in ipairs(KEYS) do
  local first = at * 4
  local version, expires = ARGV[first], ARGV[first + 1]
  local tail, body = ARGV[first + 2], ARGV[first + 3]
  local kind, found = look(key)
  if kind == 'placeholder' and found == placeholder then
    local made = seal(zero .. zero .. fetched .. version .. expires .. tail)
    redis.call('SET', key, made .. body, 'PX', ttl)
    shown[#shown + 1] = at
  elseif kind == 'copy' and place(key, found, fetched, ttl, version, expires, tail, body) then
    shown[#shown + 1] = at
  end
end
return shown
""",
)
"""KEYS: copies. ARGV: the placeholder, fetched, ttl, then four parts a key. Which are shown."""

SHOW = script(
    "allow-oom",
    """
local fetched, ttl = ARGV[1], ARGV[2]
local shown = {}
for at, key in ipairs(KEYS) do
  local first = at * 4 - 1
  local version, expires = ARGV[first], ARGV[first + 1]
  local tail, body = ARGV[first + 2], ARGV[first + 3]
  local kind, found = look(key)
  if kind == 'placeholder' then
    redis.call('DEL', key)
  elseif kind == 'copy' and place(key, found, fetched, ttl, version, expires, tail, body) then
    shown[#shown + 1] = at
  end
end
return shown
""",
)
"""KEYS: copies. ARGV: fetched, ttl, then four parts a key. Returns which are shown."""

WITHDRAW = script(
    "allow-oom",
    """
for at, key in ipairs(KEYS) do
  local kind, rest = look(key)
  local is_kept = kind == 'nothing' or (kind == 'copy' and not is_clean(rest))
  if is_kept and kind == 'copy' then
    local body = redis.call('GETRANGE', key, 74, -1)
    is_kept = sub(redis.sha1hex(body), 1, 8) == sub(rest, 58)
  end
  if not is_kept then redis.call('DEL', key) end
end
return 0
""",
)
"""KEYS: copies. A dirty copy is dropped only if it is damaged: then it shows nothing."""

CLEAR = script(
    "allow-oom",
    """
for at, key in ipairs(KEYS) do
  local kind, rest = look(key)
  if kind ~= 'nothing' and not (kind == 'copy' and not is_clean(rest)) then
    redis.call('DEL', key)
  end
end
return 0
""",
)
"""KEYS: copies. Drops the clean ones, without reading any body."""

NOTICE = script(
    "allow-oom",
    """
local older = {}
for at, key in ipairs(KEYS) do
  local kind, rest = look(key)
  if kind == 'placeholder' then
    redis.call('DEL', key)
  elseif kind == 'damaged' then
    older[#older + 1] = at
  elseif kind == 'copy' then
    local order = cmp(sub(rest, 25, 48), ARGV[at + 1])
    if order < 0 then older[#older + 1] = at end
    if order <= 0 and not is_clean(rest) then
      redis.call('SETRANGE', key, 0, seal(zero .. zero .. sub(rest, 17)))
      redis.call('PEXPIRE', key, ARGV[1])
    end
  end
end
return older
""",
)
"""KEYS: copies. ARGV: lifetime of what becomes clean, then a version a key. Which are older."""
