-- Put, after time.lua, before every script that appends to a log. Short, because each call of a script runs it again;
-- and with as little arithmetic as possible, because Lua's numbers cost more here than texts.
--
-- ARGV of every script that appends:
--   1 most     entries a log may grow to before it is trimmed; no reader sees those over its size
--   2 trim     the first index to keep then: the size, negative
--   3 ttl      ms until a log is dropped
--   4 cut      how many digits of the time are kept to tell one period from the next, negative: expiry is
--              set once in a period, and a period longer than it would have to be
--   5 keep     ms that a numbering outlives its last use
--   6 epoch    the epoch of a topic that has none yet

-- Numbers an entry, appends it to a log and publishes the same bytes.
--   m, i   epoch, top, tag and period as HMGET gives them, from index i of m; brought up to date, but
--          for the caller to store
--   tail   `exclude name\ndata`, see entry.rs; in two parts, so that it need not be put together before
-- Returns whether epoch and period are to be stored, besides top and tag.
local function append(log, channel, m, i, tag, kind, time, tail, data)
  local epoch, top, previous, period = m[i], tonumber(m[i + 1]), m[i + 2], string.sub(time, 1, ARGV[4])
  local new = not (epoch and top and previous)
  if new then
    epoch, top, previous = ARGV[6], 0, ''
    m[i] = epoch
  end
  local offset = string.format('%d', top + 1)
  local entry = '1 ' .. kind .. ' ' .. epoch .. ' ' .. offset .. ' ' .. tag .. ' ' .. previous
    .. ' ' .. time .. ' ' .. tail .. data
  -- The first write, and one that a full Redis refuses: after it the script runs to its end.
  local length = redis.call('RPUSH', log, entry)
  if length > 1 then
    if new then
      redis.call('LTRIM', log, -1, -1)
    elseif length > tonumber(ARGV[1]) then
      redis.call('LTRIM', log, ARGV[2], -1)
    end
  end
  local late = new or length == 1 or m[i + 3] ~= period
  if late then
    redis.call('PEXPIRE', log, ARGV[3])
  end
  redis.call('SPUBLISH', channel, entry)
  m[i + 1], m[i + 2], m[i + 3] = offset, tag, period
  return late
end

-- A topic's numbering, as `append` takes it.
local function numbering(meta)
  return redis.call('HMGET', meta, 'epoch', 'top', 'tag', 'period')
end

-- Stores it, brought up to date. `late` is what `append` has returned.
local function number(meta, m, late)
  if late then
    redis.call('HSET', meta, 'epoch', m[1], 'top', m[2], 'tag', m[3], 'period', m[4])
    redis.call('PEXPIRE', meta, ARGV[5])
  else
    redis.call('HSET', meta, 'top', m[2], 'tag', m[3])
  end
end

-- Appends to a topic whose numbering is in `meta`. Returns {epoch, offset, tag}, and whether it made meta
-- end.
local function publish(log, meta, channel, tag, kind, time, tail, data)
  local m = numbering(meta)
  local late = append(log, channel, m, 1, tag, kind, time, tail, data)
  number(meta, m, late)
  return m, late
end

-- A position as scripts return it: `epoch offset tag`, which stand in m from index i on.
local function position(m, i)
  return m[i] .. ' ' .. m[i + 1] .. ' ' .. m[i + 2]
end
