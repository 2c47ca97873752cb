"""Pure rules that set a new Pod's requests from its workload's profiles: no I/O, no clock, no numpy.

What is proposed never breaks a rule of the API server that the Pod as given keeps.
"""
