-- Removes a delayed job, if it is one.
-- ARGV: 1 job id.
local packed = redis.call('HGET', KEYS[4], ARGV[1])
if packed then
  local is_ours, job = pcall(cmsgpack.unpack, packed)
  if is_ours and type(job) == 'table' and #job == 5 then
    redis.call('ZREM', KEYS[3], job[5] .. ':' .. ARGV[1])
    redis.call('HDEL', KEYS[4], ARGV[1])
  end
end
return 1
