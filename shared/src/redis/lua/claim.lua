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
if redis.call('EXISTS', KEYS[13]) == 1 then
  return answers
end
limit = math.min(limit, 256)
local running, rate = tonumber(ARGV[7]), tonumber(ARGV[8])
local most = room(limit, running, rate, tonumber(ARGV[9]), TIME)
-- How many there are, who gets the next one, where its arguments begin, and how many it has.
local count, who, from, has = 0, 1, 10, 0
-- What is read of a job stands where record.lua says up to ATTEMPT; then follow these.
local WAITS, MADE, BEFORE, DATA = 8, 9, 10, 11

local function begin(id, key, v)
  if has == tonumber(ARGV[from + 1]) then
    who, from, has = who + 1, from + 5, 0
  end
  local token = string.sub(ARGV[from + 2], has * 16 + 1, has * 16 + 16)
  local tag = string.sub(ARGV[from + 3], has * 6 + 1, has * 6 + 6)
  local attempt, ends = v[ATTEMPT], string.format('%d', TIME + ARGV[from])
  -- An attempt that was released has its number already.
  if v[HOLD] ~= 'released' then
    attempt = string.format('%d', attempt + 1)
  end
  if v[BEFORE] then
    redis.call('HDEL', key, 'said', 'error')
  end
  local timeout = string.match(v[MADE], '^,"timeout_ms":(%d+)')
  if timeout then
    timeout = TIME + timeout
    redis.call('HSET', key, 'until', string.format('%d', timeout))
    ends = string.format('%d', math.min(timeout, tonumber(ends)))
  end
  place(KEYS[5], ends, id)
  local begun = { v[1], v[2], v[3], v[4], token, v[HEAD], attempt, false, v[MADE], TIME, false, false, 'running' }
  local claims = answers[who]
  claims[has * 4 + 1] = id
  claims[has * 4 + 2] = emit(key, begun, tag, 'state', 'running', 'attempt', attempt,
    'started_at', TIME, 'hold', token, 'worker', ARGV[from + 4])
  claims[has * 4 + 3], claims[has * 4 + 4] = v[DATA] or 'null', v[DATA + 1]
  has, count = has + 1, count + 1
end

local looked, empty = 0, false
while count < most and looked < 256 and not empty do
  local wanted = math.min(most - count, 256 - looked)
  local popped = redis.call('ZPOPMIN', KEYS[9], wanted)
  empty = #popped < wanted * 2
  looked = looked + wanted
  for i = 1, #popped, 2 do
    local id = popped[i]
    local key = KEYS[1] .. id
    local v = redis.call('HMGET', key, 'epoch', 'top', 'tag', 'period', 'hold', 'head', 'attempt', 'state', 'tail',
      'started_at', 'data', 'checkpoint')
    if v[HEAD] and v[WAITS] == 'queued' then
      local name, together = concurrency(key, v[MADE])
      if name and tonumber(redis.call('HGET', part('conc'), name) or 0) >= together then
        redis.call('ZADD', part('conc:' .. name), popped[i + 1], id)
        redis.call('ZADD', part('parked'), popped[i + 1], id)
      else
        if name then
          redis.call('HINCRBY', part('conc'), name, 1)
        end
        begin(id, key, v)
      end
    end
  end
end
told()
if rate > 0 and count > 0 then
  local began = { 'RPUSH', part('rate') }
  for i = 1, count do
    began[i + 2] = TIME
  end
  redis.call(unpack(began))
  redis.call('LTRIM', part('rate'), -rate, -1)
  redis.call('PEXPIRE', part('rate'), ARGV[9])
end
if empty then
  redis.call('DEL', KEYS[12])
elseif (running > 0 or rate > 0) and redis.call('EXISTS', KEYS[9]) == 1 then
  if count == limit then
    -- Ends of several jobs have woken this worker only, and there may be room for another.
    wake(1)
  else
    -- Nobody is to be woken before there is room.
    redis.call('DEL', KEYS[12])
    if running > 0 and redis.call('ZCARD', KEYS[5]) >= running then
      redis.call('SET', part('full'), '1')
    end
  end
end
return answers
