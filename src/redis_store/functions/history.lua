-- Who had which number, and what is to be forgotten. The functions of this file take the keys of a
-- pool, also of one that has been removed.
do

-- rm1_holders number from most: {now, where to go on, state of the number or '', entries of
-- `past`...}, latest first, at most `most` entries. From '' begins; an id goes on there, without the
-- state. '0': there are no more, or they are not kept any longer.
register('holders', function(keys, args)
    local number, from, most = args[1], args[2], tonumber(args[3])
    local answer = {time_now(call('HGET', keys[1], 'now')), '0', ''}
    local id = tonumber(from)
    if not id then
        local state = call('HGET', keys[4], number)
        if not state then return answer end
        answer[3] = state
        local _, _, _, _, _, past_id = read(STATE, state)
        id = past_id
    end
    while id ~= 0 do
        if #answer == most + 3 then
            answer[2] = digits_of(id)
            break
        end
        local entry = call('HGET', keys[6], digits_of(id))
        if not entry then break end
        local _, _, _, _, _, previous_id, _, of = read(PAST, entry)
        if digits_of(of) ~= number or previous_id >= id then break end
        answer[#answer + 1] = entry
        id = previous_id
    end
    return answer
end, {'no-writes'})

-- The session gives back what it holds. 1, or 0 where it holds nothing.
local function release_held(keys, session, now)
    local number = call('HGET', keys[3], session)
    local state = number and call('HGET', keys[4], number)
    if not state then return 0 end
    local flags, allocated_at, last_touch, expires_at, _, past_id, holding, formatted, holder =
        unpack_state(state)
    if holding ~= session or now >= expires_at then return 0 end
    local eligible_at = now + tonumber(call('HGET', keys[1], 'cooldown'))
    call('HSET', keys[4], number, pack_state(flags, allocated_at, last_touch, now, eligible_at,
                                             past_id, session, formatted, holder))
    if not is_draining(flags) then call('ZADD', keys[2], held_score(eligible_at), number) end
    return 1
end

-- rm1_erase session word until where cursor count: forgets whose session word that is. Begun with
-- until '', where 'begin' and cursor '0', and called again with what it answers, until that says
-- 'end'. {until, where, cursor, how many were erased, how many released}. What began after the
-- first call stays.
register('erase', function(keys, args)
    local session, word, limit, where, cursor, count = unpack(args)
    if where == 'begin' then
        local info = call('HMGET', keys[1], 'now', 'version', 'removed')
        local now = time_now(info[1])
        local released = 0
        if info[2] and not info[3] then released = release_held(keys, session, now) end
        return {digits_of(now), 'numbers', '0', 0, released}
    end
    limit = tonumber(limit)
    local in_numbers = where == 'numbers'
    local key = in_numbers and keys[4] or keys[6]
    local found = call('HSCAN', key, cursor, 'COUNT', count)
    local next_cursor, pairs_found = found[1], found[2]
    local words = {}
    for i = 1, #pairs_found, 2 do
        local bytes = pairs_found[i + 1]
        if in_numbers then
            local flags, allocated_at, last_touch, expires_at, eligible_at, past_id, of, formatted,
                  holder = unpack_state(bytes)
            if allocated_at <= limit and unpack_holder(holder) == word then
                words[#words + 1] = pairs_found[i]
                words[#words + 1] =
                    pack_state(flags + ERASED, allocated_at, last_touch, expires_at, eligible_at,
                               past_id, of, formatted, '')
            end
        else
            local superseded_at, allocated_at, last_touch, expires_at, eligible_at, previous_id, kind,
                  number, holder = unpack_past(bytes)
            if allocated_at <= limit and unpack_holder(holder) == word then
                words[#words + 1] = pairs_found[i]
                words[#words + 1] =
                    pack_past(superseded_at, allocated_at, last_touch, expires_at, eligible_at,
                              previous_id, kind + PAST_ERASED, number, '')
            end
        end
    end
    write('HSET', key, words)
    if next_cursor == '0' then where = in_numbers and 'past' or 'end' end
    return {args[3], where, next_cursor, #words / 2, 0}
end, {'allow-oom'})

end
