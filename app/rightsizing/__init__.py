"""Pure rules that set a new Pod's requests from its workload's profiles: no I/O, no clock, no numpy.

A change never violates a rule of the API server that the original Pod obeys.
"""
