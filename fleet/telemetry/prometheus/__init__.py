"""Readings of a whole fleet from one Prometheus server, for fleets with more hosts than one wants SSH streams.

What exporters do not say stays unknown: they show no processes, so which model holds which bytes is not known, and they
number GPUs their own way, which need not be HIP's. Nothing is changed on a host on such a reading's word.
"""
