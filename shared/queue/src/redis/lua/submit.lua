if redis.replicate_commands then redis.replicate_commands() end
local stored = redis.call('GET', KEYS[2])
if stored and string.find(stored, '"payloadHash":"', 1, true) then
  local entry = string.match(stored, '^(%d+%-%d+)|')
  local waits = entry and #redis.call('XRANGE', KEYS[1], entry, entry) > 0
  if not string.find(stored, ARGV[1], 1, true) or (waits and ARGV[2] == '0') then return stored end
  if waits then
    redis.call('XADD', KEYS[1], '*', 'v', ARGV[3], 'body', ARGV[4], 'mac', ARGV[5])
    return {stored}
  end
else
  stored = false
end
local entry = redis.call('XADD', KEYS[1], '*', 'v', ARGV[3], 'body', ARGV[4], 'mac', ARGV[5])
redis.call('SET', KEYS[2], entry .. '|' .. ARGV[6], 'EX', ARGV[7])
return {stored}
