"""The SR-GNN form against the same steps in plain loops."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from recneg.datasets.session_clicks import DAY, prepare_clicks

LOGS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 4), st.integers(0, 3), st.integers(0, 5)),
    max_size=60,
)  # session, item, day, timeframe; sessions may be torn apart and lie on several days


def plain(log, *, ordered, test_days, newest, support, length):
    """Lists of (session, items, part), written as the published steps are told."""
    clicks, date = {}, {}
    for session, item, day, frame in log:
        clicks.setdefault(session, []).append((frame, item))
        date[session] = day
    if ordered:
        clicks = {s: sorted(each, key=lambda click: click[0]) for s, each in clicks.items()}
    clicks = {s: [item for _, item in each] for s, each in clicks.items()}
    clicks = {s: items for s, items in clicks.items() if len(items) >= length}
    everything = [item for items in clicks.values() for item in items]
    clicks = {
        s: [item for item in items if everything.count(item) >= support]
        for s, items in clicks.items()
    }
    clicks = {s: items for s, items in clicks.items() if len(items) >= length}
    if not clicks:
        return []
    boundary = max(date[s] for s in clicks) - test_days
    old = sorted((s for s in clicks if date[s] < boundary), key=date.get)
    new = sorted((s for s in clicks if date[s] > boundary), key=date.get)
    known = {item for s in old for item in clicks[s]}
    prefixes = [s for s in old for _ in clicks[s][1:]]
    if newest > 1 and prefixes:
        wanted = max(len(prefixes) // newest, 1)
        old = old[old.index(prefixes[-wanted]) :]
    result = [(clicks[s], 0) for s in old]
    tested = [[item for item in clicks[s] if item in known] for s in new]
    return result + [(items, 2) for items in tested if len(items) >= length]


@given(LOGS, st.booleans(), st.integers(1, 2), st.sampled_from([1, 2, 5]), st.integers(1, 3))
@example([(0, 1, 0, 0), (0, 1, 0, 0), (1, 1, 3, 0), (1, 1, 3, 0)], False, 2, 1, 1)
def test_the_steps_equal_loops(log, ordered, test_days, newest, support):
    sessions, items, days, frames = np.array(log, np.int64).reshape(-1, 4).T
    kept = prepare_clicks(
        sessions * 10**6, items * 10**9, days * DAY, order=frames if ordered else None,
        test_days=test_days, newest=newest, least_support=support,
    )  # fmt: skip
    expected = plain(
        log, ordered=ordered, test_days=test_days, newest=newest, support=support, length=2
    )
    assert kept.users.tolist() == [user for user, (each, _) in enumerate(expected) for _ in each]
    assert items[kept.rows].tolist() == [item for each, _ in expected for item in each]
    assert kept.parts.tolist() == [part for each, part in expected for _ in each]


def test_the_newest_part_starts_with_a_whole_session():
    sizes = [3, 2, 4, 3]  # 2 + 1 + 3 + 2 prefixes; the newest half are 4: the third session on
    sessions = np.repeat(np.arange(4), sizes)
    items = np.zeros(sessions.size, np.int64)
    kept = prepare_clicks(
        sessions, items, np.where(sessions == 4, 9, sessions) * DAY, test_days=1, least_support=1
    )
    assert np.bincount(kept.users[kept.parts == 0]).tolist() == [3, 2]
    half = prepare_clicks(
        np.append(sessions, [9, 9]), np.zeros(14, np.int64),
        np.append(sessions, [9, 9]) * DAY, test_days=1, newest=2, least_support=1,
    )  # fmt: skip
    assert np.bincount(half.users[half.parts == 0]).tolist() == [4, 3]
    assert (half.users[half.parts == 2] == 2).all()
