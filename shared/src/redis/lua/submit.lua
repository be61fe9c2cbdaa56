-- Puts new jobs into their queue, or among those that wait for a time.
-- KEYS 1–12 as in job.lua
-- ARGV 1–6 as in topic.lua, then for each job (≤ 64) 1 tag, 2 id, 3 head, 4 tail as in create.lua, 5 data, 6 '', or
--      what few have, a line each: priority; delay in ms or nothing; limit and concurrency key, with a space between,
--      or nothing; idempotency key (a key of this slot) or nothing; fingerprint of type and data
-- Returns for each its first entry; {'known', id} if the id or the key is known; {'conflict', id} if the key belongs
-- to a job with another fingerprint.
local answers, keys, here = {}, {}, {}
for i = 8, #ARGV, 6 do
  keys[#keys + 1] = KEYS[1] .. ARGV[i]
end
-- Mostly none is known, and one look is enough for all.
local some = call('EXISTS', unpack(keys)) > 0

local function known(id)
  return here[id] or (some and call('EXISTS', KEYS[1] .. id) == 1)
end

-- What becomes of a job with an idempotency key; nothing if it is new.
local function first(key, id, fingerprint)
  local of, before = match(call('GET', key) or '', '^(%S+) (%S+)$')
  if of and (here[of] or call('EXISTS', KEYS[1] .. of) == 1) then
    return { before == fingerprint and 'known' or 'conflict', of }
  end
  call('SET', key, id .. ' ' .. fingerprint)
  call('HSET', KEYS[1] .. id, 'key', key)
end

for number = 1, #keys do
  local i = number * 6 + 1
  local id, key, rare = ARGV[i + 1], keys[number], ARGV[i + 5]
  local priority, delay, together, idempotency, fingerprint = '5', '', '', '', ''
  if rare ~= '' then
    priority, delay, together, idempotency, fingerprint =
      match(rare, '^(%d+)\n(%d*)\n([^\n]*)\n([^\n]*)\n(.*)$')
  end
  local answer
  if known(id) then
    answer = { 'known', id }
  elseif idempotency ~= '' then
    answer = first(idempotency, id, fingerprint)
  end
  if not answer then
    answer = create(key, id, ARGV[i], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], priority, together, delay)
    here[id] = true
  end
  answers[number] = answer
end
done()
return answers
