"""A pack is whole, or named as broken."""

import hashlib
import tempfile
import unittest
import warnings
import zipfile
from pathlib import Path

from driftpack_client import BrokenPack, verify


class Verify(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "pack.zip")
        self.entries = {"data.json": b"{}", "findings.csv": b"number\n"}

    def manifest(self):
        lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(self.entries.items()))
        return "".join(lines).encode()

    def write(self, *entries):
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an entry that is there twice is the point
            for name, data in entries:
                archive.writestr(name, data)

    def is_broken(self, word):
        with self.assertRaisesRegex(BrokenPack, word):
            verify(self.path)

    def test_a_whole_pack(self):
        self.write(*self.entries.items(), ("MANIFEST.txt", self.manifest()))
        self.assertEqual(verify(self.path)["data.json"], hashlib.sha256(b"{}").hexdigest())

    def test_an_entry_was_changed(self):
        manifest = self.manifest()
        self.write(("data.json", b"[]"), ("findings.csv", b"number\n"), ("MANIFEST.txt", manifest))
        self.is_broken("data.json is not what")

    def test_an_entry_is_missing_added_or_there_twice(self):
        self.write(("data.json", b"{}"), ("MANIFEST.txt", self.manifest()))
        self.is_broken("findings.csv is missing")
        self.write(*self.entries.items(), ("more.txt", b""), ("MANIFEST.txt", self.manifest()))
        self.is_broken("more.txt is not in")
        self.write(*self.entries.items(), ("data.json", b"{}"), ("MANIFEST.txt", self.manifest()))
        self.is_broken("twice")

    def test_no_manifest_or_a_strange_one(self):
        self.write(*self.entries.items())
        self.is_broken("MANIFEST.txt is missing")
        self.write(*self.entries.items(), ("MANIFEST.txt", b"hello\n"))
        self.is_broken("a line that is none")

    def test_bytes_that_were_damaged(self):
        self.write(*self.entries.items(), ("MANIFEST.txt", self.manifest()))
        whole = self.path.read_bytes()
        for place in range(len(whole)):
            self.path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
            try:
                verify(self.path)  # times and permissions may be damaged, what is in the pack may not
            except BrokenPack:
                continue
            with zipfile.ZipFile(self.path) as archive:
                self.assertEqual(archive.read("data.json"), b"{}", place)

    def test_no_zip_at_all(self):
        self.path.write_bytes(b"hello")
        self.is_broken("cannot be read")


if __name__ == "__main__":
    unittest.main()
