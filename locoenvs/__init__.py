"""Gymnasium-compatible legged-locomotion environments with pluggable physics."""
