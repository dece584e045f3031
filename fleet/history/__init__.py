"""What was read from a fleet, kept: one SQLite file per fleet in the user's state folder.

Every reading is kept for a day, then its minute for eight days and its hour for 400, each with lowest, mean and peak.
What it takes (``tests/benchmarks/history.py`` measures it): a GPU read once a second makes 2.5 MB of readings, 130 kB
of minutes and 3 kB of hours a day, a model 3.1 MB, 170 kB and 4 kB. Kept as said that is 5 MB a GPU and 6 MB a model in
all, some 120 MB for eight GPUs with thirteen models, and never much more than `fleet.history.recording.LIMIT_BYTES` a
fleet: past that, readings are kept for less than a day.
"""
