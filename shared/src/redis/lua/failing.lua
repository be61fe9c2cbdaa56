-- Put, after ready.lua, ending.lua and history.lua, before scripts in which attempts fail. KEYS as in job.lua; ARGV 8 is
-- the first back-off step in ms, 9 the longest, 10 a random number from 0 to 1.

-- What becomes of a job whose attempt has failed. Returns the state it is in then.
local function failed(key, id, v, retry, message, hold, tag, time)
  v[ERROR] = message
  local set = { 'HSET', key, 'error', message, 'history', history(key, v, 'failed', message, time) }
  if retry and v[MORE] then
    close(id, v, 'cancelled', set, hold, tag, time)
  elseif retry and tonumber(v[ATTEMPT]) < tonumber(string.match(v[TAIL], '"max_attempts":(%d+)')) then
    local step = math.min(ARGV[8] * 2 ^ (v[ATTEMPT] - 1), tonumber(ARGV[9]))
    local at = string.format('%d', time + math.floor(step * ARGV[10]))
    v[STATE], v[MORE] = 'retrying', ',"run_at":' .. at
    redis.call('ZREM', KEYS[5], id)
    stopped(key, v)
    set[7], set[8], set[9], set[10], set[11], set[12] = 'state', 'retrying', 'more', v[MORE], 'hold', hold
    emit(v, set, tag, time)
    redis.call('ZADD', KEYS[11], at, id)
    wake()
  else
    close(id, v, 'failed', set, hold, tag, time)
  end
  return v[STATE]
end
