"""The command line: thin calls of `crossmarket.Market`, as tables for people and as JSON for programs."""
