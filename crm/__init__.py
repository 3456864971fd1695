"""Findings become triggers; outcomes come back."""
