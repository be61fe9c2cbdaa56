-- Takes queued jobs, lowest rank first, as many as the limits of the queue and of concurrency keys allow.
-- KEYS 1–13 as in job.lua
-- ARGV 1–6 as in topic.lua, 7–9 running, rate and period as in room.lua, then for each who asks (≤ 64) 1 lease ms,
--      2 limit (1 to 256), 3 tokens of 16 bytes, one a job, 4 tags of 6 bytes, one a job, 5 the worker's name (JSON)
-- Returns for each {id, entry, data, checkpoint or nothing, id, …}; its first job got its first token, and so on.
local answers, limit = {}, 0
for i = 10, #ARGV, 5 do
  answers[#answers + 1] = {}
  limit = limit + ARGV[i + 1]
end
if call('EXISTS', KEYS[13]) == 1 then
  return answers
end
limit = math.min(limit, 256)
local running, rate = tonumber(ARGV[7]), tonumber(ARGV[8])
local most = room(limit, running, rate, tonumber(ARGV[9]), TIME)
-- How many there are, who gets the next one, where its arguments begin, and how many it has.
local count, who, from, has = 0, 1, 10, 0

--   v   entry, data and checkpoint
--   to  where its state ends
local function begin(id, key, v, to)
  if has == tonumber(ARGV[from + 1]) then
    who, from, has = who + 1, from + 5, 0
  end
  local token = sub(ARGV[from + 2], has * 16 + 1, has * 16 + 16)
  local tag = sub(ARGV[from + 3], has * 6 + 1, has * 6 + 6)
  local e, ends = v[1], format('%d', TIME + ARGV[from])
  local attempt = match(e, '^%d+', to + 1)
  -- An attempt that was released has its number already.
  if find(e, 'released ', HOLD, true) ~= HOLD then
    attempt = format('%d', attempt + 1)
  end
  -- What it says and why the last attempt failed is over; what follows never changes, up to when it was started.
  local tail = find(e, '[\14\20]', (find(e, '\12', to, true)))
  local timeout = match(e, '^\20(%d+)', tail)
  if timeout then
    timeout = TIME + timeout
    call('HSET', key, 'until', format('%d', timeout))
    ends = format('%d', math.min(timeout, tonumber(ends)))
  end
  place(KEYS[5], ends, id)
  local claims = answers[who]
  claims[has * 4 + 1] = id
  claims[has * 4 + 2] = emit(key, e, find(e, ' ', HOLD, true) + 1, token, tag, sub(e, find(e, '\n', HOLD, true), to - 7),
    'running\5', attempt .. NOTHING .. UNENDED, sub(e, tail, find(e, '\17', tail, true)),
    TIME .. '\18\19}', 'worker', ARGV[from + 4])
  claims[has * 4 + 3], claims[has * 4 + 4] = v[2] or 'null', v[3]
  has, count = has + 1, count + 1
end

local looked, empty = 0, false
while count < most and looked < 256 and not empty do
  local wanted = math.min(most - count, 256 - looked)
  local popped = call('ZPOPMIN', KEYS[9], wanted)
  empty = #popped < wanted * 2
  looked = looked + wanted
  for i = 1, #popped, 2 do
    local id = popped[i]
    local key = KEYS[1] .. id
    local v = call('HMGET', key, 'e', 'data', 'checkpoint')
    local to = v[1] and select(2, find(v[1], '\4queued\5', HOLD, true))
    if to then
      local name, together = concurrency(key, v[1])
      if name and tonumber(call('HGET', part('conc'), name) or 0) >= together then
        call('ZADD', part('conc:' .. name), popped[i + 1], id)
        call('ZADD', part('parked'), popped[i + 1], id)
      else
        if name then
          call('HINCRBY', part('conc'), name, 1)
        end
        begin(id, key, v, to)
      end
    end
  end
end
done()
if rate > 0 and count > 0 then
  local began = { 'RPUSH', part('rate') }
  for i = 1, count do
    began[i + 2] = TIME
  end
  call(unpack(began))
  call('LTRIM', part('rate'), -rate, -1)
  call('PEXPIRE', part('rate'), ARGV[9])
end
if empty then
  call('DEL', KEYS[12])
elseif (running > 0 or rate > 0) and call('EXISTS', KEYS[9]) == 1 then
  if count == limit then
    -- Ends of several jobs have woken this worker only, and there may be room for another.
    wake(1)
  else
    -- Nobody is to be woken before there is room.
    call('DEL', KEYS[12])
    if running > 0 and call('ZCARD', KEYS[5]) >= running then
      call('SET', part('full'), '1')
    end
  end
end
return answers
