-- Publishes to a topic with a log, several messages in their order.
-- KEYS 1 log, 2 meta, 3 channel
-- ARGV 1–6 as in topic.lua, 7 ms that an idempotency key is remembered, then for each message
--      tag, tail, idempotency key or ''
-- Returns for each `epoch offset tag`, or `=` and the position of the first time.
local m = numbering(KEYS[2])
local time, late, answers = now(), nil, {}
for i = 8, #ARGV, 3 do
  local key = ARGV[i + 2]
  local seen = key ~= '' and redis.call('GET', key)
  local at
  if seen then
    at = '=' .. seen
  else
    late = append(KEYS[1], KEYS[3], m, 1, ARGV[i], 'm', time, ARGV[i + 1], '') or late or false
    at = position(m, 1)
    if key ~= '' then
      redis.call('SET', key, at, 'PX', ARGV[7])
    end
  end
  answers[#answers + 1] = at
end
if late ~= nil then
  number(KEYS[2], m, late)
end
return answers
