#!lua name=ringmaster_1
-- What ringmaster keeps in Redis, and the functions that read and change it. This file is where the
-- format is described; ringmaster_1 is format 1. Redis 7 or later, Lua 5.1.
--
-- Raise with every change of a function. A server with a lower revision gets this library when a
-- daemon starts; one with a higher revision keeps its own, which knows the same format. Another
-- format gets another name of library and functions, so that both can live side by side.
local REVISION = 2

-- Times are milliseconds since 1970, durations milliseconds. Every write stores the time at which
-- it was made (meta, now), and no later one reckons with less: where another server with a slow
-- clock takes over, time stands still until that has caught up.
--
-- *Keys of a pool*, in the order in which the functions take them (PoolKeys in pool_keys.hpp):
--
-- meta: hash
--   definition      bytes of the daemon's
--   lifetime, cooldown, max_hold   its rules; max_hold 0 = no limit
--   version         of the definition; rises with each change (registry.lua says where it is from)
--   epoch           raised by each change of the numbers, and where another pool was given one: an
--                   edit that began before is void
--   now             when it was last written
--   sequence        of the number that was added last
--   past_sequence   id of the latest entry of `past`
--   past_oldest     id of the oldest entry that may still be there; none = 1
--   removed         "1": the pool has been removed; then there are no queue, sessions and members
-- queue: sorted set of the numbers that may be handed out now or later, first come first.
--   The score of a number that somebody has had is its eligible_at, and behind the point, in
--   thousandths, its place among those touched by one call, so that they come back in the order in
--   which they went. Of one millisecond but several calls the order is not kept. So the numbers
--   that are eligible at `now` have a score less than now + 1. That of a number nobody has had is
--   -2^52 + the sequence of its addition: first of all, first added first. Numbers that drain or are
--   not members are not in it.
-- sessions: hash from session hash (16 bytes) to the number that the session had last, until that
--   goes to somebody else or the session gets another one.
-- numbers: hash from number to its state, see below. A number that is not a member any more stays
--   for as long as anybody is protected by it, or has been told of in the history.
-- members: sorted set of all numbers of the pool, by the sequence of their addition.
-- past: hash from id to a hold that is over, see below. Ids rise, and so does superseded_at with
--   them. Each insertion takes out up to two of the oldest that are older than the history.
--
-- Numbers are written as digits with neither plus nor blanks wherever they are a member or a field.
--
-- *State of a number*, packed as STATE and the holder behind it:
--   flags         sum of: 1 = member of the pool, 2 = drains, 4 = its session has got another number
--                 meanwhile, 8 = its holder has been erased
--   allocated_at  when the hold began; 0 = nobody of this pool has had it
--   last_touch, expires_at, eligible_at   as in a Slot (ringpool/slot.hpp); eligible_at 0 = never held
--   past_id       id of the latest entry of `past` for this number; 0 = none
--   session       hash of the session that has or had it; NOBODY = nobody ever. Where another pool
--                 had the number last and it is kept from others on that account, that pool's
--   formatted     national form, up to 23 bytes
--   holder        see below; empty where allocated_at is 0
-- *Entry of `past`*, packed as PAST and the holder behind it:
--   superseded_at when the entry was written
--   allocated_at, last_touch, expires_at, eligible_at   as they were
--   previous_id   of the entry before, for the same number; 0 = none
--   kind          0 = the hold is over, 1 = it went on with another context; + 128 = erased
--   number        as an integer
-- *Holder*: what is told of a session. '<I4' length of the session word, the word, and to its end
--   the context in canonical form. The session word is "" where the context is the session, else
--   "\1" and the session's id. Nothing at all where it has been erased.
local STATE = '<BI8I8I8I8I8c16Bc0'
local PAST = '<I8I8I8I8I8I8BI8'
local HOLDER = '<I4c0'
local STATE_WHOLE, PAST_WHOLE = STATE .. 'c0', PAST .. 'c0'  -- to pack the holder with the rest
local NOBODY = ('\0'):rep(16)

local MEMBER, DRAINING, LEFT, ERASED = 1, 2, 4, 8  -- flags of a state
local CHANGED, PAST_ERASED = 1, 128                -- kinds of an entry of `past`

-- Globals are looked up by name each time, locals are not. While a library is being loaded there are
-- none but `redis`, so they are taken over by the first call.
local call, error_reply, pack, read, sub, byte, find, format
local floor, max, min, concat, unpack, tonumber
local function take_globals()
    call, error_reply, pack, read = redis.call, redis.error_reply, struct.pack, struct.unpack
    sub, byte, find, format = string.sub, string.byte, string.find, string.format
    floor, max, min, concat = math.floor, math.max, math.min, table.concat
    unpack, tonumber = _G.unpack, _G.tonumber
end

-- Registers rm1_<name>. `callback(keys, args)`; `flags`: 'no-writes', 'allow-oom'...
local function register(name, callback, flags)
    redis.register_function{function_name = 'rm1_' .. name, flags = flags or {},
                            callback = function(keys, args)
        if not call then take_globals() end
        return callback(keys, args)
    end}
end

local function is_member(flags) return flags % 2 == 1 end
local function is_draining(flags) return flags % 4 >= 2 end
local function has_left(flags) return flags % 8 >= 4 end
local function is_erased(flags) return flags >= 8 end

local function pack_state(flags, allocated_at, last_touch, expires_at, eligible_at, past_id,
                          session, formatted, holder)
    return pack(STATE_WHOLE, flags, allocated_at, last_touch, expires_at, eligible_at, past_id,
                session, #formatted, formatted, holder)
end

-- flags, allocated_at, last_touch, expires_at, eligible_at, past_id, session, formatted, holder
local function unpack_state(bytes)
    local flags, allocated_at, last_touch, expires_at, eligible_at, past_id, session, formatted,
          rest = read(STATE, bytes)
    return flags, allocated_at, last_touch, expires_at, eligible_at, past_id, session, formatted,
           sub(bytes, rest)
end

local function pack_past(superseded_at, allocated_at, last_touch, expires_at, eligible_at,
                         previous_id, kind, number, holder)
    return pack(PAST_WHOLE, superseded_at, allocated_at, last_touch, expires_at, eligible_at,
                previous_id, kind, number, holder)
end

-- superseded_at, allocated_at, last_touch, expires_at, eligible_at, previous_id, kind, number,
-- holder
local function unpack_past(bytes)
    local superseded_at, allocated_at, last_touch, expires_at, eligible_at, previous_id, kind,
          number, rest = read(PAST, bytes)
    return superseded_at, allocated_at, last_touch, expires_at, eligible_at, previous_id, kind,
           number, sub(bytes, rest)
end

-- session word, context; nothing where the holder has been erased
local function unpack_holder(holder)
    if holder == '' then return nil end
    local session, rest = read(HOLDER, holder)
    return session, sub(holder, rest)
end

-- Whole numbers as Redis is to get them. (A Lua number becomes "%.17g" there, which is slow.)
local function digits_of(number) return format('%d', number) end

-- Score in `queue` of a number that somebody has had, and of one that nobody has.
local function held_score(eligible_at) return digits_of(eligible_at) end
local function unused_score(sequence) return digits_of(sequence - 4503599627370496) end

-- All scores of numbers that are eligible at `now` lie between '-inf' and this.
local function eligible_until(now) return '(' .. digits_of(now + 1) end

-- The time, which does not go backwards. `stored` is what meta has for it.
local function time_now(stored)
    local time = call('TIME')
    local server = time[1] * 1000 + floor(time[2] / 1000)
    return max(server, tonumber(stored) or 0)
end

-- To be returned where a pool does not exist, or has been removed.
local function no_pool() return error_reply('NOPOOL there is no such pool') end

-- Lua can't pass more than about 8000 arguments.
local MAX_WORDS = 6000  -- a multiple of 2

-- command key words..., in several commands where there are too many words. Nothing where there are
-- none. `count`, if given: how many of the words.
local function write(command, key, words, count)
    count = count or #words
    if count == 0 then return end
    if count <= MAX_WORDS then return call(command, key, unpack(words, 1, count)) end
    for first = 1, count, MAX_WORDS do
        call(command, key, unpack(words, first, min(first + MAX_WORDS - 1, count)))
    end
end

-- The values of these fields of a hash (HMGET), or scores of these members of a sorted set
-- (ZMSCORE), in order; false where there is none.
local function read_all(command, key, names, count)
    count = count or #names
    if count == 0 then return {} end
    if count <= MAX_WORDS then return call(command, key, unpack(names, 1, count)) end
    local values = {}
    for first = 1, count, MAX_WORDS do
        local some = call(command, key, unpack(names, first, min(first + MAX_WORDS - 1, count)))
        for i = 1, #some do values[first + i - 1] = some[i] end
    end
    return values
end

-- rm1_revision [least]: the revision; an error where that is less than `least`.
register('revision', function(_, args)
    if REVISION < (tonumber(args[1]) or 0) then
        return error_reply('OLDREVISION the function library has revision ' .. REVISION)
    end
    return REVISION
end, {'no-writes'})
