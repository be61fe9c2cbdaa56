-- Several jobs' records.
-- KEYS 1 prefix of the slot's job records
-- ARGV ids (≤ 256)
-- Returns the JSON of each, or nothing in the place of one that there is not.
local records = {}
for i, id in ipairs(ARGV) do
  local v = job(KEYS[1] .. id)
  records[i] = v[HEAD] and record(v)
end
return records
