"""The `dataflow` command. Help costs no heavy import: each command loads what it needs when it runs."""
