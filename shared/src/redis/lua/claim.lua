-- Takes queued jobs, lowest rank first.
-- KEYS 1–13 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 lease ms, 8 limit (1 to 256), 9 tokens of 16 bytes, one a job,
--      10 tags of 6 bytes, one a job, 11 the worker's name (JSON)
-- Returns {id, record, data, checkpoint or nothing, id, …}; the first job got the first token, and so on.
if redis.call('EXISTS', KEYS[13]) == 1 then
  return {}
end
local popped = redis.call('ZPOPMIN', KEYS[9], ARGV[8])
if #popped < ARGV[8] * 2 then
  redis.call('DEL', KEYS[12])
end
local time = now()
local deadline = time + ARGV[7]
local claims, count = {}, 0
for i = 1, #popped, 2 do
  local id = popped[i]
  local key = KEYS[1] .. id
  local v = job(key)
  if v[1] and v[STATE] == 'queued' then
    local token = string.sub(ARGV[9], count * 16 + 1, count * 16 + 16)
    local tag = string.sub(ARGV[10], count * 6 + 1, count * 6 + 6)
    -- An attempt that was released has its number already.
    if v[HOLD] ~= 'released' then
      v[ATTEMPT] = v[ATTEMPT] + 1
    end
    if v[STARTED] then
      redis.call('HDEL', key, 'percent', 'message', 'progress', 'error')
      v[PERCENT], v[MESSAGE], v[PROGRESS], v[ERROR] = false, false, false, false
    end
    v[STATE], v[STARTED] = 'running', time
    local set = { 'HSET', key, 'state', 'running', 'attempt', v[ATTEMPT], 'started_at', time, 'hold', token,
      'worker', ARGV[11] }
    local ends = deadline
    local timeout = string.match(v[TAIL], '^,"timeout_ms":(%d+)')
    if timeout then
      ends = time + timeout
      set[13], set[14] = 'until', string.format('%d', ends)
      ends = math.min(ends, deadline)
    end
    redis.call('ZADD', KEYS[5], string.format('%d', ends), id)
    claims[count * 4 + 1] = id
    claims[count * 4 + 2] = emit(v, set, tag, time)
    local left = redis.call('HMGET', key, 'data', 'checkpoint')
    claims[count * 4 + 3], claims[count * 4 + 4] = left[1] or 'null', left[2]
    count = count + 1
  end
end
return claims
