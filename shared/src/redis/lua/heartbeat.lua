-- Renews leases of one slot, none beyond what its attempt may take.
-- KEYS 1 prefix of the slot's job records, 2 leases
-- ARGV 1 lease ms, then id and token of each lease (≤ 256)
-- Returns 1 (renewed), 2 (renewed, but the job is to be cancelled) or 0 (lost) for each.
local deadline = now() + ARGV[1]
local answers = {}
for i = 2, #ARGV, 2 do
  local m = redis.call('HMGET', KEYS[1] .. ARGV[i], 'hold', 'until')
  local answer, ends = 0, deadline
  if m[1] == ARGV[i + 1] then
    answer = 1
    if m[2] then
      local mark, time = string.match(m[2], '^(c?)(%d+)$')
      answer = mark == 'c' and 2 or 1
      ends = math.min(ends, tonumber(time) or ends)
    end
    redis.call('ZADD', KEYS[2], string.format('%d', ends), ARGV[i])
  end
  answers[#answers + 1] = answer
end
return answers
