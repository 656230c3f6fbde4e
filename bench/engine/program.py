"""A measured program as a process: orders in, figures out, line by line.

Invariants: it ends when the block that uses it does, by its own id; what it writes to standard error is kept in a log; a
program that says nothing for too long, or ends before its time, is an error with the end of that log.
"""

import json
import os
import pathlib
import queue
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class ProgramError(Exception):
    pass


class Process:
    def __init__(self, command, log, cwd=None):
        self.command, self.log, self.cwd = [str(word) for word in command], log, cwd

    def __enter__(self):
        self.errors = open(self.log, "a")
        self.errors.write(f"$ {' '.join(self.command)}\n")
        self.errors.flush()
        pipe, environment = subprocess.PIPE, dict(os.environ, RUST_BACKTRACE="0")
        self.process = subprocess.Popen(
            self.command, stdin=pipe, stdout=pipe, stderr=self.errors, text=True, bufsize=1, cwd=self.cwd, env=environment
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def __exit__(self, *_):
        try:
            self.process.stdin.close()
        except OSError:
            pass  # it has ended already
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()

    def order(self, text):
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def next(self, key, seconds):
        """The next figure that has this key, or one of these; others are passed over."""
        keys = (key,) if isinstance(key, str) else key
        until = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise ProgramError(f"said no {' or '.join(keys)} within {seconds:.0f} s; {self._end_of_log()}") from None
            if line is None:
                raise ProgramError(f"ended before it said {' or '.join(keys)}; {self._end_of_log()}")
            try:
                figures = json.loads(line)
            except ValueError:
                continue  # a library's own words
            if isinstance(figures, dict) and any(key in figures for key in keys):
                return figures

    def _end_of_log(self):
        self.errors.flush()
        last = [line for line in open(self.log, errors="replace").read().splitlines()[-12:] if line.strip()]
        # without where this checkout lies: results are published
        return "its last words: " + " / ".join(last).replace(f"{ROOT}/", "")[-600:]


def call(command, log, key=None, seconds=600, cwd=None):
    """Runs a program to its end; what it said under `key`."""
    with Process(command, log, cwd) as process:
        figures = process.next(key, seconds) if key else None
        process.process.stdin.close()
        try:
            code = process.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ProgramError(f"did not end within {seconds:.0f} s; {process._end_of_log()}") from None
        if code:
            raise ProgramError(f"ended with code {code}; {process._end_of_log()}")
        return figures
