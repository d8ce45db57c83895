-- Returns how many entries wait in both streams or are due, how many jobs are not due yet, and the age of the oldest
-- waiting one in milliseconds, -1 if there is none.
local now_ms = clock()
local age_ms = -1
for i = 1, 2 do
  local first = redis.call('XRANGE', KEYS[i], '-', '+', 'COUNT', 1)[1]
  if first then
    age_ms = math.max(age_ms, 0, now_ms - tonumber(string.match(first[1], '^%d+')))
  end
end
local due = redis.call('ZCOUNT', KEYS[3], '-inf', string.format('%.0f', now_ms))
if due > 0 then
  age_ms = math.max(age_ms, 0, now_ms - tonumber(redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]))
end
return {
  redis.call('XLEN', KEYS[1]) + redis.call('XLEN', KEYS[2]) + due,
  redis.call('ZCARD', KEYS[3]) - due,
  age_ms,
}
