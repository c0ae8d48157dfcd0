-- Moving pools into Redis and out of it, while no daemon uses them.
do

-- Of the registry. rm1_begin_import fingerprint ahead: begins to import what is told by its
-- fingerprint, or goes on with that. {fingerprint, ahead} of the import that is under way; nil where
-- there are pools that no import has made.
register('begin_import', function(keys, args)
    local info = keys[1]
    local found = call('HMGET', info, 'import', 'import_ahead', 'version')
    if not found[1] then
        if found[3] or call('EXISTS', keys[2], keys[3]) > 0 then return false end
        call('HSET', info, 'import', args[1], 'import_ahead', args[2])
        return {args[1], args[2]}
    end
    return {found[1], found[2]}
end)

-- Of the registry. rm1_end_import: all is there.
register('end_import', function(keys) return call('HDEL', keys[1], 'import', 'import_ahead') end)

-- Of the registry. rm1_had_by pool number...: the pool had these once.
register('had_by', function(keys, args)
    local pool = table.remove(args, 1)
    local words = {}
    for i, entry in ipairs(read_all('HMGET', keys[3], args)) do
        local known = entry or '0 *'
        if not find(known .. ' ', ' ' .. pool .. ' ', 1, true) then
            words[#words + 1] = args[i]
            words[#words + 1] = known .. ' ' .. pool
        end
    end
    write('HSET', keys[3], words)
end)

-- rm1_import_status: "1" where all of the pool has been imported, else nil.
register('import_status', function(keys) return call('HGET', keys[1], 'imported') end, {'no-writes'})

-- rm1_imported: all of the pool has been.
register('imported', function(keys) call('HSET', keys[1], 'imported', '1') end)

-- Of two numbers that name one session, it has the one it touched last.
local function give_to_session(keys, number, session, last_touch)
    local other = call('HGET', keys[3], session)
    if other and other ~= number then
        local state = call('HGET', keys[4], other)
        local flags, allocated_at, touched, expires_at, eligible_at, past_id, of, formatted, holder =
            unpack_state(state)
        if touched > last_touch then return LEFT end
        call('HSET', keys[4], other,
             pack_state(flags + LEFT, allocated_at, touched, expires_at, eligible_at, past_id, of,
                        formatted, holder))
    end
    call('HSET', keys[3], session, number)
    return 0
end

-- rm1_import number flags allocated_at last_touch expires_at eligible_at session formatted holder
-- {superseded_at allocated_at last_touch expires_at eligible_at kind holder}...: one number, and its
-- holds that are over, the oldest first. flags as in a state: MEMBER, DRAINING, ERASED. 1, or 0 where
-- the pool knows the number already: then nothing changes.
register('import', function(keys, args)
    local number = args[1]
    if call('HEXISTS', keys[4], number) == 1 then return 0 end
    local past_id, words = 0, {}
    for i = 10, #args, 7 do
        local id = call('HINCRBY', keys[1], 'past_sequence', 1)
        words[#words + 1] = digits_of(id)
        words[#words + 1] = pack_past(args[i], args[i + 1], args[i + 2], args[i + 3], args[i + 4],
                                      past_id, args[i + 5], number, args[i + 6])
        past_id = id
    end
    write('HSET', keys[6], words)
    local flags, allocated_at, last_touch = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
    local session = args[7]
    if is_member(flags) then
        local sequence = call('HINCRBY', keys[1], 'sequence', 1)
        call('ZADD', keys[5], digits_of(sequence), number)
        if not is_draining(flags) then
            call('ZADD', keys[2],
                 session == NOBODY and unused_score(sequence) or held_score(tonumber(args[6])),
                 number)
        end
        if session ~= NOBODY then
            flags = flags + (allocated_at == 0 and LEFT or
                             give_to_session(keys, number, session, last_touch))
        end
    end
    call('HSET', keys[4], number,
         pack_state(flags, allocated_at, last_touch, args[5], args[6], past_id, session, args[8],
                    args[9]))
    return 1
end)

-- rm1_export from most: {where to go on, 0 where there are no more; then number and state of each
-- member, without holder}. 0 begins.
register('export', function(keys, args)
    local found = call('ZRANGE', keys[5], '(' .. args[1], '+inf', 'BYSCORE', 'LIMIT', 0, args[2],
                       'WITHSCORES')
    local count = #found / 2
    local answer = {count == tonumber(args[2]) and tonumber(found[#found]) or 0}
    local names = {}
    for i = 1, count do names[i] = found[2 * i - 1] end
    for i, state in ipairs(read_all('HMGET', keys[4], names)) do
        answer[2 * i] = names[i]
        answer[2 * i + 1] = sub(state, 1, 58 + byte(state, 58))
    end
    return answer
end, {'no-writes'})

end
