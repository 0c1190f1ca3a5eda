"""HubSpot's CRM API over the sandbox's world, mounted at `/hubspot`.

What it reproduces, simplifies and leaves out is listed in the README beside this file.
"""
