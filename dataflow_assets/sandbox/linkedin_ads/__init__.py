"""LinkedIn's Marketing API over the sandbox's world, mounted at `/linkedin`.

What it reproduces, simplifies and leaves out is listed in the README beside this file.
"""
