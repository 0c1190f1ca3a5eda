"""Meta's Marketing API over the sandbox's world, mounted at `/meta`.

What it reproduces, simplifies and leaves out is listed in the sandbox's README.
"""
