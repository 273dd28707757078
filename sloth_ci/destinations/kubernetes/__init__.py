"""A Kubernetes cluster as a destination. Nothing outside of this package speaks to an API server."""
