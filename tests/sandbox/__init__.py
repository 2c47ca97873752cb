"""`make sandbox`: a control plane, a Prometheus with emojivoto, the product, and five things to try.

Pods run without containers, except the product's, which are processes of this machine.
"""
