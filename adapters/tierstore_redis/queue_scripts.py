"""The scripts of queues and of what workers know together.

The hash of identities holds `order` (replicas, oldest first, with commas between), `bytes` (of all
queues), `origin` (the first replica, for ever), and of each replica r `run:r`, `new:r`, `last:r`
(the last number given), `count:r` and `bytes:r` (of its queue). An entry of a queue is its number
in eight bytes and the encoded delta.
"""

from __future__ import annotations

from tierstore_redis.scripts import script

# A server that was a replica meanwhile has the data of another, whatever connections survived that.
# And a node of a cluster that lost the slot and got it back has what others made of it, maybe less.
_LIFE = """
local function is_life(run)
  local epoch = string.match(run, '%-(%d+)%-')
  if epoch and not string.find(
    redis.call('CLUSTER', 'INFO'), 'cluster_my_epoch:' .. epoch .. '\\r', 1, true
  ) then return false end
  local found = redis.call('INFO', 'replication')
  return string.find(found, 'master_replid:' .. string.match(run, '[^-]*$'), 1, true) ~= nil
end
"""

WRITE = script(
    "",
    _LIFE
    + """
local ids, queue, run, replica, life = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
if not is_life(run) then return {'unbound'} end
local order = redis.call('HGET', ids, 'order')
local current = order and string.match(order, '[^,]+$')
if not current or redis.call('HGET', ids, 'run:' .. current) ~= run then return {'unbound'} end
if current ~= replica then return {'moved', current} end
local fresh, size, worst = {}, 0, nil
for at = 3, #KEYS do
  local first = (at - 2) * 6 - 1
  local op, delta, version = ARGV[first], ARGV[first + 1], ARGV[first + 2]
  local kind, rest
  if op == '0' or op == '1' then kind, rest = look(KEYS[at]) else kind = 'changes' end
  local is_fresh = true
  if kind == 'copy' then
    local stamp, touch = sub(rest, 25, 32), sub(rest, 41, 48)
    local written = cmp(sub(rest, 25, 40), sub(version, 1, 16))
    local touched = cmp(touch, sub(version, 17, 24))
    if op == '0' then
      is_fresh = written ~= 0
      if written > 0 then worst = max(worst or stamp, stamp) end
    else
      is_fresh = not (written == 0 and touched == 0)
      if is_fresh and not (written == 0 and touched < 0) then
        worst = max(worst or stamp, max(stamp, touch))
      end
    end
  end
  if is_fresh then
    size = size + #delta
    fresh[#fresh + 1] = {KEYS[at], first, kind, rest}
  end
end
if worst then return {'behind', worst} end
local waiting = tonumber(redis.call('HGET', ids, 'bytes') or '0') + size
if waiting > tonumber(ARGV[4]) then return {'full', waiting - size} end
local last = tonumber(redis.call('HGET', ids, 'last:' .. replica) or '0')
local begin = last + 1
for _, one in ipairs(fresh) do
  local key, first, kind, rest = one[1], one[2], one[3], one[4]
  local version, expires, tail = ARGV[first + 2], ARGV[first + 3], ARGV[first + 4]
  last = last + 1
  local number = struct.pack('>I8', last)
  redis.call('RPUSH', queue, number .. ARGV[first + 1])
  if kind == 'changes' then
    redis.call('HSET', key, life .. number, ARGV[first + 1])
  elseif ARGV[first] == '0' then
    local made = seal(number .. life .. zero .. version .. expires .. tail)
    redis.call('SET', key, made .. ARGV[first + 5])
  elseif kind == 'copy' then
    local moved = sub(rest, 41, 56)
    if byte(rest, 57) == 1 then moved = sub(version, 17, 24) .. expires end
    local made = seal(number .. life .. sub(rest, 17, 40) .. moved .. sub(rest, 57))
    redis.call('SETRANGE', key, 0, made)
    redis.call('PERSIST', key)
  elseif kind == 'placeholder' then
    redis.call('DEL', key)
  end
end
if #fresh > 0 then
  redis.call('HSET', ids, 'last:' .. replica, string.format('%d', last))
  redis.call('HINCRBY', ids, 'count:' .. replica, #fresh)
  redis.call('HINCRBY', ids, 'bytes:' .. replica, size)
  redis.call('HINCRBY', ids, 'bytes', size)
end
return {'written', begin, last, waiting}
""",
)
"""KEYS: identities, queue, copies (of changes: the hash of what waits for the key). ARGV: run,
replica, the same in eight bytes, bytes_max, then op, delta and four parts a key. "moved" says which
replica is the current one instead."""

BIND = script(
    "",
    _LIFE
    + """
if not is_life(ARGV[1]) then return 'stale' end
local order = redis.call('HGET', KEYS[1], 'order')
local current = order and string.match(order, '[^,]+$')
local is_of_run = current and redis.call('HGET', KEYS[1], 'run:' .. current) == ARGV[1]
if is_of_run and current ~= ARGV[3] then return current end
local replica = ARGV[2]
if redis.call('HEXISTS', KEYS[1], 'run:' .. replica) == 1 then return '' end
redis.call('HSETNX', KEYS[1], 'origin', current or replica)
redis.call('HSET', KEYS[1], 'order', order and (order .. ',' .. replica) or replica,
  'run:' .. replica, ARGV[1], 'new:' .. replica, '1', 'last:' .. replica, '0',
  'count:' .. replica, '0', 'bytes:' .. replica, '0')
return replica
""",
)
"""KEYS: identities. ARGV: run, replica, whose place it takes. Returns the current replica; "" if
it was one before, "stale" if the server is in another life than `run`."""

INTRODUCE = script(
    "allow-oom",
    """
if redis.call('HEXISTS', KEYS[1], 'run:' .. ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'new:' .. ARGV[1], '0')
end
return 0
""",
)
"""KEYS: identities. ARGV: replica."""

# Forget what waits for a key, of one identity up to a number.
_FORGET = """
local function forget(key, life, upto)
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if sub(name, 1, 8) == life and cmp(sub(name, 9, 16), upto) <= 0 then
      redis.call('HDEL', key, name)
    end
  end
end
"""

SETTLE = script(
    "allow-oom",
    _FORGET
    + """
local ids, queue, replica, life = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local number, fetched, ttl = ARGV[3], ARGV[4], ARGV[5]
if redis.call('HEXISTS', ids, 'run:' .. replica) == 0 then return 0 end
local count, size = 0, 0
while true do
  local entry = redis.call('LINDEX', queue, 0)
  if not entry or (#entry >= 8 and cmp(sub(entry, 1, 8), number) > 0) then break end
  redis.call('LPOP', queue)
  count, size = count + 1, size + #entry - 8
end
if count > 0 then
  redis.call('HINCRBY', ids, 'count:' .. replica, -count)
  redis.call('HINCRBY', ids, 'bytes:' .. replica, -size)
  redis.call('HINCRBY', ids, 'bytes', -size)
end
for at = 3, #KEYS do
  local upto, keep = ARGV[at * 2], ARGV[at * 2 + 1]
  local kind, rest
  if keep == '2' then
    redis.call('DEL', KEYS[at])
  elseif keep == '3' then
    forget(KEYS[at], life, upto)
  else
    kind, rest = look(KEYS[at])
  end
  local is_shown = kind == 'copy' and not is_clean(rest) and sub(rest, 9, 16) == life
  if is_shown and cmp(sub(rest, 1, 8), upto) <= 0 then
    if keep == '1' then
      local seen = max(sub(rest, 17, 24), fetched)
      redis.call('SETRANGE', KEYS[at], 0, seal(zero .. zero .. seen .. sub(rest, 25)))
      redis.call('PEXPIRE', KEYS[at], ttl)
    else
      redis.call('DEL', KEYS[at])
    end
  end
end
return count
""",
)
"""KEYS: identities, queue, copies. ARGV: replica, the same in eight bytes, number, fetched, ttl,
then number and keep a copy: 0 drop, 1 keep, 2 the row of a key that is no register goes, 3 it is
the hash of what waits for such a key. Copies that a later identity wrote stay dirty. Returns how
many entries went."""

DISMISS = script(
    "allow-oom",
    _FORGET
    + """
local ids, queue, replica, life = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
if redis.call('HEXISTS', ids, 'run:' .. replica) == 0 then return 1 end
if redis.call('HGET', ids, 'last:' .. replica) ~= ARGV[3] then return 0 end
local copies = 2 + tonumber(ARGV[4])
for at = copies + 1, #KEYS do forget(KEYS[at], life, string.rep('\255', 8)) end
for at = 3, copies do
  local kind, rest = look(KEYS[at])
  if kind == 'damaged' or (kind == 'copy' and (is_clean(rest) or sub(rest, 9, 16) == life)) then
    redis.call('DEL', KEYS[at])
  end
end
local kept = {}
for one in string.gmatch(redis.call('HGET', ids, 'order') or '', '[^,]+') do
  if one ~= replica then kept[#kept + 1] = one end
end
local size = tonumber(redis.call('HGET', ids, 'bytes:' .. replica) or '0')
redis.call('HINCRBY', ids, 'bytes', -size)
redis.call('HDEL', ids, 'run:' .. replica, 'new:' .. replica, 'last:' .. replica,
  'count:' .. replica, 'bytes:' .. replica)
redis.call('DEL', queue)
if #kept == 0 then redis.call('HDEL', ids, 'order', 'bytes')
else redis.call('HSET', ids, 'order', table.concat(kept, ',')) end
return 1
""",
)
"""KEYS: identities, queue, copies of what waits in it, hashes of what waits. ARGV: replica, the
same in eight bytes, the last number given, how many copies. Returns 0 if the number is another by
now."""

EXPEL = script(
    "allow-oom",
    """
local ids, queue, replica, life, raw = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
if redis.call('LINDEX', queue, 0) ~= raw then return 0 end
redis.call('LPOP', queue)
local size = math.max(#raw - 8, 0)
redis.call('HINCRBY', ids, 'count:' .. replica, -1)
redis.call('HINCRBY', ids, 'bytes:' .. replica, -size)
redis.call('HINCRBY', ids, 'bytes', -size)
return 1
""",
)
"""KEYS: identities, queue. ARGV: replica, the same in eight bytes, the first entry. Returns 0 if
that is another by now."""

DISOWN = script(
    "allow-oom",
    """
local gone = 0
for at, key in ipairs(KEYS) do
  if redis.call('TYPE', key).ok == 'hash' then
    gone = gone + redis.call('HDEL', key, ARGV[1] .. ARGV[2])
  else
    local kind, rest = look(key)
    if kind == 'copy' and sub(rest, 1, 8) == ARGV[2] and sub(rest, 9, 16) == ARGV[1] then
      gone = gone + redis.call('DEL', key)
    end
  end
end
return gone
""",
)
"""KEYS: copies and hashes of what waits. ARGV: identity and number, in eight bytes each, of an
entry that is no more."""

BEGIN = script(
    "allow-oom",
    _LIFE
    + """
if not is_life(ARGV[1]) then return 'stale' end
local found, now = redis.call('GET', KEYS[1]), redis.call('TIME')
local run, since = string.match(found or '', '^(%S+) (%d+)$')
if run == ARGV[1] then return since end
local here = string.format('%d%03d', now[1], math.floor(now[2] / 1000))
since = tonumber(here) > tonumber(ARGV[2]) and here or ARGV[2]
if not found then since = '0' end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. since)
return since
""",
)
"""KEYS: the life of a tag. ARGV: run, the time. Returns since when copies are good in this run;
"stale" if the server is in another life. The first life of a tag found no copies there: they are
filled by who has read, and whoever reads begins a life."""

LEAD = script(
    "allow-oom",
    """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
redis.call('DEL', KEYS[1])
return 0
""",
)
"""KEYS: the lease. ARGV: holder, ttl."""

ADVANCE = script(
    "allow-oom",
    """
if (redis.call('HGET', KEYS[1], 'cursor') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'region', ARGV[2], 'incarnation', ARGV[3], 'cursor', ARGV[4],
  'pulled_ms', ARGV[5])
return 1
""",
)
"""KEYS: the standing. ARGV: the cursor that was, region, incarnation, cursor, pulled_ms."""
