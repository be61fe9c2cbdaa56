-- Reads a part of a log together with the position of its top and, for a job's topic, its record.
-- Creates the epoch of a topic that has none.
-- KEYS 1 log, 2 meta (a job's is its record), [3 job record]
-- ARGV 1 `now` | `newest` | `after`, 2 limit, 3 size, 4 keep ms (0: as it is), 5 epoch candidate,
--      6 epoch, 7 offset, 8 tag (`*`: not known)
-- Returns {epoch, offset of the top, its tag, '' | 'epoch' | 'fork' | 'trimmed', record or '', entries},
-- or nothing if there is no such job.
if KEYS[3] and redis.call('EXISTS', KEYS[3]) == 0 then
  return false
end
local m = redis.call('HMGET', KEYS[2], 'epoch', 'top', 'tag')
local epoch, top, tag = m[1], tonumber(m[2]), m[3] or ''
if not (epoch and top) then
  epoch, top, tag = ARGV[5], 0, ''
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'top', 0, 'tag', '')
end
local keep = tonumber(ARGV[4])
if keep > 0 then
  redis.call('PEXPIRE', KEYS[2], keep)
end

local limit, size, lost, entries = tonumber(ARGV[2]), tonumber(ARGV[3]), '', {}
if ARGV[1] == 'newest' and limit > 0 then
  entries = redis.call('LRANGE', KEYS[1], -math.min(limit, size), -1)
elseif ARGV[1] == 'after' then
  local offset = tonumber(ARGV[7])
  if ARGV[6] ~= epoch then
    lost = 'epoch'
  elseif offset > top then
    lost = 'fork'
  elseif offset == top then
    if ARGV[8] ~= '*' and ARGV[8] ~= tag then
      lost = 'fork'
    end
  elseif top - offset > size then
    lost = 'trimmed'
  else
    -- Counted from the end, where the top is; the entry itself must say that it is the next one.
    local from = offset - top
    entries = redis.call('LRANGE', KEYS[1], from, math.min(from + math.max(limit, 1), 0) - 1)
    local e, at, previous = string.match(entries[1] or '', '^1 %l (%w+) (%d+) %w+ (%w*) ')
    if e ~= epoch or tonumber(at) ~= offset + 1 then
      lost = 'trimmed'
    elseif ARGV[8] ~= '*' and ARGV[8] ~= previous then
      lost = 'fork'
    end
    if lost ~= '' or limit == 0 then
      entries = {}
    end
  end
end
local snapshot = ''
if KEYS[3] and (ARGV[1] == 'now' or lost ~= '') then
  snapshot = record(job(KEYS[3]))
end
return { epoch, string.format('%d', top), tag, lost, snapshot, entries }
