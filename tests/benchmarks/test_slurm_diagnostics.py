"""What Slurm and the triggerer print is counted as they meant it."""

from __future__ import annotations

from benchmarks.shards.diagnostics import QUERY, Rpcs, stalls

SDIAG = """\
Jobs submitted: 2

Remote Procedure Call statistics by message type
\tREQUEST_FED_INFO                        ( 2049) count:2      ave_time:123    total_time:247
\tREQUEST_JOB_USER_INFO                   ( 2039) count:31     ave_time:140    total_time:140
\tREQUEST_SUBMIT_BATCH_JOB                ( 4003) count:1      ave_time:1776   total_time:1776

Remote Procedure Call statistics by user
\thgxdhs1         (    1016) count:11     ave_time:706    total_time:7775
\troot            (       0) count:3      ave_time:280    total_time:840

Pending RPC statistics
\tNo pending RPCs
"""

SACCTMGR = """\
Remote Procedure Call statistics by message type
\tDBD_GET_JOBS_COND        ( 1444) count:7      ave_time:1391   total_time:1391
\tSLURM_PERSIST_INIT       ( 6500) count:5      ave_time:1203   total_time:6015

Remote Procedure Call statistics by user
\troot                (         0) count:50     ave_time:3630   total_time:181513
"""

LOG = """\
2026-11-21T15:42:15.500000Z [info     ] Triggerer's async thread was blocked for 0.52 seconds, exceeding the configured
2026-11-21T15:42:15.600000Z [info     ] trigger completed
2026-11-21T15:42:17.000000Z [info     ] Triggerer's async thread was blocked for 1.10 seconds, exceeding the configured
"""


def test_calls_are_counted_by_message_type_and_by_user():
    rpcs = Rpcs.parse(SDIAG)
    assert rpcs.kinds == {"REQUEST_FED_INFO": 2, "REQUEST_JOB_USER_INFO": 31, "REQUEST_SUBMIT_BATCH_JOB": 1}
    assert rpcs.users == {1016: 11, 0: 3}


def test_accounting_prints_the_same_table_and_what_was_not_called_is_zero():
    rpcs = Rpcs.parse(SACCTMGR)
    assert rpcs.kinds["DBD_GET_JOBS_COND"] == 7
    assert rpcs.kinds[QUERY] == 0
    assert rpcs.users[1016] == 0


def test_before_anything_was_called_there_is_nothing():
    assert Rpcs.parse("Remote Procedure Call statistics by message type\n") == Rpcs({}, {})


def test_a_stall_is_what_the_watchdog_saw_without_its_own_pause():
    first, second = stalls(LOG)
    assert (first.seconds, second.seconds) == (0.42, 1.0)
    assert second.at - first.at == 1.5
