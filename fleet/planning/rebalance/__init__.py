"""A better placement for the models of a fleet, proposed with a reason for every move.

`fleet.planning.rebalance.rebalancing` is the entry point. It poses the fleet as a placement `problem`, answers it
greedily in milliseconds, exactly where HiGHS can, and by searching around the answer where the fleet is large; what
comes out is assessed like any draft before it is proposed.
"""
