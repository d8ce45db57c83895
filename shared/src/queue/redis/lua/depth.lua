-- Returns how many entries wait in both streams, how many jobs are delayed, and the age of the oldest entry in
-- milliseconds, -1 if there is none.
local now_ms = clock()
local age_ms = -1
for i = 1, 2 do
  local first = redis.call('XRANGE', KEYS[i], '-', '+', 'COUNT', 1)[1]
  if first then
    age_ms = math.max(age_ms, 0, now_ms - tonumber(string.match(first[1], '^%d+')))
  end
end
return {redis.call('XLEN', KEYS[1]) + redis.call('XLEN', KEYS[2]), redis.call('ZCARD', KEYS[3]), age_ms}
