-- Queues jobs whose time has come, behind their equals.
-- KEYS 1–8 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 limit (≤ 256), 8 tags of 6 bytes, one a job
-- Returns {how many there were, ms until the next is due or -1, 1 if jobs can be claimed, else 0}.
local time = now()
local ids = redis.call('ZRANGE', KEYS[7], '-inf', time, 'BYSCORE', 'LIMIT', 0, ARGV[7])
local count = 0
for _, id in ipairs(ids) do
  local key = KEYS[1] .. id
  redis.call('ZREM', KEYS[7], id)
  local v = job(key)
  if v[1] and (v[STATE] == 'scheduled' or v[STATE] == 'retrying') then
    count = count + 1
    local due = string.match(v[MORE] or '', '%d+') or time
    v[STATE], v[MORE] = 'queued', false
    redis.call('HDEL', key, 'more')
    emit(v, { 'HSET', key, 'state', 'queued' }, string.sub(ARGV[8], count * 6 - 5, count * 6), time)
    ready(id, due, redis.call('HGET', key, 'priority') or '5')
  end
end
local next = redis.call('ZRANGE', KEYS[7], 0, 0, 'WITHSCORES')[2]
return { count, next and math.max(next - time, 0) or -1, redis.call('EXISTS', KEYS[6]) }
