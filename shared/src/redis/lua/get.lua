-- A job's record.
-- KEYS 1 record
-- Returns the entry that it was last told by, or nothing if there is no such job.
return redis.call('HGET', KEYS[1], 'e')
