"""The product on real parts: installed by Helm, run under its own accounts, seen through kubectl.

There is no kubelet, so the Pods of the release stay Pending; the same program is run beside the cluster with
the environment, the arguments and the service accounts of the rendered Deployments.
"""
