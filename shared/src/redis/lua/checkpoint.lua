-- Stores what the handler wants to find in its next attempt.
-- KEYS 1 prefix of the slot's job records
-- ARGV 1 id, 2 token, 3 checkpoint (JSON)
-- Returns 1, or 0 if the lease is lost.
local key = KEYS[1] .. ARGV[1]
if not holds(redis.call('HGET', key, 'e'), ARGV[2]) then
  return 0
end
redis.call('HSET', key, 'checkpoint', ARGV[3])
return 1
