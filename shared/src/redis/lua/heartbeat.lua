-- Renews leases of one slot.
-- KEYS 1 prefix of the slot's job records, 2 leases
-- ARGV 1 lease ms, then id and token of each lease (≤ 256)
-- Returns 1 (renewed) or 0 (lost) for each.
local deadline = string.format('%d', now() + ARGV[1])
local answers = {}
for i = 2, #ARGV, 2 do
  local mine = redis.call('HGET', KEYS[1] .. ARGV[i], 'token') == ARGV[i + 1]
  if mine then
    redis.call('ZADD', KEYS[2], deadline, ARGV[i])
  end
  answers[#answers + 1] = mine and 1 or 0
end
return answers
