-- Removes delayed jobs.
-- ARGV: their ids among the delayed ones.
for _, member in ipairs(ARGV) do
  redis.call('ZREM', KEYS[3], member)
  redis.call('HDEL', KEYS[4], string.sub(member, 18))
end
return #ARGV
