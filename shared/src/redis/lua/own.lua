-- Puts a job among those of its user.
-- KEYS 1 ZSET of the user's jobs by when they were submitted
-- ARGV 1 id, 2 time, 3 most jobs, 4 ms that the list is kept
redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
