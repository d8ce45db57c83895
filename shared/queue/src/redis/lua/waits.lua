-- Tells which of these jobs are in the streams: 1 or 0 for each.
-- ARGV: 1 and 2 between which entry ids to look, 3 at how many entries of each stream at most, from 4 on the job ids.
local found = {}
-- Where the body begins with it, it is the job's own: what a job brings along may have members of that name as well.
local prefix = '{"jobId":"'
for i = 1, 2 do
  for _, entry in ipairs(redis.call('XRANGE', KEYS[i], ARGV[1], ARGV[2], 'COUNT', ARGV[3])) do
    local fields = entry[2]
    for f = 1, #fields - 1, 2 do
      if fields[f] == 'body' and string.sub(fields[f + 1], 1, #prefix) == prefix then
        found[string.sub(fields[f + 1], #prefix + 1, #prefix + 36)] = 1
      end
    end
  end
end
local answer = {}
for i = 4, #ARGV do
  answer[i - 3] = found[ARGV[i]] or 0
end
return answer
