-- Put before every script that appends to a log: time, and appending. Short, because each call of a
-- script runs it again.

-- Milliseconds since 1970, as text.
local function now()
  local t = redis.call('TIME')
  return t[1] .. string.sub('000000' .. t[2], -6, -4)
end

-- Numbers an entry, appends it to a topic's log and publishes the same bytes.
--   size, ttl   entries kept, ms until the log is dropped
--   keep        ms that the numbering outlives the last use; 0: until somebody else sets it
--   candidate   the epoch, if this is the topic's first entry
--   tail        `exclude name\ndata`, see entry.rs
-- Returns `epoch offset tag`.
-- Trimming and expiry are done now and then, not each time: the log grows to a quarter (at most 64
-- entries) over its size, which no reader sees, and expiry is set a 16th longer and at most that late.
local function append(log, meta, channel, size, ttl, keep, candidate, tag, kind, time, tail)
  local m = redis.call('HMGET', meta, 'epoch', 'top', 'tag', 'fresh')
  local epoch, top, previous, fresh = m[1], tonumber(m[2]), m[3] or '', tonumber(m[4])
  local new = not (epoch and top)
  if new then
    epoch, top, previous = candidate, 0, ''
    redis.call('DEL', log, meta)
  end
  local offset = string.format('%d', top + 1)
  local entry = '1 ' .. kind .. ' ' .. epoch .. ' ' .. offset .. ' ' .. tag .. ' ' .. previous
    .. ' ' .. time .. ' ' .. tail
  local length = redis.call('RPUSH', log, entry)
  if length > size + math.min(64, math.floor(size / 4)) then
    redis.call('LTRIM', log, -size, -1)
  end
  local margin = math.floor(ttl / 16)
  if new or length == 1 or not fresh or math.abs(time - fresh) >= margin then
    redis.call('HSET', meta, 'epoch', epoch, 'top', offset, 'tag', tag, 'fresh', time)
    redis.call('PEXPIRE', log, ttl + margin)
    if keep > 0 then
      redis.call('PEXPIRE', meta, keep + margin)
    end
  else
    redis.call('HSET', meta, 'top', offset, 'tag', tag)
  end
  redis.call('SPUBLISH', channel, entry)
  return epoch .. ' ' .. offset .. ' ' .. tag
end
