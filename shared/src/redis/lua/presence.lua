-- Put after topic.lua before every script on who is present on a topic.
--
-- KEYS of all of them: 1 leases, ZSET of the nodes with sessions on the topic, by the end of their
--      leases; the sessions of a node are the HASH `leases:node`, in the same slot; 2 channel of the topic
-- ARGV of all of them: 1 node, 2 ms that its lease lasts, 3 ms that everything outlives the leases,
--      4 `1` if joining and leaving are told

local function sessions(node)
  return KEYS[1] .. ':' .. node
end

-- Publishes that somebody came (`i`) or went (`o`): an entry without a place, see entry.rs.
local function tell(kind, time, member)
  if ARGV[4] == '1' then
    redis.call('SPUBLISH', KEYS[2], '1 ' .. kind .. '     ' .. time .. '  \n' .. member)
  end
end

-- Makes this node's lease last; it is never shortened.
local function renew(time)
  redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', tonumber(time) + tonumber(ARGV[2])), ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('PEXPIRE', sessions(ARGV[1]), ARGV[3])
end

-- Takes off up to 256 sessions of nodes that are gone. Returns whether there are more.
local function take_off(time)
  local left = 256
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time, 'LIMIT', 0, left)) do
    local key = sessions(node)
    local some = redis.call('HRANDFIELD', key, left, 'WITHVALUES')
    for i = 1, #some, 2 do
      redis.call('HDEL', key, some[i])
      tell('o', time, some[i + 1])
    end
    left = left - #some / 2
    if redis.call('EXISTS', key) == 1 or left <= 0 then
      return true
    end
    redis.call('ZREM', KEYS[1], node)
  end
  return false
end
