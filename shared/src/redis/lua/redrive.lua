-- Queues a dead letter again, with all its attempts before it.
-- KEYS 1–12 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 id, 8 tag
-- Returns its entry, 0 if the job is no dead letter, or nothing if there is no such job.
local key = KEYS[1] .. ARGV[7]
local v = job(key)
if not v then
  return false
elseif v.state ~= 'failed' then
  return 0
end
redis.call('ZREM', KEYS[8], ARGV[7])
redis.call('HDEL', key, 'stalls', 'until')
redis.call('PERSIST', key)
v.state, v.attempt, v.finished, v.more = 'queued', '0', '\19', ''
v.said, v.error = NOTHING, '\19'
local entry = tell(key, v, 'lost', ARGV[8])
redis.call('PEXPIRE', key .. ':log', ARGV[3])
local idempotency = string.find(v.tail, '\26', 1, true) and redis.call('HGET', key, 'key')
if idempotency and string.match(redis.call('GET', idempotency) or '', '^%S+') == ARGV[7] then
  redis.call('PERSIST', idempotency)
end
ready(ARGV[7], TIME, priority_of(key, v))
done()
return entry
