"""Checks on a plan: rules that changed objects are held to."""
