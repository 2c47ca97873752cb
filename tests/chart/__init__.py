"""The product's objects in a cluster: the chart, the CRDs, the plain manifests and the image."""
