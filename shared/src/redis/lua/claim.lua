-- Takes jobs from the ready lists, highest priority first.
-- KEYS 1 prefix of the slot's job records, 2–4 log, meta and channel of the queue, 5 leases,
--      6 wake list, 7–16 ready lists of priorities 9 to 0
-- ARGV 1–6 as in topic.lua, 7 lease ms, 8 limit (≤ 256), 9 tokens of 16 bytes, one a job,
--      10 tags of 6 bytes, one a job
-- Returns {id, record, data, id, record, data, …}; the first job got the first token, and so on.
local ask = { 'LMPOP', 10 }
for i = 7, 16 do
  ask[i - 4] = KEYS[i]
end
ask[13], ask[14] = 'LEFT', 'COUNT'
local time = now()
local deadline = string.format('%d', time + ARGV[7])
local claims, count, left = {}, 0, tonumber(ARGV[8])
-- A job whose record is gone is skipped, and uses up its place in this call.
while left > 0 do
  ask[15] = left
  local popped = redis.call(unpack(ask))
  if not popped then
    redis.call('DEL', KEYS[6])
    break
  end
  for _, id in ipairs(popped[2]) do
    left = left - 1
    local key = KEYS[1] .. id
    local v = job(key)
    if v[1] and v[STATE] == 'queued' then
      local token = string.sub(ARGV[9], count * 16 + 1, count * 16 + 16)
      local tag = string.sub(ARGV[10], count * 6 + 1, count * 6 + 6)
      -- An attempt that was released has its number already.
      if v[WAITING] ~= 'released' then
        v[ATTEMPT] = v[ATTEMPT] + 1
      end
      if v[STARTED] then
        redis.call('HDEL', key, 'percent', 'message', 'progress', 'waiting')
        v[PERCENT], v[MESSAGE], v[PROGRESS] = false, false, false
      end
      v[STATE], v[STARTED] = 'running', time
      redis.call('ZADD', KEYS[5], deadline, id)
      claims[count * 3 + 1] = id
      claims[count * 3 + 2] = emit(v, { 'HSET', key, 'state', 'running', 'attempt', v[ATTEMPT],
        'started_at', time, 'token', token }, KEYS[2], KEYS[3], KEYS[4], tag, time)
      claims[count * 3 + 3] = redis.call('HGET', key, 'data') or 'null'
      count = count + 1
    end
  end
end
return claims
