-- Publishes to topics with a log: several messages, in their order. What can't be written to one topic does not keep the
-- others from theirs.
-- KEYS for each message: what the keys of its topic begin with
-- ARGV 1–6 as in topic.lua, 7 ms that an idempotency key is remembered, then for each message
--      tag, tail, idempotency key or ''
-- Returns for each `epoch offset tag`, or `=` and the position of the first time, or `!` and an error.
local time, topics, answers = now(), {}, {}

local function one(base, i)
  local known = ARGV[i + 2] ~= '' and base .. ':key:' .. ARGV[i + 2]
  local seen = known and redis.call('GET', known)
  if seen then
    return '=' .. seen
  end
  local m = topics[base]
  if not m then
    m = numbering(base .. ':meta')
    topics[base] = m
  end
  m.late = append(base .. ':log', base .. ':ch', m, 1, ARGV[i], 'm', time, ARGV[i + 1], '') or m.late or false
  local at = position(m, 1)
  if known then
    redis.call('SET', known, at, 'PX', ARGV[7])
  end
  return at
end

for i, base in ipairs(KEYS) do
  local ok, answer = pcall(one, base, 5 + 3 * i)
  answers[i] = ok and answer or '!' .. (type(answer) == 'table' and answer.err or tostring(answer))
end
for base, m in pairs(topics) do
  if m.late ~= nil then
    number(base .. ':meta', m, m.late)
  end
end
return answers
