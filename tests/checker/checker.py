"""Judges from a history whether a daemon kept the promises of a ring pool.

Knows what clients saw and the pools' rules, and nothing of how a daemon works. A request takes
effect at an unknown instant between its start and its end; a request without an answer took effect
at such an instant or never. So every rule asks for what is *sure*: something is a violation only
where no choice of those instants explains the history. Two kinds of bounds do it:

- order: of two requests, one came first if it ended before the other started;
- spans: what begins at an instant of [start, end] and lasts for `w` surely lasts until start + w,
  and is surely over at end + w.

The daemon measures spans by a clock of its own, perhaps read a little before the request arrives,
rounded, and set going anew at each start. `slack` is how far it may differ from ours, and comes off
every span wherever that is in the daemon's favour.

All clients of the daemon must be in the history, or a number could be taken by one who is not.
Whatever two records on either side of a kill prove is counted as `durability`, not as the rule that
it would break otherwise: it was acknowledged, and forgotten.
"""

import bisect
import calendar
import collections
import functools
import itertools
import math
import re
import time
import typing

from history import ERROR, NOT_HELD, NUMBER, OVERFLOW, RELEASED, UNKNOWN, Row

SLACK_S = 0.05
EXPLAINED = 5  # violations of each rule that are told in full; all are counted

RULES = ("answer", "expiry", "uniqueness", "stickiness", "durability", "exhaustion", "lru")


class Rules(typing.NamedTuple):
    """Of one pool. Spans are in seconds."""

    numbers: frozenset
    lifetime: float
    cooldown: float = 0
    max_hold: float = 0      # 0: no limit
    overflow: str = ""       # empty: the pool allows none


class Report:
    def __init__(self):
        self.violations = {rule: 0 for rule in RULES}
        self.judged = {rule: 0 for rule in RULES}  # what could have been found to break it
        self.explanations = []

    def violation(self, rule, text, *records):
        self.violations[rule] += 1
        if self.violations[rule] <= EXPLAINED:
            self.explanations.append("\n    ".join([rule + ": " + text, *map(str, records)]))

    def broken(self):
        return {rule for rule, count in self.violations.items() if count}

    def __str__(self):
        found = ["%s %d (judged %d)" % (rule, self.violations[rule], self.judged[rule])
                 for rule in RULES]
        return "\n".join(["violations: " + ", ".join(found), *self.explanations])


# Why a pool has no number to give though it has some, by the words of the interface.
UNAVAILABLE = ("store_unavailable", "owner_slow", "owner_down")


def check(history, pools, slack=SLACK_S, unavailable=None):
    """`pools` are {id: Rules}; `unavailable` {id: [(start, end), ...]} when its store, or the shard
    that has it, may fail."""
    unavailable = unavailable or {}
    report = Report()
    kills = Kills(history.kills)
    rows, releases = collections.defaultdict(list), collections.defaultdict(list)
    for row in history.rows:
        rows[row.pool].append(row)
    for release in history.releases:
        releases[release.pool].append(release)
    for id, rules in pools.items():
        PoolCheck(rules, slack, unavailable.get(id, ()), kills, report).run(rows[id], releases[id])
    return report


class Kills:
    def __init__(self, kills):
        self.kills = kills
        self.starts = sorted(kill.start for kill in kills)

    def between(self, first, second):
        """Whether the first record is of an earlier life of the daemon than the second."""
        return (bisect.bisect_left(self.starts, first.start) !=
                bisect.bisect_left(self.starts, second.end))


    def settled(self, record):
        """With the time by which one without a sure answer was carried out, if ever: it may have
        waited behind what was killed, or hung, until that was back."""
        ends = [k.end for k in self.kills if k.start <= record.end and record.start <= k.end]
        return record._replace(end=max([record.end, *ends]))


class Releases:
    """Those of one session and number."""

    def __init__(self, releases):
        def smallest_from(values):
            return list(itertools.accumulate(reversed(values), min))[::-1] + [math.inf]

        possible = sorted((r for r in releases if r.outcome != NOT_HELD), key=lambda r: r.end)
        self.ends = [r.end for r in possible]
        self.first_start = smallest_from([r.start for r in possible])
        done = sorted((r for r in releases if r.outcome == RELEASED), key=lambda r: r.start)
        self.starts = [r.start for r in done]
        self.first_end = smallest_from([r.end for r in done])

    def earliest_after(self, start):
        """The earliest instant of one that may follow upon what began at `start`."""
        return max(start, self.first_start[bisect.bisect_left(self.ends, start)])

    def done_after(self, end):
        """When one that surely follows upon what ended at `end` has surely happened."""
        return self.first_end[bisect.bisect_right(self.starts, end)]


NO_RELEASES = Releases([])


class Touch:
    """A row that was given a number of the pool, and what follows from it."""

    __slots__ = ("row", "start", "end", "session", "number", "told", "held", "guarded", "free")

    def __init__(self, row, told):
        self.row, self.start, self.end = row, row.start, row.end
        self.session, self.number = row.session, row.number
        self.told = told     # expires_at, in our clock
        self.held = 0.0      # the session surely holds the number until then, unless it releases it
        self.guarded = 0.0   # nobody else may surely get it before then, releases considered
        self.free = 0.0      # as far as this touch goes, it is surely free from then on

    def __str__(self):
        return str(self.row)


class Free(typing.NamedTuple):
    """Nobody can have had `number`, nor can it have cooled down, from `since` up to `until`."""

    since: float
    until: float
    number: str
    after: Touch | None      # the last one before that


class PoolCheck:
    def __init__(self, rules, slack, unavailable, kills, report):
        self.rules, self.slack, self.unavailable = rules, slack, unavailable
        self.kills, self.report = kills, report
        self.touches, self.refused, self.unknown = [], [], []

    def run(self, rows, releases):
        self.releases = collections.defaultdict(list)
        for release in releases:
            if release.outcome not in (RELEASED, NOT_HELD):
                release = self.kills.settled(release)
            self.releases[release.session, release.number].append(release)
        self.releases = {key: Releases(group) for key, group in self.releases.items()}
        for row in rows:
            self.read(row)
        self.check_sessions(releases)
        newcomers = self.check_numbers()
        free = self.free_spans()
        self.check_exhaustion(free)
        self.check_order(newcomers, free)

    def releases_of(self, session, number):
        return self.releases.get((session, number), NO_RELEASES)

    def violation(self, rule, text, first, second):
        """Of two records, in order of time; `second` is the answer that is wrong."""
        if self.kills.between(first, second):
            rule, text = "durability", "after a kill, " + text
        self.report.violation(rule, text, first, second)

    # --- answer: is it one at all? --------------------------------------------------------------

    def read(self, row):
        """An answer is to the row that was asked, in its place, and its number is the pool's.

        A row whose answer is not even that is treated like one without an answer by the rules that
        follow, so that one defect does not look like several.
        """
        if row.outcome == UNKNOWN:
            self.unknown.append(self.kills.settled(row))
            return
        self.report.judged["answer"] += 1
        fault = self.fault(row)
        if fault:
            self.report.violation("answer", fault, row)
        elif row.outcome == NUMBER:
            told = parse_utc(row.expires_at) - row.clock
            self.touches.append(Touch(row, told))
            return
        elif row.reason in ("exhausted", "PoolExhausted"):
            self.refused.append(row)
            return
        elif not any(start <= row.end and row.start <= end for start, end in self.unavailable):
            self.report.violation("exhaustion", "the store was available", row)
        # Too late for the answer, it may still be in effect.
        self.unknown.append(self.kills.settled(row))

    def fault(self, row):
        """What is wrong with an answer as such, or None."""
        rules = self.rules
        if row.request_id != row.echoed:
            return "the answer is to request_id %r" % row.echoed
        if row.outcome == ERROR:
            if rules.overflow or row.reason not in ("PoolExhausted", *UNAVAILABLE):
                return "no such error is to be expected"
            return None
        if row.outcome == OVERFLOW:
            if row.reason not in ("exhausted", *UNAVAILABLE):
                return "no such reason is to be expected"
            if not rules.overflow or row.number != rules.overflow:
                return "that is not the pool's overflow number"
        elif row.number not in rules.numbers:
            return "that is not a number of the pool"
        elif parse_utc(row.expires_at) is None:
            return "that is not a time in UTC"
        if row.formatted != formatted(row.number):
            return "formatted is %r" % row.formatted
        return None

    # --- what follows from a touch --------------------------------------------------------------

    def bound(self, touch, last, hold):
        """Fills in until when a touch surely lasts, and from when on it surely is over.

        It lasts for the lifetime. But where max_hold may have kept it from prolonging the hold,
        only what `last` made sure is sure; `last` is None where that may be over. On the other
        side, no hold goes on for longer than max_hold + lifetime after its begin, unless the
        client was told so, which check_expiry() judges.

        A release ends the hold at its own instant, and the cool-down begins. One that *may* have
        come after the touch cuts what is sure; one that *surely* has, brings forward the end.
        """
        rules, slack, cooldown = self.rules, self.slack, self.rules.cooldown
        touch.held = touch.start + rules.lifetime - slack
        over = touch.end + rules.lifetime + slack
        if hold.may_be_capped(touch):
            touch.held = last.held if last else touch.start
            over = min(over, max(hold.most(), touch.told + 1 + slack))
        releases = self.releases_of(touch.session, touch.number)
        touch.guarded = min(touch.held + cooldown,
                            releases.earliest_after(touch.start) + cooldown - slack)
        touch.free = min(over + cooldown, releases.done_after(touch.end) + cooldown + slack)

    # --- stickiness and expiry: each session by itself ------------------------------------------

    def check_sessions(self, releases):
        sessions = collections.defaultdict(list)
        for touch in self.touches:
            sessions[touch.session].append((touch.end, 0, touch))
        for row in self.refused:
            sessions[row.session].append((row.end, 1, row))
        for row in self.unknown:
            sessions[row.session].append((row.end, 2, row))
        for release in releases:
            if release.outcome == NOT_HELD:
                sessions[release.session].append((release.end, 3, release))
        for events in sessions.values():
            events.sort(key=lambda event: event[:2])
            self.check_session(events)

    def check_session(self, events):
        last = None  # touch
        hold = HoldBounds(self.rules, self.slack, max(e[2].end - e[2].start for e in events))
        for _, kind, event in events:
            holds = last is not None and self.holds(last, event)
            if kind == 0:
                hold.touched(event, last, holds)
                self.bound(event, last if holds else None, hold)
                if holds:
                    self.check_same(last, event)
                self.check_expiry(event, last if holds else None, hold)
                last = event
            elif kind == 2:
                hold.unknown(event)
            elif holds and last.end < event.start:
                self.check_denial(last, event)

    def holds(self, touch, event):
        """Whether the session surely still holds the touch's number when `event` takes effect."""
        return event.end < touch.held and event.end < self.releases_of(
            touch.session, touch.number).earliest_after(touch.start)

    def judged_sticky(self, first, second):
        """Durability is judged where a session asks again after a kill that came in between."""
        self.report.judged["stickiness"] += 1
        if self.kills.between(first, second):
            self.report.judged["durability"] += 1

    def check_same(self, last, touch):
        """Asking again within the lifetime gives the same number.

        `holds()` makes sure of that where `last` came first. Where the two requests overlap,
        `touch` may have come first; then it is `last` that had to be given the same number, unless
        the session may have released what `touch` got in between.
        """
        if last.end >= touch.start and not self.holds(touch, last):
            return
        self.judged_sticky(last, touch)
        if touch.number != last.number:
            self.violation("stickiness", "the session holds %s" % last.number, last, touch)

    def check_denial(self, last, event):
        """Nobody is refused, nor told that he does not hold the number, while he holds it."""
        if isinstance(event, Row):
            self.judged_sticky(last, event)
            self.violation("stickiness", "the session holds %s" % last.number, last, event)
        elif event.number == last.number:
            self.judged_sticky(last, event)
            self.violation("stickiness", "the session holds the number", last, event)

    def check_expiry(self, touch, last, hold):
        """expires_at, in whole seconds rounded down, is the instant of the touch + lifetime.

        With max_hold, a touch later than that after the hold's begin prolongs no more. So there
        the least is asked for only of a touch that surely came earlier, and the most that any
        touch can have prolonged the hold to is its latest begin + max_hold + lifetime.

        While the hold of `last` goes on, expires_at never goes back, except by 1 s: it is the sum
        of what two clocks say, rounded. Where another process keeps the time, what it says is left
        is added to the time at which it was asked: up to the length of the request too early.
        """
        rules, slack = self.rules, self.slack
        if touch.told > touch.end + rules.lifetime + slack:
            self.report.violation("expiry", "expires_at is too late", touch)
        elif rules.max_hold and touch.told > hold.most():
            self.violation("expiry", "expires_at is too late for a hold that began by %.4f" %
                           hold.begun_by, hold.first, touch)
        if (last and last.end < touch.start and
                touch.told < last.told - 1 - slack - (touch.end - touch.start)):
            self.violation("expiry", "expires_at went back", last, touch)
        if hold.may_be_capped(touch):
            return
        self.report.judged["expiry"] += 1
        least = touch.start + rules.lifetime - slack - 1
        if touch.told <= least:
            self.report.violation("expiry", "expires_at is %.3f s too early" % (least - touch.told),
                                  touch)

    # --- uniqueness: each number by itself ------------------------------------------------------

    def check_numbers(self):
        """Holds of two sessions never overlap, cool-down included.

        A touch guards its number from its instant on up to `guarded`. Another session's touch that
        surely falls into that is a violation. Where the two requests overlap, either may have come
        first; then each must fall into the other's guard. It is enough to look at the farthest
        guard of another session so far, so we keep the two farthest of different sessions.

        Returns (touch, guard, holder) where a session that had nothing before took over a number:
        what check_order() judges.
        """
        numbers = collections.defaultdict(list)
        for touch in self.touches:
            numbers[touch.number].append(touch)
        self.by_number = numbers
        firsts = self.first_touches()
        newcomers = []
        for touches in numbers.values():
            touches.sort(key=lambda touch: touch.end)
            first = second = None
            latest_end = -math.inf
            for touch in touches:
                other = first if first is None or first.session != touch.session else second
                if other is not None:
                    self.report.judged["uniqueness"] += 1
                    if touch.end < other.guarded and (
                            other.end < touch.start or other.end < touch.guarded):
                        self.violation("uniqueness", "the number is another session's for %.3f s" %
                                       (other.guarded - touch.end), other, touch)
                    elif latest_end < touch.start and firsts.get(touch.session) is touch:
                        newcomers.append((touch, first))
                latest_end = max(latest_end, touch.end)
                if first is None or touch.guarded >= first.guarded:
                    if first is not None and first.session != touch.session:
                        second = first
                    first = touch
                elif touch.session != first.session and (
                        second is None or touch.guarded >= second.guarded):
                    second = touch
        return newcomers

    def first_touches(self):
        """{session: its touch} where no other request of it can have taken effect before."""
        firsts, doubtful = {}, set()
        for event in sorted(self.touches + self.unknown, key=lambda event: event.start):
            if event.start <= firsts.setdefault(event.session, event).end:
                if firsts[event.session] is not event:
                    doubtful.add(event.session)
        for session in doubtful:
            del firsts[session]
        return firsts

    def free_spans(self):
        """All spans in which a number was surely nobody's, if no unknown row has it, by start."""
        spans = []
        for number in self.rules.numbers:
            since, after = -math.inf, None
            for touch in sorted(self.by_number.get(number, ()), key=lambda touch: touch.start):
                if since < touch.start:
                    spans.append(Free(since, touch.start, number, after))
                if touch.free > since:
                    since, after = touch.free, touch
            spans.append(Free(since, math.inf, number, after))
        spans.sort(key=lambda span: span.since)
        return spans

    def unknown_until(self, row):
        """What an unknown row may have taken is surely free again then."""
        return row.end + self.rules.lifetime + self.rules.cooldown + self.slack

    # --- exhaustion: numbers that can have been taken, counted over time ------------------------

    def check_exhaustion(self, free):
        """No number is told to be free only where at some instant of the request none was.

        At any instant the pool has at least as many free numbers as there are free spans over it,
        less one for each unknown row that may be in effect: whichever it got or prolonged, it is
        one. Where that is positive all through a request, some number was eligible at its instant,
        whatever instant that was.
        """
        changes = collections.Counter()
        for span in free:
            changes[span.since] += 1
            changes[span.until] -= 1
        for row in self.unknown:
            changes[row.start] -= 1
            changes[self.unknown_until(row)] += 1
        times = sorted(changes)
        least = list(itertools.accumulate(changes[time] for time in times))
        unknown = Unknown(self.unknown, self.unknown_until)
        for row in self.refused:
            # The last change before its start, up to the last before its end.
            first = max(bisect.bisect_left(times, row.start) - 1, 0)
            after = bisect.bisect_right(times, row.end)
            if unknown.count(row.start, row.end) < len(self.rules.numbers):
                self.report.judged["exhaustion"] += 1
            surely_free = min(least[first:after])
            if surely_free > 0:
                span = next((s for s in free if s.since < row.start and row.end < s.until), None)
                self.report.violation(
                    "exhaustion", "%d numbers were free%s" % (
                        surely_free, ", one of them " + span.number if span else ""),
                    *([span.after] if span and span.after else []), row)

    # --- least recently used --------------------------------------------------------------------

    def check_order(self, newcomers, free):
        """A new session gets the number that has been free longest.

        Judged are sessions of which no request can have taken effect before: others may take back
        what they had. The number that one got became free not before its last holder's guard
        ended. Had another number surely been free since before that, and was still during all of
        the request, it would have been its turn. An unknown row may have had that other number;
        but `k` rows can't have had `k` + 1 numbers, so that many must be found. Rows that can't
        have kept a number beyond the guard's end do not count: even had they taken it, it would
        have been free longer. Numbers never held come first of all, in any order.
        """
        unknown = Unknown(self.unknown, self.unknown_until)
        coming = iter(free)
        span = next(coming)
        waiting = collections.deque()  # spans that began, by start; some of them are over
        for touch, holder in sorted(newcomers, key=lambda pair: pair[0].start):
            while span is not None and span.since < touch.start:
                waiting.append(span)
                span = next(coming, None)
            doubts = unknown.count(min(holder.guarded, touch.start), touch.end)
            seen, choice = [], []
            while waiting and len(choice) <= doubts:
                oldest = waiting.popleft()
                if oldest.until <= touch.start:
                    continue  # over for all that follow, too
                seen.append(oldest)
                if oldest.until > touch.end:
                    choice.append(oldest)
            waiting.extendleft(reversed(seen))
            if len(choice) <= doubts:
                continue
            self.report.judged["lru"] += 1
            other = choice[-1]
            longer = holder.guarded - (other.since - self.slack)  # the guard's has it off already
            if longer > 0:
                self.violation("lru", "%s, last of %s, was free for %s" % (
                    other.number, other.after.session if other.after else "nobody",
                    "%.3f s longer" % longer if other.after else "ever"), holder, touch)


class Unknown:
    """Counts the unknown rows that may be in effect at some instant of a span."""

    def __init__(self, rows, until):
        self.starts = sorted(row.start for row in rows)
        self.ends = sorted(until(row) for row in rows)

    def count(self, start, end):
        return bisect.bisect_right(self.starts, end) - bisect.bisect_left(self.ends, start)


class HoldBounds:
    """Between when and when the hold that a session's latest touch belongs to can have begun.

    Events come in order of their ends. One that overlaps with an earlier one may have begun the
    hold all the same, but not before that one's end less the longest request of the session.
    """

    def __init__(self, rules, slack, longest):
        self.rules, self.slack, self.longest = rules, slack, longest
        self.begun_after = self.begun_by = 0.0
        self.first = None              # the touch that `begun_by` is known from
        self.over = -math.inf          # the hold is surely over from then on
        self.unknown_since = math.inf  # the first unknown row since the latest touch

    def touched(self, touch, last, goes_on):
        moved = last is None or touch.number != last.number
        if moved or not goes_on:
            self.begun_by, self.first = touch.end, touch
        if moved or touch.start > self.over:
            self.begun_after = min(touch.start, self.unknown_since) - self.longest
        self.over = touch.end + self.rules.lifetime + self.slack
        self.unknown_since = math.inf

    def unknown(self, row):
        if row.start > self.over:
            self.begun_after = row.start - self.longest
        self.over = max(self.over, row.end + self.rules.lifetime + self.slack)
        self.unknown_since = min(self.unknown_since, row.start)

    def may_be_capped(self, touch):
        """Whether the touch may have come too late to prolong the hold."""
        limit = self.rules.max_hold
        return limit > 0 and touch.end - self.begun_after >= limit - self.slack

    def most(self):
        """The latest time until which the hold can have been prolonged."""
        return self.begun_by + self.rules.max_hold + self.rules.lifetime + self.slack


def formatted(number):
    """The usual form of a number of country code 1."""
    return "-".join((number[2:5], number[5:8], number[8:]))


@functools.lru_cache(maxsize=1 << 16)
def parse_utc(text):
    """Seconds since the epoch, or None where the text is not like 2026-11-21T21:45:00Z."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
        return None
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return None
