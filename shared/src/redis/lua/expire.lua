-- Lets go of an ended job after a while: its record, log and idempotency key.
local function expire(key, retention)
  redis.call('PEXPIRE', key, retention)
  redis.call('PEXPIRE', key .. ':log', retention)
  local idempotency = redis.call('HGET', key, 'key')
  if idempotency then
    redis.call('PEXPIRE', idempotency, retention)
  end
end
