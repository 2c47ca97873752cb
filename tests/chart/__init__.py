"""What a cluster gets: the chart's objects, the CRDs, the plain manifests and the image."""
