-- Publishes to a topic with a log.
-- KEYS 1 log, 2 meta, 3 channel, [4 idempotency key]
-- ARGV 1 size, 2 ttl ms, 3 keep ms, 4 epoch candidate, 5 tag, 6 tail, 7 ms that the key is remembered
-- Returns `epoch offset tag`, or `=` and the position of the first time.
if KEYS[4] then
  local seen = redis.call('GET', KEYS[4])
  if seen then
    return '=' .. seen
  end
end
local position = append(KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]),
  ARGV[4], ARGV[5], 'm', now(), ARGV[6])
if KEYS[4] then
  redis.call('SET', KEYS[4], position, 'PX', ARGV[7])
end
return position
