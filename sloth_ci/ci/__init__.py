"""The container side: from a CI job's environment and event to a use-case, and back to outputs, checks and comments."""
