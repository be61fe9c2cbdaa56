-- Ends keys of a state topic whose time is over.
-- KEYS 1–5 as in state.lua
-- ARGV 1–7 as in state.lua
-- Returns when the next key ends, in milliseconds since 1970, or '' if none does.
if expire(now()) > 0 then
  settle()
end
return redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')[2] or ''
