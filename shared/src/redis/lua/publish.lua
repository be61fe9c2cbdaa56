-- Publishes to a topic with a log.
-- KEYS 1 log, 2 meta, 3 channel, [4 idempotency key]
-- ARGV 1–6 as in topic.lua, 7 tag, 8 tail, 9 ms that the key is remembered
-- Returns `epoch offset tag`, or `=` and the position of the first time.
if KEYS[4] then
  local seen = redis.call('GET', KEYS[4])
  if seen then
    return '=' .. seen
  end
end
local at = position((publish(KEYS[1], KEYS[2], KEYS[3], ARGV[7], 'm', now(), ARGV[8], '')), 1)
if KEYS[4] then
  redis.call('SET', KEYS[4], at, 'PX', ARGV[9])
end
return at
