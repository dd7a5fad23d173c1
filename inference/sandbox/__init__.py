"""Programs that models wrote, judged by tests that they never see.

Two processes for each program, forked from a server that holds nothing: the *program* answers calls, the *checker* runs
the test and compares. The program is told arguments and gives back plain values, so it can neither read what is
expected nor say that it passed. See docs/code.md.
"""
