-- Renews leases of one slot, none beyond what its attempt may take.
-- KEYS 1 prefix of the slot's job records, 2 leases
-- ARGV 1 lease ms, then id and token of each lease (≤ 256)
-- Returns 1 (renewed), 2 (renewed, but the job is to be cancelled) or 0 (lost) for each.
local deadline = string.format('%d', now() + ARGV[1])
local answers, renewed = {}, {}
for i = 2, #ARGV, 2 do
  local key = KEYS[1] .. ARGV[i]
  local e = redis.call('HGET', key, 'e')
  local answer = 0
  if holds(e, ARGV[i + 1]) then
    local ends = deadline
    answer = 1
    -- Only one with a timeout, or one that is to be cancelled.
    if string.find(e, '[\20\24]', HOLD) then
      local mark, time = string.match(redis.call('HGET', key, 'until') or '', '^(c?)(%d+)$')
      answer = mark == 'c' and 2 or 1
      ends = string.format('%d', math.min(ends, tonumber(time) or ends))
    end
    renewed[#renewed + 1], renewed[#renewed + 2] = ends, ARGV[i]
  end
  answers[#answers + 1] = answer
end
if #renewed > 0 then
  redis.call('ZADD', KEYS[2], unpack(renewed))
end
return answers
