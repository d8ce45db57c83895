-- Returns what comes first at this moment: entries of the high stream, entries of the normal stream, and delayed jobs
-- that are due, by their time; each with its id and its fields.
-- ARGV: 1 how many of each kind at most.
local now_ms = clock()
local due =
  redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now_ms), 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local jobs = {}
for i = 1, #due, 2 do
  local fields = {'due', string.format('%.0f', tonumber(due[i + 1]))}
  local packed = redis.call('HGET', KEYS[4], string.sub(due[i], 18))
  if packed then
    local is_ours, job = pcall(cmsgpack.unpack, packed)
    if is_ours and type(job) == 'table' and #job == 5 then
      for place, name in ipairs({'class', 'v', 'body', 'mac'}) do
        fields[#fields + 1] = name
        fields[#fields + 1] = job[place]
      end
    else
      -- Nothing that was accepted: left to the worker to quarantine.
      fields[#fields + 1] = 'delayed'
      fields[#fields + 1] = packed
    end
  end
  jobs[#jobs + 1] = {due[i], fields}
end
return {
  redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[1]),
  redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1]),
  jobs,
}
