-- Publishes once to a topic without a log.
-- KEYS 1 idempotency key, [2 sharded channel]
-- ARGV 1 message, 2 ms that the key is remembered, 3 plain channel if there is no sharded one
-- Returns 1, or 0 if the key was known.
if not redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[2]) then
  return 0
end
if KEYS[2] then
  redis.call('SPUBLISH', KEYS[2], ARGV[1])
else
  redis.call('PUBLISH', ARGV[3], ARGV[1])
end
return 1
