-- Appends the jobs that are due, in order.
-- ARGV: 1 how many at most. Returns how many, and 1 if others are due that may be appended next.
local now_ms = clock()
local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now_ms), 'LIMIT', 0, ARGV[1])
local moved, has_high = 0, false
for _, member in ipairs(due) do
  local job_id = string.sub(member, 18)
  local packed = redis.call('HGET', KEYS[4], job_id)
  if packed then
    local is_ours, job = pcall(cmsgpack.unpack, packed)
    is_ours = is_ours and type(job) == 'table' and #job == 4
    if is_ours and job[1] == 'high' then
      has_high = true
    elseif has_high then
      -- A reader that waits is woken with one stream alone (Redis before 7.2). A script that appended a normal job
      -- after a high one could wake it with the later one.
      return {moved, 1}
    end
    if is_ours then
      append(job[1], job[2], job[3], job[4])
    else
      -- Nothing that was accepted: left to the worker to quarantine.
      redis.call('XADD', KEYS[1], '*', 'delayed', packed)
    end
    moved = moved + 1
  end
  redis.call('ZREM', KEYS[3], member)
  redis.call('HDEL', KEYS[4], job_id)
end
return {moved, 0}
