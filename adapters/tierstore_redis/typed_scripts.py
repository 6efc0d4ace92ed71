"""The scripts of keys that are no registers: their rows, and the changes that wait for them.

What waits for a key is a hash: each field is the identity and the number of an entry of the tag's
queue, in eight bytes each, its value the encoded delta. It says the same as the queue, by key.
"""

from __future__ import annotations

from tierstore_redis.scripts import script

READ = script(
    "no-writes",
    """
local found = {redis.call('HGET', KEYS[1], 'order') or '',
  redis.call('HGET', KEYS[1], 'origin') or '0', redis.call('GET', KEYS[2]) or ''}
for at = 3, #KEYS, 2 do
  local copy = redis.pcall('GET', KEYS[at])
  found[#found + 1] = type(copy) == 'string' and copy or ''
  found[#found + 1] = redis.call('HGETALL', KEYS[at + 1])
end
return found
""",
)
"""KEYS: identities, the life of the tag, then copy and hash a key. Returns order, origin, the life,
then copy and fields a key."""

FILL = script(
    "",
    """
local ids, placeholder, fetched, ttl = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local order = redis.call('HGET', ids, 'order')
local current = order and string.match(order, '[^,]+$') or '0'
local shown = {}
for at = 2, #KEYS, 2 do
  local key, first = KEYS[at], (at - 2) / 2 * 4 + 6
  local version, expires = ARGV[first], ARGV[first + 1]
  local tail, body = ARGV[first + 2], ARGV[first + 3]
  local kind, found = look(key)
  local is_held = kind == 'placeholder' and found == placeholder
  local is_good = current == ARGV[4]
  for _, name in ipairs(is_good and redis.call('HKEYS', KEYS[at + 1]) or {}) do
    if sub(name, 1, 8) ~= ARGV[5] then is_good = false end
  end
  if is_held and is_good then
    local made = seal(zero .. zero .. fetched .. version .. expires .. tail)
    redis.call('SET', key, made .. body, 'PX', ttl)
    shown[#shown + 1] = at / 2
  elseif is_held then
    redis.call('DEL', key)
  elseif is_good and kind == 'copy' and is_clean(found)
    and place(key, found, fetched, ttl, version, expires, tail, body) then
    shown[#shown + 1] = at / 2
  end
end
return shown
""",
)
"""KEYS: identities, then copy and hash a key. ARGV: placeholder, fetched, ttl, the identity that
the rows are of, the same in eight bytes, then four parts a key. Returns which are shown."""
