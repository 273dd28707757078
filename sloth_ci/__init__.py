"""GitOps for Kubernetes that lives in CI, with no control plane."""

__version__ = "0.1.0"
