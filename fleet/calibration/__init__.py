"""What engines say while they start, read back from their logs. Pure functions, no connections.

`fleet.calibration.reading` reads a log; one module per engine holds the lines it knows. How the estimate uses what was
read is in `fleet.estimate.learning`.
"""
