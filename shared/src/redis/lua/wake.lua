-- Wakes one worker. The list is bounded: nobody may be listening.
local function wake(list)
  if redis.call('RPUSH', list, '1') > 32 then
    redis.call('LPOP', list)
  end
end
