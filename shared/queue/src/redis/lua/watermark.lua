-- Raises the shard's watermark, unless it is lower than it must be: the shard has forgotten something then, and whoever asks has
-- to note that first. Returns the watermark that was found, -1 if there was none; the age of the oldest waiting entry in
-- milliseconds, -1 if none waits; and 1 if jobs are delayed, else 0.
-- ARGV: 1 what it must be at least, -1 for nothing; 2 what it is to be. KEYS[5]: the watermark (hash).
local found = tonumber(redis.call('HGET', KEYS[5], 'at') or '-1')
if found >= tonumber(ARGV[1]) and found < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[5], 'at', ARGV[2])
end
local now_ms = clock()
local age_ms = -1
for i = 1, 2 do
  local read = redis.call('XREAD', 'COUNT', 1, 'STREAMS', KEYS[i], '0')
  if read then
    age_ms = math.max(age_ms, 0, now_ms - tonumber(string.match(read[1][2][1][1], '^%d+')))
  end
end
return { found, age_ms, redis.call('EXISTS', KEYS[3]) }
