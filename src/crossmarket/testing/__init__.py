"""What provider authors and applications test with: a clock, emulators on real sockets, a conformance kit.

Needs the extra `testing`: `pip install "crossmarket[testing]"`.
"""
