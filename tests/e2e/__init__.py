"""End-to-end tests of the release: installed by Helm, run under its service accounts, checked with kubectl.

Only the sandbox has a stand-in for kubelets; elsewhere the release's Pods stay Pending. The same program runs
beside the cluster with the environment, the arguments and the service accounts of the rendered Deployments.
"""
