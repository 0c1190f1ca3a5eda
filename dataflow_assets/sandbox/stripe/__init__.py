"""Stripe's API over the sandbox's world, mounted at `/stripe`.

What it reproduces, simplifies and leaves out is listed in the README of this folder.
"""
