-- Queues a dead letter again, with all its attempts before it.
-- KEYS 1–12 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 id, 8 tag
-- Returns its entry, 0 if the job is no dead letter, or nothing if there is no such job.
local key = KEYS[1] .. ARGV[7]
local v = job(key)
if not v[HEAD] then
  return false
elseif v[STATE] ~= 'failed' then
  return 0
end
redis.call('ZREM', KEYS[8], ARGV[7])
redis.call('HDEL', key, 'said', 'error', 'more', 'stalls', 'finished_at', 'until')
redis.call('PERSIST', key)
v[STATE], v[ATTEMPT], v[FINISHED], v[MORE] = 'queued', '0', false, false
v[SAID], v[ERROR] = false, false
local entry = emit(key, v, ARGV[8], 'state', 'queued', 'attempt', '0', 'hold', 'lost')
redis.call('PEXPIRE', key .. ':log', ARGV[3])
local idempotency = v[KEY]
if idempotency and string.match(redis.call('GET', idempotency) or '', '^%S+') == ARGV[7] then
  redis.call('PERSIST', idempotency)
end
ready(ARGV[7], TIME, redis.call('HGET', key, 'priority') or '5')
told()
return entry
