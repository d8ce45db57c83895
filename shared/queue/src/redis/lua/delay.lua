-- Lays a job aside until it is due; appends it at once if it is due already and was never laid aside. The same job id
-- twice is one job.
-- ARGV: 1 class, 2 version, 3 body, 4 mac, 5 job id, 6 when it is due in milliseconds, 7 whether it was accepted before
-- and then forgotten (1 or 0): then it has the place of its time, though that be past.
local now_ms, now = clock()
if redis.call('HEXISTS', KEYS[4], ARGV[5]) == 1 then
  return 1
end
if ARGV[7] == '0' and now_ms >= tonumber(ARGV[6]) then
  append(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
else
  -- Jobs that are due in the same millisecond are ordered by when they came.
  redis.call('ZADD', KEYS[3], ARGV[6], now .. ':' .. ARGV[5])
  redis.call('HSET', KEYS[4], ARGV[5], cmsgpack.pack({ARGV[1], ARGV[2], ARGV[3], ARGV[4], now}))
end
return 1
