-- A job's record.
-- KEYS 1 record
-- Returns its JSON, or nothing if there is no such job.
local v = job(KEYS[1])
return v[HEAD] and record(v)
