"""The Google Ads API over the sandbox's world, mounted at `/google`.

What it reproduces, simplifies and leaves out is listed in README.md beside this file.
"""
