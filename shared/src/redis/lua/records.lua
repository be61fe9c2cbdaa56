-- Several jobs' records.
-- KEYS 1 prefix of the slot's job records
-- ARGV ids (≤ 256)
-- Returns the entry that each was last told by, or nothing in the place of one that there is not.
local records = {}
for i, id in ipairs(ARGV) do
  records[i] = redis.call('HGET', KEYS[1] .. id, 'e')
end
return records
